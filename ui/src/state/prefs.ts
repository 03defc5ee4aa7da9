import { createSlice, type PayloadAction } from "@reduxjs/toolkit";
import type { Zone } from "@/format/time";

export type Theme = "dark" | "light";
export type Palette = "teal-red" | "blue-orange" | "red-up";
export type Density = "compact" | "comfortable";

export interface Prefs {
  theme: Theme;
  palette: Palette;
  density: Density;
  zone: Zone;
}

const STORAGE = "poise.prefs";
const DEFAULTS: Prefs = { theme: "dark", palette: "teal-red", density: "compact", zone: "utc" };
const ALLOWED: { readonly [K in keyof Prefs]: readonly Prefs[K][] } = {
  theme: ["dark", "light"],
  palette: ["teal-red", "blue-orange", "red-up"],
  density: ["compact", "comfortable"],
  zone: ["utc", "local"],
};

function allowed<K extends keyof Prefs>(key: K, value: unknown): value is Prefs[K] {
  return (ALLOWED[key] as readonly unknown[]).includes(value);
}

/** Preferences from storage; anything unreadable or unknown falls back to its default. */
export function readPrefs(text: string | null): Prefs {
  const prefs = { ...DEFAULTS };
  try {
    const stored = JSON.parse(text ?? "{}") as Record<string, unknown>;
    const take = <K extends keyof Prefs>(key: K) => {
      const value = stored[key];
      if (allowed(key, value)) prefs[key] = value;
    };
    (Object.keys(DEFAULTS) as (keyof Prefs)[]).forEach(take);
  } catch {
    return DEFAULTS;
  }
  return prefs;
}

export function loadPrefs(): Prefs {
  return readPrefs(localStorage.getItem(STORAGE));
}

export function savePrefs(prefs: Prefs): void {
  localStorage.setItem(STORAGE, JSON.stringify(prefs));
}

export const prefsSlice = createSlice({
  name: "prefs",
  initialState: DEFAULTS,
  reducers: {
    setPrefs: (state, action: PayloadAction<Partial<Prefs>>) => ({ ...state, ...action.payload }),
    toggleTheme: (state) => {
      state.theme = state.theme === "dark" ? "light" : "dark";
    },
  },
});

export const { setPrefs, toggleTheme } = prefsSlice.actions;
