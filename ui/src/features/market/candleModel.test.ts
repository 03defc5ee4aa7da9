import { describe, expect, it } from "vitest";
import type { CandleRow, Candles, InstrumentIx, Millis } from "@/contract";
import { CandleModel } from "./candleModel";

function page(starts: readonly number[], close: number, older = true): Candles {
  const column = starts.map(() => close);
  return {
    instrument: 0 as InstrumentIx,
    timeframe: "1m",
    start_ms: starts as readonly Millis[],
    open: column,
    high: column,
    low: column,
    close: column,
    volume: column,
    has_older: older,
  };
}

function bar(start: number, close: number): CandleRow {
  return {
    start_ms: start as Millis,
    open: close,
    high: close,
    low: close,
    close,
    volume: 1,
    closed: false,
  };
}

const closes = (model: CandleModel) => model.bars.map((b) => [b.start_ms, b.close]);

describe("CandleModel", () => {
  it("puts older history before, says by how many bars, and when there is no more", () => {
    const model = new CandleModel();
    expect(model.addHistory(page([300, 360], 1))).toBe(0);
    expect(model.addHistory(page([180, 240], 2, false))).toBe(2);
    expect(closes(model)).toEqual([
      [180, 2],
      [240, 2],
      [300, 1],
      [360, 1],
    ]);
    expect(model.hasOlder).toBe(false);
  });

  it("lets live bars win over history that came later", () => {
    const model = new CandleModel();
    model.addLive([bar(360, 9)]);
    model.addHistory(page([300, 360], 1));
    expect(closes(model)).toEqual([
      [300, 1],
      [360, 9],
    ]);
  });

  it("tells an append from a correction of an older bar", () => {
    const model = new CandleModel();
    model.addHistory(page([60, 120], 1));
    expect(model.addLive([])).toBe("none");
    expect(model.addLive([bar(120, 2), bar(180, 3)])).toBe("tail");
    expect(model.addLive([bar(60, 7)])).toBe("older");
    expect(closes(model)).toEqual([
      [60, 7],
      [120, 2],
      [180, 3],
    ]);
  });

  it("a newer page does not undo what is known of the oldest end", () => {
    const model = new CandleModel();
    model.addHistory(page([60], 1, false));
    model.addHistory(page([120, 180], 1, true));
    expect(model.hasOlder).toBe(false);
  });
});
