import type { Millis, NsText } from "@/contract";

export type Zone = "utc" | "local";

const cache = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: Zone, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  let found = cache.get(key);
  if (found === undefined) {
    found = new Intl.DateTimeFormat("en-GB", {
      ...options,
      hourCycle: "h23",
      ...(zone === "utc" ? { timeZone: "UTC" } : {}),
    });
    cache.set(key, found);
  }
  return found;
}

const CLOCK: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const DAY: Intl.DateTimeFormatOptions = { day: "2-digit", month: "short" };

export function millisOf(ns: NsText): Millis {
  return (Number(ns) / 1e6) as Millis;
}

export function clock(ms: Millis, zone: Zone): string {
  return formatter(zone, CLOCK).format(ms);
}

export function day(ms: Millis, zone: Zone): string {
  return formatter(zone, DAY).format(ms);
}

export function dayClock(ms: Millis, zone: Zone): string {
  return `${day(ms, zone)} ${clock(ms, zone)}`;
}

/** "UTC", or the local zone's abbreviation: no time is shown without it. */
export function zoneName(zone: Zone): string {
  if (zone === "utc") return "UTC";
  const part = formatter(zone, { timeZoneName: "short" })
    .formatToParts(Date.now())
    .find((p) => p.type === "timeZoneName");
  return part?.value ?? "local";
}

/** Seconds to add to a UTC stamp so that a chart without zone support shows the zone's clock. */
export function zoneShiftSeconds(ms: Millis, zone: Zone): number {
  return zone === "utc" ? 0 : -new Date(ms).getTimezoneOffset() * 60;
}
