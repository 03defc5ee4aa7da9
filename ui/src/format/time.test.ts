import { expect, it } from "vitest";
import type { Millis, NsText } from "@/contract";
import { clock, dayClock, millisOf, zoneName, zoneShiftSeconds } from "./time";

const AT = Date.UTC(2026, 10, 21, 7, 5, 9) as Millis;

it("reads nanoseconds as text without losing the millisecond", () => {
  expect(millisOf("1795244709123456789" as NsText)).toBeCloseTo(1795244709123.4568, 3);
});

it("shows UTC unless asked for local time", () => {
  expect(clock(AT, "utc")).toBe("07:05:09");
  expect(dayClock(AT, "utc")).toBe("21 Nov 07:05:09");
  expect(zoneName("utc")).toBe("UTC");
  expect(zoneShiftSeconds(AT, "utc")).toBe(0);
});

it("shifts chart stamps by the zone's offset at that time", () => {
  const offset = -new Date(AT).getTimezoneOffset() * 60;
  expect(zoneShiftSeconds(AT, "local")).toBe(offset);
});
