import type { Branded, InstrumentIx, PairRow } from "@/contract";

/** "ix|tf" of a candle subscription. */
export type SeriesKey = Branded<string, "series">;
/** "y|x|tf" of a pair subscription and of a row of the pair table. */
export type PairKey = Branded<string, "pair">;

export function seriesKey(ix: InstrumentIx, timeframe: string): SeriesKey {
  return `${ix}|${timeframe}` as SeriesKey;
}

export function pairKey(y: InstrumentIx, x: InstrumentIx, timeframe: string): PairKey {
  return `${y}|${x}|${timeframe}` as PairKey;
}

export function pairKeyOf(row: PairRow): PairKey {
  return pairKey(row.y, row.x, row.timeframe);
}

/** What a listener of the hot store can wait for. */
export type HotKey = Branded<string, "hot">;

export const hotKey = {
  quote: (ix: InstrumentIx) => `quote:${ix}` as HotKey,
  book: (ix: InstrumentIx) => `book:${ix}` as HotKey,
  trades: (ix: InstrumentIx) => `trades:${ix}` as HotKey,
  candle: (key: SeriesKey) => `candle:${key}` as HotKey,
  pair: (key: PairKey) => `pair:${key}` as HotKey,
  pairRow: (key: PairKey) => `row:${key}` as HotKey,
  /** Rows were added to or removed from the pair table. */
  pairSet: "pairs" as HotKey,
  health: "health" as HotKey,
  second: "second" as HotKey,
};
