import { expect, it } from "vitest";
import type { Millis } from "@/contract";
import { LagMeter } from "./LagMeter";

const ms = (value: number) => value as Millis;

it("measures above the fastest frame, whatever the two clocks differ by", () => {
  for (const skew of [-5_000, 0, 86_400_000]) {
    const meter = new LagMeter();
    meter.received(ms(1_000 + skew), ms(1_004));
    meter.received(ms(1_100 + skew), ms(1_130));
    meter.painted(ms(1_100 + skew), ms(1_140));
    expect(meter.take()).toBe(36);
    expect(meter.take()).toBeNull();
  }
});

it("forgets an old floor, so that a clock that was set does not stay in the figure", () => {
  const meter = new LagMeter();
  meter.received(ms(1_000), ms(1_000));
  for (let at = 40_000; at < 200_000; at += 1_000) meter.received(ms(at - 300), ms(at));
  meter.painted(ms(200_000 - 300), ms(200_016));
  expect(meter.take()).toBe(16);
});
