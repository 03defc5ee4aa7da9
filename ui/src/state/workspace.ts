import { createSlice, type PayloadAction } from "@reduxjs/toolkit";

/** What the trader is looking at; kept while routes change and between visits. */
export interface Workspace {
  symbol: string | null;
  timeframe: string;
  pair: { y: string; x: string } | null;
  pairTimeframe: string;
}

const STORAGE = "poise.workspace";
const DEFAULTS: Workspace = { symbol: null, timeframe: "1m", pair: null, pairTimeframe: "1m" };

export function loadWorkspace(): Workspace {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(STORAGE) ?? "{}") as object) };
  } catch {
    return DEFAULTS;
  }
}

export function saveWorkspace(workspace: Workspace): void {
  localStorage.setItem(STORAGE, JSON.stringify(workspace));
}

export const workspaceSlice = createSlice({
  name: "workspace",
  initialState: DEFAULTS,
  reducers: {
    setSymbol: (state, action: PayloadAction<string>) => {
      state.symbol = action.payload;
    },
    setTimeframe: (state, action: PayloadAction<string>) => {
      state.timeframe = action.payload;
    },
    setPair: (state, action: PayloadAction<{ y: string; x: string }>) => {
      state.pair = action.payload;
    },
    setPairTimeframe: (state, action: PayloadAction<string>) => {
      state.pairTimeframe = action.payload;
    },
  },
});

export const { setSymbol, setTimeframe, setPair, setPairTimeframe } = workspaceSlice.actions;
