import { describe, expect, it } from "vitest";
import { sparkPath } from "./Sparkline";
import { ordered } from "./SortHeader";

describe("ordered", () => {
  const rows = [{ v: 2 }, { v: null }, { v: 10 }, { v: -1 }];
  const value = (row: { v: number | null }) => row.v;
  it("puts unknown values last either way", () => {
    expect(ordered(rows, { by: "v", down: true }, value).map((r) => r.v)).toEqual([
      10,
      2,
      -1,
      null,
    ]);
    expect(ordered(rows, { by: "v", down: false }, value).map((r) => r.v)).toEqual([
      -1,
      2,
      10,
      null,
    ]);
  });
  it("keeps the given order among equals", () => {
    const equal = [
      { v: 1, n: "a" },
      { v: 1, n: "b" },
    ];
    expect(ordered(equal, { by: "v", down: true }, (r) => r.v).map((r) => r.n)).toEqual(["a", "b"]);
  });
});

describe("sparkPath", () => {
  it("draws nothing of fewer than two points", () => {
    expect(sparkPath([])).toBe("");
    expect(sparkPath([1])).toBe("");
  });
  it("spans the box from its lowest to its highest value", () => {
    expect(sparkPath([1, 2, 1])).toBe("M0.0 16.5L28.0 1.5L56.0 16.5");
  });
  it("draws a flat line without dividing by zero", () => {
    expect(sparkPath([5, 5])).not.toContain("NaN");
  });
});
