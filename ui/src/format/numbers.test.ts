import { describe, expect, it } from "vitest";
import type { Fraction, LogPrice, Millis } from "@/contract";
import * as f from "./numbers";

const UNKNOWN = [null, undefined, Number.NaN, Number.POSITIVE_INFINITY];

describe("unknown values", () => {
  it("are a dash in every format, never 0", () => {
    for (const value of UNKNOWN) {
      const any = value as never;
      const texts = [
        f.number(any, 2),
        f.signed(any, 2),
        f.integer(any),
        f.quantity(any),
        f.dollars(any),
        f.percent(any),
        f.basisPoints(any),
        f.halfLife(any, 60),
        f.bytes(any).value,
        f.duration(any),
        f.shortAge(any),
        f.micros(any),
      ];
      expect(new Set(texts)).toEqual(new Set([f.BLANK]));
    }
  });

  it("make a derived value unknown", () => {
    expect(f.spreadBp(null, 2)).toBeNull();
    expect(f.spreadBp(1, Number.NaN)).toBeNull();
    expect(f.midOf(1, null)).toBeNull();
    expect(f.arrow(null)).toBe("");
    expect(f.tone(Number.NaN)).toBe("");
  });
});

describe("signs", () => {
  it("are a plus and a typographic minus of equal width", () => {
    expect(f.signed(1.234, 2)).toBe("+1.23");
    expect(f.signed(-1.234, 2)).toBe("−1.23");
    expect(f.percent(-0.0123 as Fraction)).toBe("−1.23%");
  });

  it("vanish when the figure rounds to zero", () => {
    expect(f.signed(-0.0001, 2)).toBe("0.00");
    expect(f.signed(0.0001, 2)).toBe("0.00");
    expect(f.number(-0, 1)).toBe("0.0");
  });

  it("stand beside an arrow", () => {
    expect([f.arrow(1), f.arrow(-1), f.arrow(0)]).toEqual(["▲", "▼", ""]);
    expect([f.tone(1), f.tone(-1), f.tone(0)]).toEqual(["up", "down", ""]);
  });
});

describe("units", () => {
  it("turns log differences into basis points", () => {
    expect(f.basisPoints(0.00321 as LogPrice)).toBe("+32.1");
  });

  it("gives the spread relative to the mid", () => {
    expect(f.spreadBp(99.99, 100.01)).toBeCloseTo(2, 10);
  });

  it("shows half-life in hours with bars in brackets", () => {
    expect(f.halfLife(38, 300)).toBe("3.2 h (38)");
    expect(f.halfLife(5.25, 1)).toBe("0.001 h (5.3)");
    expect(f.halfLife(200, 3600)).toBe("200 h (200)");
  });

  it("groups thousands and keeps the tick's decimals", () => {
    expect(f.number(64213.5, 2)).toBe("64,213.50");
  });

  it("shortens large quantities", () => {
    expect(f.quantity(0.376)).toBe("0.376");
    expect(f.quantity(123456)).toBe("123.5K");
    expect(f.dollars(3_040_000_000)).toBe("$3.0B");
  });

  it("scales bytes", () => {
    expect(f.bytes(486_900_000)).toEqual({ value: "486.9", unit: "MB" });
    expect(f.bytes(12)).toEqual({ value: "12", unit: "B" });
  });
});

describe("durations", () => {
  const ms = (value: number) => value as Millis;
  it.each([
    [350, "350 ms"],
    [4_123, "4.1 s"],
    [42_000, "42 s"],
    [130_000, "2 m 10 s"],
    [11_100_000, "3 h 05 m"],
    [200_000_000, "2 d 7 h"],
  ])("%d ms is %s", (value, text) => {
    expect(f.duration(ms(value))).toBe(text);
  });
  it("never shows an age below zero", () => {
    expect(f.duration(ms(-3))).toBe("0 ms");
  });
  it.each([
    [7_900, "7s"],
    [180_000, "3m"],
    [7_300_000, "2h"],
  ])("%d ms beside a value is %s", (value, text) => {
    expect(f.shortAge(ms(value))).toBe(text);
  });
});
