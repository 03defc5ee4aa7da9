import { lazy, Suspense, useState } from "react";
import { IconButton } from "@/components/Button";
import { Icon } from "@/components/Icon";
import type { Environment, Status } from "@/contract";
import { toggleTheme } from "@/state/prefs";
import { useAppDispatch, useAppSelector } from "@/state/store";
import { ConnectionPill } from "./ConnectionPill";
import css from "./Header.module.css";

const Settings = lazy(() => import("./Settings"));

const BADGES: Record<Environment, { label: string; title: string }> = {
  live: { label: "LIVE", title: "Live venue data" },
  paper: { label: "PAPER", title: "Live data, simulated orders" },
  replay: { label: "REPLAY", title: "A recording is being replayed" },
  demo: { label: "DEMO", title: "A generated market: nothing here is real" },
};

interface HeaderProps {
  status: Status | undefined;
  onSearch: () => void;
  onHelp: () => void;
}

export function Header({ status, onSearch, onHelp }: HeaderProps) {
  const dispatch = useAppDispatch();
  const theme = useAppSelector((state) => state.prefs.theme);
  const [wanted, setWanted] = useState(false);
  return (
    <header className={css.header}>
      <span className={css.name}>Poise</span>
      <button
        type="button"
        className={css.search}
        onClick={onSearch}
        aria-label="Search instruments"
      >
        <Icon name="search" size={16} />
        <span>Search instruments</span>
        <kbd>/</kbd>
      </button>
      {status !== undefined && (
        <span
          className={css.badge}
          data-environment={status.environment}
          title={`${BADGES[status.environment].title}: ${status.venue}`}
        >
          {BADGES[status.environment].label}
        </span>
      )}
      <p className={css.notice} title={status?.notice}>
        {status?.notice}
      </p>
      <span className={css.fill} />
      <ConnectionPill venue={status?.venue} />
      <IconButton className={css.phone} icon="help" label="Help" onClick={onHelp} />
      <IconButton
        icon={theme === "dark" ? "sun" : "moon"}
        label={theme === "dark" ? "Light theme" : "Dark theme"}
        onClick={() => dispatch(toggleTheme())}
      />
      {wanted ? (
        <Suspense fallback={<IconButton icon="settings" label="Settings" />}>
          <Settings />
        </Suspense>
      ) : (
        <IconButton
          icon="settings"
          label="Settings"
          aria-haspopup="dialog"
          onClick={() => setWanted(true)}
        />
      )}
    </header>
  );
}
