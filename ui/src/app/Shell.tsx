import { lazy, Suspense, useCallback, useState, type ReactNode } from "react";
import { NavLink } from "react-router";
import { Icon, type IconName } from "@/components/Icon";
import type { Status } from "@/contract";
import { useAppSelector } from "@/state/store";
import { Header } from "./Header";
import { Logo } from "./Logo";
import css from "./Shell.module.css";
import { useShortcuts } from "./useShortcuts";

const SearchDialog = lazy(() => import("./SearchDialog"));
const HelpDialog = lazy(() => import("./HelpDialog"));
const Toasts = lazy(() => import("./Toasts"));

const ROUTES: readonly { to: string; label: string; icon: IconName; keys: string }[] = [
  { to: "/market", label: "Market", icon: "market", keys: "g m" },
  { to: "/pairs", label: "Pairs", icon: "pairs", keys: "g p" },
  { to: "/health", label: "Health", icon: "health", keys: "g h" },
];

type Open = "search" | "help" | null;

export function Shell({ status, children }: { status: Status | undefined; children: ReactNode }) {
  const [open, setOpen] = useState<Open>(null);
  const openSearch = useCallback(() => setOpen("search"), []);
  const openHelp = useCallback(() => setOpen("help"), []);
  const close = useCallback(() => setOpen(null), []);
  const hasNotices = useAppSelector((state) => state.notices.shown.length > 0);
  useShortcuts({ openSearch, openHelp, timeframes: status?.timeframes.map((t) => t.name) ?? [] });
  return (
    <div className={css.shell}>
      <a className={css.skip} href="#main">
        Skip to the page
      </a>
      <nav className={css.rail} aria-label="Pages">
        <span className={css.logo}>
          <Logo />
        </span>
        {ROUTES.map((route) => (
          <NavLink
            key={route.to}
            to={route.to}
            className={css.link!}
            title={`${route.label} (${route.keys})`}
          >
            <Icon name={route.icon} size={20} />
            {route.label}
          </NavLink>
        ))}
        <span className={css.fill} />
        <button
          type="button"
          className={`${css.link} ${css.helpLink}`}
          onClick={openHelp}
          title="Keys, conventions, about (?)"
        >
          <Icon name="help" size={20} />
          Help
        </button>
      </nav>
      <Header status={status} onSearch={openSearch} onHelp={openHelp} />
      <main id="main" className={css.main} tabIndex={-1}>
        {children}
      </main>
      <Suspense fallback={null}>
        {open === "search" && <SearchDialog onClose={close} />}
        {open === "help" && <HelpDialog status={status} onClose={close} />}
        {hasNotices && <Toasts />}
      </Suspense>
    </div>
  );
}
