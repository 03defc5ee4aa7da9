import { createSlice, type PayloadAction } from "@reduxjs/toolkit";
import type { FeedState, Millis } from "@/contract";

export type ConnPhase = "connecting" | "syncing" | "live" | "resyncing" | "offline";

/** State of the page's own connection, written at most twice a second. */
export interface Conn {
  phase: ConnPhase;
  state: FeedState;
  lagMs: Millis | null;
  /** Since the last frame. */
  silentMs: Millis | null;
  resyncs: number;
  reconnects: number;
}

const initialState: Conn = {
  phase: "connecting",
  state: "offline",
  lagMs: null,
  silentMs: null,
  resyncs: 0,
  reconnects: 0,
};

export const LAGGING_MS = 250;
export const QUIET_MS = 2_500;
export const STALE_MS = 6_000;

/** One word for the pill out of phase, lag and silence. */
export function stateOf(
  phase: ConnPhase,
  lagMs: number | null,
  silentMs: number | null,
): FeedState {
  if (phase === "offline" || phase === "connecting") return "offline";
  if (silentMs !== null && silentMs > STALE_MS) return "stale";
  if (phase !== "live" || (silentMs ?? 0) > QUIET_MS || (lagMs ?? 0) > LAGGING_MS) return "lagging";
  return "live";
}

export const connSlice = createSlice({
  name: "conn",
  initialState,
  reducers: {
    connMeasured: (_, action: PayloadAction<Omit<Conn, "state">>) => ({
      ...action.payload,
      state: stateOf(action.payload.phase, action.payload.lagMs, action.payload.silentMs),
    }),
  },
});

export const { connMeasured } = connSlice.actions;
