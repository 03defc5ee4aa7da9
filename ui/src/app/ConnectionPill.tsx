import { Hint } from "@/components/Hint";
import type { FeedState } from "@/contract";
import { duration, integer } from "@/format/numbers";
import { useHotState, useLive } from "@/live/context";
import { worst } from "@/live/freshness";
import { hotKey } from "@/live/keys";
import { useAppSelector } from "@/state/store";
import css from "./ConnectionPill.module.css";

const KEYS = [hotKey.health];

/** One word for how far the screen can be trusted: the worst of this page's socket and the feeds. */
export function ConnectionPill({ venue }: { venue: string | undefined }) {
  const { store } = useLive();
  const conn = useAppSelector((state) => state.conn);
  const feeds = useHotState(
    KEYS,
    (): FeedState => worst(store.health?.value.feeds.map((feed) => feed.state) ?? []),
    1_000,
  );
  const state = worst([conn.state, feeds]);
  const own = conn.state !== "live";
  const lag = conn.lagMs === null ? "" : `${integer(conn.lagMs)} ms`;
  const figure = conn.silentMs !== null && own ? duration(conn.silentMs) : lag;
  const word =
    conn.phase === "resyncing"
      ? "resyncing"
      : conn.phase === "connecting" || conn.phase === "syncing"
        ? "connecting"
        : state;
  const text = [
    `Page: ${conn.phase}${lag === "" ? "" : `, on screen ${lag} after the fastest frame`}`,
    `Feeds of ${venue ?? "the venue"}: worst is ${feeds}${conn.phase === "offline" ? ", as last heard" : ""}`,
    `Resyncs ${conn.resyncs}, reconnections ${conn.reconnects}`,
  ].join("\n");
  return (
    <Hint text={text}>
      <button type="button" className={css.pill} data-state={state}>
        <i aria-hidden="true" />
        <span>{!own && feeds !== "live" ? `feed ${feeds}` : word}</span>
        <span className={css.ms}>{figure}</span>
      </button>
    </Hint>
  );
}
