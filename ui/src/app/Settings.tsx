import * as Popover from "@radix-ui/react-popover";
import { useState } from "react";
import { IconButton } from "@/components/Button";
import { Segmented } from "@/components/Segmented";
import { setPrefs, type Density, type Palette, type Theme } from "@/state/prefs";
import { useAppDispatch, useAppSelector } from "@/state/store";
import type { Zone } from "@/format/time";
import css from "./Settings.module.css";

const THEMES: readonly { value: Theme; label: string }[] = [
  { value: "dark", label: "Dark" },
  { value: "light", label: "Light" },
];
const PALETTES: readonly { value: Palette; label: string }[] = [
  { value: "teal-red", label: "Teal ▲ red ▼" },
  { value: "blue-orange", label: "Blue ▲ orange ▼" },
  { value: "red-up", label: "Red ▲ teal ▼" },
];
const DENSITIES: readonly { value: Density; label: string }[] = [
  { value: "compact", label: "Compact" },
  { value: "comfortable", label: "Comfortable" },
];
const ZONES: readonly { value: Zone; label: string }[] = [
  { value: "utc", label: "UTC" },
  { value: "local", label: "Local" },
];

export default function Settings() {
  const dispatch = useAppDispatch();
  const prefs = useAppSelector((state) => state.prefs);
  const [open, setOpen] = useState(true);
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger asChild>
        <IconButton icon="settings" label="Settings" />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          className={css.popover}
          align="end"
          sideOffset={8}
          collisionPadding={8}
          aria-label="Settings"
        >
          <Line label="Theme">
            <Segmented
              label="Theme"
              value={prefs.theme}
              options={THEMES}
              onChange={(theme) => dispatch(setPrefs({ theme: theme as Theme }))}
            />
          </Line>
          <Line label="Up and down colours">
            <Segmented
              label="Up and down colours"
              value={prefs.palette}
              options={PALETTES}
              onChange={(palette) => dispatch(setPrefs({ palette: palette as Palette }))}
            />
          </Line>
          <Line label="Rows">
            <Segmented
              label="Rows"
              value={prefs.density}
              options={DENSITIES}
              onChange={(density) => dispatch(setPrefs({ density: density as Density }))}
            />
          </Line>
          <Line label="Times in">
            <Segmented
              label="Times in"
              value={prefs.zone}
              options={ZONES}
              onChange={(zone) => dispatch(setPrefs({ zone: zone as Zone }))}
            />
          </Line>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Line({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div className={css.line}>
      <span>{label}</span>
      {children}
    </div>
  );
}
