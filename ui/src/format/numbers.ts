import type { Fraction, LogPrice, Micros, Millis } from "@/contract";

/** Shown where a value is not known: never 0. */
export const BLANK = "—";

type Maybe<T> = T | null | undefined;

const formatters = new Map<string, Intl.NumberFormat>();

function fixed(decimals: number, grouping = true): Intl.NumberFormat {
  const key = `${decimals}${grouping ? "g" : ""}`;
  let found = formatters.get(key);
  if (found === undefined) {
    found = new Intl.NumberFormat("en-US", {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      useGrouping: grouping,
    });
    formatters.set(key, found);
  }
  return found;
}

const compact = new Intl.NumberFormat("en-US", {
  notation: "compact",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});

export function known(value: Maybe<number>): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** A typographic minus keeps the width of a plus, and "-0.00" is never shown. */
function typeset(text: string): string {
  if (!text.startsWith("-")) return text;
  return /[1-9]/.test(text) ? `−${text.slice(1)}` : text.slice(1);
}

export function number(value: Maybe<number>, decimals: number): string {
  return known(value) ? typeset(fixed(decimals).format(value)) : BLANK;
}

export function signed(value: Maybe<number>, decimals: number): string {
  if (!known(value)) return BLANK;
  const text = number(value, decimals);
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

export function integer(value: Maybe<number>): string {
  return number(value, 0);
}

/** Quantity in few characters: decimals while small, K, M, B when large. */
export function quantity(value: Maybe<number>, decimals = 3): string {
  if (!known(value)) return BLANK;
  if (Math.abs(value) >= 10_000) return typeset(compact.format(value));
  const places = Math.max(
    0,
    Math.min(decimals, 4 - Math.floor(Math.log10(Math.abs(value) + 1e-12))),
  );
  return number(value, Math.min(decimals, places));
}

/** "$1.24B" */
export function dollars(value: Maybe<number>): string {
  return known(value) ? `$${typeset(compact.format(value))}` : BLANK;
}

export function percent(value: Maybe<Fraction>, decimals = 2): string {
  return known(value) ? `${signed(value * 100, decimals)}%` : BLANK;
}

/** Log price difference in basis points. */
export function basisPoints(value: Maybe<LogPrice>, decimals = 1): string {
  return known(value) ? signed(value * 10_000, decimals) : BLANK;
}

/** Bid-ask distance relative to the mid, in basis points; null when a side is missing. */
export function spreadBp(bid: Maybe<number>, ask: Maybe<number>): number | null {
  if (!known(bid) || !known(ask) || bid <= 0 || ask <= 0) return null;
  return ((ask - bid) / ((ask + bid) / 2)) * 10_000;
}

export function midOf(bid: Maybe<number>, ask: Maybe<number>): number | null {
  return known(bid) && known(ask) ? (bid + ask) / 2 : null;
}

/** ▲ or ▼ beside colour, for those who cannot tell the colours apart. */
export function arrow(value: Maybe<number>): string {
  if (!known(value) || value === 0) return "";
  return value > 0 ? "▲" : "▼";
}

export function tone(value: Maybe<number>): "up" | "down" | "" {
  if (!known(value) || value === 0) return "";
  return value > 0 ? "up" : "down";
}

/** "3.2 h (38)": hours first, bars in brackets. */
export function halfLife(bars: Maybe<number>, barSeconds: number): string {
  if (!known(bars)) return BLANK;
  const hours = (bars * barSeconds) / 3600;
  const decimals = hours >= 100 ? 0 : hours >= 1 ? 1 : hours >= 0.1 ? 2 : 3;
  return `${number(hours, decimals)} h (${number(bars, bars >= 10 ? 0 : 1)})`;
}

export function bytes(value: Maybe<number>): { value: string; unit: string } {
  if (!known(value)) return { value: BLANK, unit: "" };
  const units = ["B", "kB", "MB", "GB", "TB"];
  let scaled = value;
  let step = 0;
  while (scaled >= 1000 && step < units.length - 1) {
    scaled /= 1000;
    step += 1;
  }
  return { value: number(scaled, step === 0 ? 0 : 1), unit: units[step] ?? "" };
}

/** "350 ms", "4.1 s", "2 m 10 s", "3 h 05 m". */
export function duration(value: Maybe<Millis>): string {
  if (!known(value)) return BLANK;
  if (value < 1000) return `${number(Math.max(0, value), 0)} ms`;
  const seconds = value / 1000;
  if (seconds < 60) return `${number(seconds, seconds < 10 ? 1 : 0)} s`;
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} m ${String(whole % 60).padStart(2, "0")} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} m`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Age beside a dimmed value: "7s", "3m", "2h". */
export function shortAge(value: Maybe<Millis>): string {
  if (!known(value)) return BLANK;
  const seconds = value / 1000;
  if (seconds < 100) return `${Math.floor(seconds)}s`;
  if (seconds < 6000) return `${Math.floor(seconds / 60)}m`;
  return `${Math.floor(seconds / 3600)}h`;
}

export function micros(value: Maybe<Micros>): string {
  return known(value) ? number(value, value < 100 ? 1 : 0) : BLANK;
}
