import type { FeedState, Millis } from "@/contract";

/** A quote older than this is dimmed and shows its age. */
export const QUOTE_STALE_MS = 5_000 as Millis;
/** Panels fed at the conflation rate. */
export const PANEL_STALE_MS = 5_000 as Millis;

/** Trades and bars of a thin instrument come when they come. */
export const QUIET_STALE_MS = 60_000 as Millis;

export function isStale(ageMs: Millis | null, state: FeedState = "live"): boolean {
  return state === "stale" || state === "offline" || (ageMs !== null && ageMs > QUOTE_STALE_MS);
}

const ORDER: readonly FeedState[] = ["live", "lagging", "stale", "offline"];

export function worst(states: readonly FeedState[]): FeedState {
  return states.reduce<FeedState>((a, b) => (ORDER.indexOf(b) > ORDER.indexOf(a) ? b : a), "live");
}
