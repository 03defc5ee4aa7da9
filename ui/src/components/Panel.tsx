import type { CSSProperties, ReactNode } from "react";
import type { Millis } from "@/contract";
import { AgeDot, type ReadAge } from "./AgeDot";
import { Button } from "./Button";
import css from "./Panel.module.css";

/** The states of a panel other than ready and stale (age is on the dot). */
export type PanelState =
  | { kind: "ready" }
  | { kind: "loading" }
  | { kind: "empty"; why: string; next?: string }
  | { kind: "partial"; note: string }
  | { kind: "error"; title: string; hint: string; requestId: string | null; retry: () => void };

interface PanelProps {
  title: string;
  /** Unit or subject, muted beside the title. */
  subject?: ReactNode;
  age?: ReadAge;
  /** Age from which the panel is stale, for those that are quiet by nature. */
  staleMs?: Millis;
  /** Shown while the panel is hovered or focused within. */
  actions?: ReactNode;
  /** Always shown, between subject and actions. */
  controls?: ReactNode;
  state?: PanelState;
  skeleton?: "rows" | "chart";
  className?: string | undefined;
  style?: CSSProperties;
  children: ReactNode;
}

const READY: PanelState = { kind: "ready" };

export function Panel({
  title,
  subject,
  age,
  staleMs,
  actions,
  controls,
  state = READY,
  skeleton = "rows",
  className,
  style,
  children,
}: PanelProps) {
  return (
    <section
      className={`${css.panel} ${className ?? ""}`}
      style={style}
      aria-label={title}
      aria-busy={state.kind === "loading"}
    >
      <header className={css.head}>
        <h2 className={css.title}>{title}</h2>
        {subject !== undefined && <span className={css.subject}>{subject}</span>}
        <span className={css.gap} />
        {actions !== undefined && <span className={css.actions}>{actions}</span>}
        {controls}
        {state.kind === "partial" && <span className={css.partial}>{state.note}</span>}
        {age !== undefined && <AgeDot age={age} staleMs={staleMs} />}
      </header>
      <div className={css.body}>
        <Body state={state} skeleton={skeleton}>
          {children}
        </Body>
      </div>
    </section>
  );
}

function Body({
  state,
  skeleton,
  children,
}: {
  state: PanelState;
  skeleton: "rows" | "chart";
  children: ReactNode;
}) {
  switch (state.kind) {
    case "loading":
      return <Skeleton kind={skeleton} />;
    case "empty":
      return (
        <div className={css.message}>
          <p>{state.why}</p>
          {state.next !== undefined && <p className="muted">{state.next}</p>}
        </div>
      );
    case "error":
      return <PanelError {...state} />;
    default:
      return children;
  }
}

type ErrorState = Extract<PanelState, { kind: "error" }>;

/** What went wrong, what to do, the id to quote. */
export function PanelError({ title, hint, requestId, retry }: Omit<ErrorState, "kind">) {
  return (
    <div className={css.message} role="status">
      <p className={css.errorTitle}>{title}</p>
      <p className="muted">{hint}</p>
      {requestId !== null && <p className={css.request}>request {requestId}</p>}
      <Button onClick={retry}>Try again</Button>
    </div>
  );
}

const ROWS = Array.from({ length: 12 }, (_, i) => 55 + ((i * 37) % 40));

function Skeleton({ kind }: { kind: "rows" | "chart" }) {
  if (kind === "chart") return <div className={css.skeletonChart} aria-hidden="true" />;
  return (
    <div className={css.skeletonRows} aria-hidden="true">
      {ROWS.map((width) => (
        <span key={width} style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}
