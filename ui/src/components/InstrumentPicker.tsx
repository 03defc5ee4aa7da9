import * as Popover from "@radix-ui/react-popover";
import { Command } from "cmdk";
import { useState } from "react";
import type { InstrumentInfo, InstrumentIx } from "@/contract";
import { Icon } from "./Icon";
import css from "./InstrumentPicker.module.css";

interface InstrumentPickerProps {
  label: string;
  value: InstrumentInfo;
  instruments: readonly InstrumentInfo[];
  /** The other leg: shown, not selectable. */
  taken: InstrumentIx;
  onPick: (instrument: InstrumentInfo) => void;
}

export function InstrumentPicker({
  label,
  value,
  instruments,
  taken,
  onPick,
}: InstrumentPickerProps) {
  const [open, setOpen] = useState(false);
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger asChild>
        <button type="button" className={css.trigger} data-testid={`picker-${label}`}>
          <span className="muted">{label}</span>
          <b>{value.base}</b>
          <span className={css.quote}>{value.quote}</span>
          <Icon name="down" size={14} />
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          className={css.popover}
          align="start"
          sideOffset={6}
          collisionPadding={8}
          aria-label={label}
        >
          <Command label={label} loop defaultValue={value.symbol}>
            <Command.Input
              className={css.input}
              placeholder="Instrument"
              aria-label={label}
              autoFocus
            />
            <Command.List className={css.list} aria-label={label}>
              <Command.Empty className={css.empty}>No such instrument in this run</Command.Empty>
              {instruments.map((info) => (
                <Command.Item
                  key={info.ix}
                  value={info.symbol}
                  keywords={[info.base]}
                  disabled={info.ix === taken}
                  className={css.item}
                  onSelect={() => {
                    setOpen(false);
                    if (info.ix !== value.ix) onPick(info);
                  }}
                >
                  {info.base}
                  <span className={css.quote}>{info.quote}</span>
                  {info.ix === value.ix && <Icon name="check" size={14} />}
                </Command.Item>
              ))}
            </Command.List>
          </Command>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
