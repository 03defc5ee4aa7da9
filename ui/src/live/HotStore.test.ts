import { describe, expect, it, vi } from "vitest";
import type { CandleRow, Frame, InstrumentIx, Millis, NsText, QuoteRow, Update } from "@/contract";
import { HotStore, upsertBar } from "./HotStore";
import { hotKey, seriesKey } from "./keys";

const IX = 3 as InstrumentIx;

function quote(ix: InstrumentIx, last: number): QuoteRow {
  return {
    ix,
    last,
    bid: 1,
    bid_qty: 1,
    ask: 2,
    ask_qty: 1,
    state: "live",
    age_ms: 20,
    change_24h: null,
  } as unknown as QuoteRow;
}

function bar(start: number, close: number, closed = false): CandleRow {
  return { start_ms: start as Millis, open: 1, high: 2, low: 0.5, close, volume: 1, closed };
}

function frame(seq: number, ...updates: Update[]): Frame {
  return { tag: "frame", seq, prev: seq - 1, server_ns: `${seq}000000` as NsText, updates };
}

function quotes(...rows: QuoteRow[]): Update {
  return { tag: "quotes", snapshot: false, rows };
}

/** A store whose flush the test runs by hand, at a time that the test sets. */
function harness() {
  let pending: (() => void) | null = null;
  let now = 1_000;
  const store = new HotStore(
    (flush) => {
      pending = flush;
    },
    () => now as Millis,
  );
  return {
    store,
    paint: () => {
      const flush = pending;
      pending = null;
      flush?.();
    },
    wait: (ms: number) => {
      now += ms;
    },
    asked: () => pending !== null,
  };
}

describe("HotStore", () => {
  it("paints once for many frames between two animation frames", () => {
    const { store, paint } = harness();
    const listener = vi.fn();
    store.subscribe(hotKey.quote(IX), listener);
    for (let seq = 1; seq <= 50; seq += 1) store.apply(frame(seq, quotes(quote(IX, seq))));
    expect(listener).not.toHaveBeenCalled();
    paint();
    expect(listener).toHaveBeenCalledTimes(1);
    expect(store.quotes.get(IX)?.value.last).toBe(50);
  });

  it("calls only listeners of keys that changed", () => {
    const { store, paint } = harness();
    const other = vi.fn();
    store.subscribe(hotKey.quote(4 as InstrumentIx), other);
    store.apply(frame(1, quotes(quote(IX, 1))));
    paint();
    expect(other).not.toHaveBeenCalled();
  });

  it("reports the newest painted frame, so that credit returns after painting", () => {
    const { store, paint } = harness();
    const painted = vi.fn();
    store.onPainted = painted;
    store.apply(frame(1));
    store.apply(frame(2));
    expect(painted).not.toHaveBeenCalled();
    paint();
    expect(painted).toHaveBeenCalledExactlyOnceWith(2, "2000000");
  });

  it("lets a listener leave, and another come, during a flush", () => {
    const { store, paint } = harness();
    const second = vi.fn();
    const leave = store.subscribe(hotKey.quote(IX), () => {
      leave();
      store.subscribe(hotKey.quote(IX), second);
    });
    store.apply(frame(1, quotes(quote(IX, 1))));
    paint();
    store.apply(frame(2, quotes(quote(IX, 2))));
    paint();
    expect(second).toHaveBeenCalledTimes(1);
  });

  it("asks for one flush, and again after it ran", () => {
    const { store, paint, asked } = harness();
    store.touch(hotKey.second);
    paint();
    expect(asked()).toBe(false);
    store.touch(hotKey.second);
    expect(asked()).toBe(true);
  });

  it("adds the time since arrival to the age on arrival", () => {
    const { store, wait } = harness();
    store.apply(frame(1, quotes(quote(IX, 1))));
    wait(700);
    const stamped = store.quotes.get(IX)!;
    expect(store.age(stamped.at, stamped.value.age_ms)).toBe(720);
    expect(store.age(stamped.at, null)).toBeNull();
  });

  it("keeps bars in order, replaces a forming bar, corrects an old one", () => {
    const { store, paint } = harness();
    const key = seriesKey(IX, "1m");
    const update = (snapshot: boolean, ...rows: CandleRow[]): Update => ({
      tag: "candle",
      key,
      snapshot,
      rows,
    });
    const changes: number[][] = [];
    store.subscribe(hotKey.candle(key), () =>
      changes.push(store.candles.get(key)!.changed.map((row) => row.start_ms)),
    );
    store.apply(frame(1, update(true, bar(60, 1, true), bar(120, 2))));
    store.apply(frame(2, update(false, bar(120, 3))));
    paint();
    store.apply(frame(3, update(false, bar(60, 9, true))));
    paint();
    expect(store.candles.get(key)!.bars.map((row) => [row.start_ms, row.close])).toEqual([
      [60, 9],
      [120, 3],
    ]);
    expect(changes).toEqual([[60, 120, 120], [60]]);
  });

  it("counts snapshots of a series and drops what stood before", () => {
    const { store } = harness();
    const key = seriesKey(IX, "1m");
    store.apply(frame(1, { tag: "candle", key, snapshot: true, rows: [bar(60, 1)] }));
    store.apply(frame(2, { tag: "candle", key, snapshot: true, rows: [bar(180, 1)] }));
    expect(store.candles.get(key)!.epoch).toBe(2);
    expect(store.candles.get(key)!.bars.map((row) => row.start_ms)).toEqual([180]);
  });

  it("a snapshot of pairs removes pairs that are gone", () => {
    const { store } = harness();
    const row = (y: number) => ({ y, x: 9, timeframe: "1m" }) as never;
    store.apply(frame(1, { tag: "pairs", snapshot: true, rows: [row(1), row(2)] }));
    store.apply(frame(2, { tag: "pairs", snapshot: true, rows: [row(2)] }));
    expect([...store.pairRows.keys()]).toEqual(["2|9|1m"]);
  });

  it("keeps the sentence of a pair while updates leave it empty", () => {
    const { store } = harness();
    const update = (sentence: string): Update => ({
      tag: "pair",
      key: "1|2|1m",
      snapshot: false,
      row: null,
      points: [],
      sentence,
    });
    store.apply(frame(1, update("long $1.00 A, short $2.00 B")));
    store.apply(frame(2, update("")));
    expect(store.pairs.get("1|2|1m" as never)?.sentence).toBe("long $1.00 A, short $2.00 B");
  });
});

describe("upsertBar", () => {
  it("equals sorting by open time, whatever the order of arrival", () => {
    const starts = [60, 300, 120, 240, 120, 180, 60];
    const bars: CandleRow[] = [];
    starts.forEach((start, i) => upsertBar(bars, bar(start, i)));
    const oracle = new Map(starts.map((start, i) => [start, i]));
    expect(bars.map((row) => [row.start_ms, row.close])).toEqual(
      [...oracle].toSorted((a, b) => a[0] - b[0]),
    );
  });
});
