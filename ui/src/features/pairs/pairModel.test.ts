import { describe, expect, it } from "vitest";
import type { Millis, PairHistory, PairPoint, PairRow } from "@/contract";
import { decimalsOf, kalmanZonesMeanSomething } from "./charts";
import { PairModel } from "./pairModel";

const POINT = {
  y_indexed: 100,
  x_indexed: 101,
  spread: 0.0125,
  spread_mean: 0.01,
  sigma: 0.002,
  z_window: 1.25,
  z_kalman: 0.4,
  beta: 1.1,
  beta_stderr: 0.05,
  beta_kalman: 1.2,
  beta_kalman_stderr: null,
  correlation: Number.NaN,
};

function point(end: number): PairPoint {
  return { ...POINT, end_ms: end } as PairPoint;
}

function history(...ends: number[]): PairHistory {
  const columns = Object.fromEntries(
    Object.entries(POINT).map(([name, value]) => [name, ends.map(() => value)]),
  );
  return { ...columns, end_ms: ends } as unknown as PairHistory;
}

function row(spread: number, ready = true): PairRow {
  return { ...POINT, spread, alpha: 0.01, ready } as unknown as PairRow;
}

describe("PairModel", () => {
  it("draws the spread from its own mean in bp, with bands of sigma", () => {
    const model = new PairModel(history(60_000));
    const at = (name: keyof typeof model.columns) => model.columns[name][0];
    expect(at("deviation")).toBeCloseTo(25, 9);
    expect(at("plus2")).toBeCloseTo(40, 9);
    expect(at("minus1")).toBeCloseTo(-20, 9);
    expect(at("mean")).toBe(0);
    expect(model.seconds).toEqual([60]);
  });

  it("gives hedge ratios two standard errors either side, unknown when those are", () => {
    const model = new PairModel(history(60_000));
    expect(model.columns.betaHigh[0]).toBeCloseTo(1.2, 12);
    expect(model.columns.betaLow[0]).toBeCloseTo(1.0, 12);
    expect(model.columns.kalmanHigh[0]).toBeNull();
  });

  it("never passes NaN to a chart", () => {
    const model = new PairModel(history(60_000));
    expect(model.columns.correlation[0]).toBeNull();
  });

  it("ignores bars that it has", () => {
    const model = new PairModel(history(60_000, 120_000));
    model.append(point(120_000));
    model.append(point(180_000));
    model.append(point(180_000));
    expect(model.seconds).toEqual([60, 120, 180]);
  });

  it("has one moving point at the present mids, which a closed bar replaces", () => {
    const model = new PairModel(history(60_000));
    model.setNow(row(0.014), 70_000 as Millis);
    model.setNow(row(0.015), 71_000 as Millis);
    expect(model.seconds).toEqual([60, 71]);
    expect(model.columns.deviation[1]).toBeCloseTo(50, 9);
    expect(model.length).toBe(1);
    model.append(point(120_000));
    expect(model.seconds).toEqual([60, 120]);
    expect(model.columns.y).toHaveLength(2);
  });

  it("draws no present point while the pair warms up", () => {
    const model = new PairModel(history(60_000));
    model.setNow(row(0.014, false), 70_000 as Millis);
    expect(model.seconds).toEqual([60]);
  });

  it("forgets the oldest bars of a long watch", () => {
    const model = new PairModel(history(1_000));
    for (let i = 2; i <= 2_000; i += 1) model.append(point(i * 1_000));
    expect(model.seconds.length).toBe(601);
    expect(model.seconds.at(-1)).toBe(2_000);
    expect(new Set(Object.values(model.columns).map((c) => c.length))).toEqual(new Set([601]));
  });
});

it("zones of z_kalman are drawn only while its own deviation is within 0.8 to 1.25", () => {
  expect([0.8, 1, 1.25].map(kalmanZonesMeanSomething)).toEqual([true, true, true]);
  expect([0.27, 0.79, 1.26, null, Number.NaN].map(kalmanZonesMeanSomething)).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
});

it("axis decimals tell neighbouring ticks apart", () => {
  expect([50, 1, 0.5, 0.25, 0.02].map(decimalsOf)).toEqual([0, 0, 1, 2, 2]);
});
