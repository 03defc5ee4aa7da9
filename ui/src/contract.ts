// Written by `make types` from src/poise/api/contract.py. Do not edit.
/* oxlint-disable max-lines */

declare const unit: unique symbol;
/** A primitive that carries its unit, so that units cannot be mixed by accident. */
export type Branded<T, U extends string> = T & { readonly [unit]: U };
/** Index of an instrument in `Status.instruments`. */
export type InstrumentIx = Branded<number, "instrument">;
/** Milliseconds: UTC when a time, else a duration. */
export type Millis = Branded<number, "ms">;
/** Microseconds. */
export type Micros = Branded<number, "us">;
/** Nanoseconds UTC as decimal text. */
export type NsText = Branded<string, "ns">;
/** A difference of log prices; x 10,000 = basis points. */
export type LogPrice = Branded<number, "log">;
/** Standard deviations from the mean. */
export type ZScore = Branded<number, "z">;
/** 0.01 = 1 %. */
export type Fraction = Branded<number, "fraction">;
/** Bytes. */
export type Bytes = Branded<number, "bytes">;

export type Environment = "live" | "paper" | "demo" | "replay";

export type FeedState = "live" | "lagging" | "stale" | "offline";

export type Topic = "quotes" | "candle" | "pairs" | "pair" | "book" | "trades" | "health";

/** One instrument of the run. */
export interface InstrumentInfo {
  readonly ix: InstrumentIx;
  readonly id: string;
  readonly symbol: string;
  readonly base: string;
  readonly quote: string;
  readonly price_decimals: number;
  readonly qty_decimals: number;
  readonly tick: number;
}

/** A bar length and the window its statistics use. */
export interface TimeframeInfo {
  readonly name: string;
  readonly seconds: number;
  readonly window: number;
}

/** What this server is. `notice` must be shown (generated markets say what they are). */
export interface Status {
  readonly version: string;
  readonly environment: Environment;
  readonly run_id: string;
  readonly venue: string;
  readonly started_ns: NsText;
  readonly server_ns: NsText;
  readonly notice: string;
  readonly csrf_token: string;
  readonly instruments: readonly InstrumentInfo[];
  readonly timeframes: readonly TimeframeInfo[];
  readonly pairs: readonly [InstrumentIx, InstrumentIx][];
}

/**
 * Bars oldest first, columns of equal length; `start_ms` is the open time.
 *
 * `has_older` means that older bars exist: ask again with `end_ms` = the first `start_ms`.
 */
export interface Candles {
  readonly instrument: InstrumentIx;
  readonly timeframe: string;
  readonly start_ms: readonly Millis[];
  readonly open: readonly number[];
  readonly high: readonly number[];
  readonly low: readonly number[];
  readonly close: readonly number[];
  readonly volume: readonly number[];
  readonly has_older: boolean;
}

/**
 * One pair and timeframe now. Spread, sigma in log price units (x 10,000 = bp).
 *
 * z values and spread are at the present mids; parameters are of the last closed bar.
 * `bars` of `window` says how warm it is; `ready` is false until it is. `age_ms` is the age of
 * the older leg's quote.
 */
export interface PairRow {
  readonly y: InstrumentIx;
  readonly x: InstrumentIx;
  readonly timeframe: string;
  readonly ready: boolean;
  readonly bars: number;
  readonly window: number;
  readonly beta: number | null;
  readonly beta_stderr: number | null;
  readonly alpha: LogPrice | null;
  readonly sigma: LogPrice | null;
  readonly spread: LogPrice | null;
  readonly z_window: ZScore | null;
  readonly beta_kalman: number | null;
  readonly beta_kalman_stderr: number | null;
  readonly z_kalman: ZScore | null;
  readonly z_kalman_std: number | null;
  readonly correlation: number | null;
  readonly half_life_bars: number | null;
  readonly age_ms: Millis | null;
}

export type PairRowWire = readonly [
  y: InstrumentIx,
  x: InstrumentIx,
  timeframe: string,
  ready: boolean,
  bars: number,
  window: number,
  beta: number | null,
  beta_stderr: number | null,
  alpha: LogPrice | null,
  sigma: LogPrice | null,
  spread: LogPrice | null,
  z_window: ZScore | null,
  beta_kalman: number | null,
  beta_kalman_stderr: number | null,
  z_kalman: ZScore | null,
  z_kalman_std: number | null,
  correlation: number | null,
  half_life_bars: number | null,
  age_ms: Millis | null,
];

export function decodePairRow(w: PairRowWire): PairRow {
  return {
    y: w[0],
    x: w[1],
    timeframe: w[2],
    ready: w[3],
    bars: w[4],
    window: w[5],
    beta: w[6],
    beta_stderr: w[7],
    alpha: w[8],
    sigma: w[9],
    spread: w[10],
    z_window: w[11],
    beta_kalman: w[12],
    beta_kalman_stderr: w[13],
    z_kalman: w[14],
    z_kalman_std: w[15],
    correlation: w[16],
    half_life_bars: w[17],
    age_ms: w[18],
  };
}

/**
 * Statistics at each closed bar, oldest first; `end_ms` is when the bar closed.
 *
 * `y_indexed`, `x_indexed` start at 100. `spread_mean` is alpha of that bar's own regression;
 * bands are `spread_mean` +- k x `sigma`.
 */
export interface PairHistory {
  readonly end_ms: readonly Millis[];
  readonly y_indexed: readonly (number | null)[];
  readonly x_indexed: readonly (number | null)[];
  readonly spread: readonly (LogPrice | null)[];
  readonly spread_mean: readonly (LogPrice | null)[];
  readonly sigma: readonly (LogPrice | null)[];
  readonly z_window: readonly (ZScore | null)[];
  readonly z_kalman: readonly (ZScore | null)[];
  readonly beta: readonly (number | null)[];
  readonly beta_stderr: readonly (number | null)[];
  readonly beta_kalman: readonly (number | null)[];
  readonly beta_kalman_stderr: readonly (number | null)[];
  readonly correlation: readonly (number | null)[];
}

/**
 * A pair's present row, its history, and the position it would mean, in words.
 *
 * `sentence` is like "long $1.00 ETH, short $1.85 BTC". `price_source` says what the closes of
 * the window are ("mid", or "trade" for venue history). `conventions` lists the choices behind
 * the numbers.
 */
export interface PairDetail {
  readonly row: PairRow;
  readonly history: PairHistory;
  readonly sentence: string;
  readonly price_source: string;
  readonly conventions: readonly string[];
}

export interface PairDetailWire {
  readonly row: PairRowWire;
  readonly history: PairHistory;
  readonly sentence: string;
  readonly price_source: string;
  readonly conventions: readonly string[];
}

export function decodePairDetail(w: PairDetailWire): PairDetail {
  return {
    row: decodePairRow(w.row),
    history: w.history,
    sentence: w.sentence,
    price_source: w.price_source,
    conventions: w.conventions,
  };
}

/** One socket or polling source. */
export interface FeedHealth {
  readonly name: string;
  readonly state: FeedState;
  readonly source: "rest" | "socket" | "tape";
  readonly streams: number;
  readonly messages: number;
  readonly age_ms: Millis | null;
  readonly reconnects: number;
  readonly detail: string;
}

/** One interruption of a stream, healed or permanent. */
export interface GapInfo {
  readonly at_ns: NsText;
  readonly instrument: InstrumentIx;
  readonly channel: string;
  readonly first_id: string;
  readonly last_id: string;
  readonly seconds: number;
  readonly reason: string;
  readonly healed: boolean;
}

/** Feeds, journal, lake and latency of the running desk. */
export interface Health {
  readonly feeds: readonly FeedHealth[];
  readonly books_live: number;
  readonly books_total: number;
  readonly quarantined: number;
  readonly gaps_healed: number;
  readonly gaps_open: number;
  readonly journal_bytes: Bytes;
  readonly journal_unsynced_ms: Millis;
  readonly lake_rows: number;
  readonly lake_lag_s: number | null;
  readonly lake_state: string;
  readonly clock_offset_ms: Millis | null;
  readonly wire_to_signal_p50_us: Micros | null;
  readonly wire_to_signal_p99_us: Micros | null;
  readonly recent_gaps: readonly GapInfo[];
  readonly diagnostics: readonly string[];
}

/** POST /api/pairs (header X-CSRF-Token): start following one more pair live. */
export interface AddPair {
  readonly y: InstrumentIx;
  readonly x: InstrumentIx;
}

/** Every 4xx and 5xx body: what happened, what to do, and an id to quote. */
export interface ErrorAnswer {
  readonly error: string;
  readonly hint: string;
  readonly request_id: string;
}

/** Keys: quotes, pairs, health "", candle "ix|tf", pair "y|x|tf", book "ix", trades "ix". */
export interface Subscribe {
  readonly tag: "sub";
  readonly topic: Topic;
  readonly key: string;
}

export type SubscribeWire = readonly [
  tag: "sub",
  topic: Topic,
  key: string,
];

export function encodeSubscribe(m: Omit<Subscribe, "tag">): SubscribeWire {
  return ["sub", m.topic, m.key];
}

/** Stop one subscription. */
export interface Unsubscribe {
  readonly tag: "unsub";
  readonly topic: Topic;
  readonly key: string;
}

export type UnsubscribeWire = readonly [
  tag: "unsub",
  topic: Topic,
  key: string,
];

export function encodeUnsubscribe(m: Omit<Unsubscribe, "tag">): UnsubscribeWire {
  return ["unsub", m.topic, m.key];
}

/** The client has painted frame `seq`. */
export interface Ack {
  readonly tag: "ack";
  readonly seq: number;
}

export type AckWire = readonly [
  tag: "ack",
  seq: number,
];

export function encodeAck(m: Omit<Ack, "tag">): AckWire {
  return ["ack", m.seq];
}

/** Frames a second the client wants (10, 4 on battery, 1 when hidden). */
export interface SetRate {
  readonly tag: "rate";
  readonly hz: number;
}

export type SetRateWire = readonly [
  tag: "rate",
  hz: number,
];

export function encodeSetRate(m: Omit<SetRate, "tag">): SetRateWire {
  return ["rate", m.hz];
}

export type ClientMessage = Subscribe | Unsubscribe | Ack | SetRate;
export type ClientMessageWire = SubscribeWire | UnsubscribeWire | AckWire | SetRateWire;

/**
 * One instrument now. `age_ms` is the age of its quote at `server_ns`; state of its streams.
 *
 * `change_24h` and `funding_rate` are fractions (0.01 = 1 %), the latter of one interval.
 */
export interface QuoteRow {
  readonly ix: InstrumentIx;
  readonly bid: number | null;
  readonly bid_qty: number | null;
  readonly ask: number | null;
  readonly ask_qty: number | null;
  readonly last: number | null;
  readonly change_24h: Fraction | null;
  readonly volume_24h_quote: number | null;
  readonly mark: number | null;
  readonly funding_rate: Fraction | null;
  readonly next_funding_ms: Millis | null;
  readonly age_ms: Millis | null;
  readonly state: FeedState;
}

export type QuoteRowWire = readonly [
  ix: InstrumentIx,
  bid: number | null,
  bid_qty: number | null,
  ask: number | null,
  ask_qty: number | null,
  last: number | null,
  change_24h: Fraction | null,
  volume_24h_quote: number | null,
  mark: number | null,
  funding_rate: Fraction | null,
  next_funding_ms: Millis | null,
  age_ms: Millis | null,
  state: FeedState,
];

export function decodeQuoteRow(w: QuoteRowWire): QuoteRow {
  return {
    ix: w[0],
    bid: w[1],
    bid_qty: w[2],
    ask: w[3],
    ask_qty: w[4],
    last: w[5],
    change_24h: w[6],
    volume_24h_quote: w[7],
    mark: w[8],
    funding_rate: w[9],
    next_funding_ms: w[10],
    age_ms: w[11],
    state: w[12],
  };
}

/** One bar, forming (`closed` false) or closed. A correction is a closed bar sent again. */
export interface CandleRow {
  readonly start_ms: Millis;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
  readonly closed: boolean;
}

export type CandleRowWire = readonly [
  start_ms: Millis,
  open: number,
  high: number,
  low: number,
  close: number,
  volume: number,
  closed: boolean,
];

export function decodeCandleRow(w: CandleRowWire): CandleRow {
  return {
    start_ms: w[0],
    open: w[1],
    high: w[2],
    low: w[3],
    close: w[4],
    volume: w[5],
    closed: w[6],
  };
}

/** One trade. `side` is the aggressor's, +1 bought, -1 sold. */
export interface TapeRow {
  readonly trade_id: string;
  readonly price: number;
  readonly qty: number;
  readonly side: number;
  readonly venue_ms: Millis;
}

export type TapeRowWire = readonly [
  trade_id: string,
  price: number,
  qty: number,
  side: number,
  venue_ms: Millis,
];

export function decodeTapeRow(w: TapeRowWire): TapeRow {
  return {
    trade_id: w[0],
    price: w[1],
    qty: w[2],
    side: w[3],
    venue_ms: w[4],
  };
}

/** Best levels of a book, each (price, quantity), best first; `live` false: do not trust it. */
export interface BookTop {
  readonly live: boolean;
  readonly bids: readonly [number, number][];
  readonly asks: readonly [number, number][];
}

export type BookTopWire = readonly [
  live: boolean,
  bids: readonly [number, number][],
  asks: readonly [number, number][],
];

export function decodeBookTop(w: BookTopWire): BookTop {
  return {
    live: w[0],
    bids: w[1],
    asks: w[2],
  };
}

/** One more closed bar for the pair charts, the columns of `PairHistory` in its order. */
export interface PairPoint {
  readonly end_ms: Millis;
  readonly y_indexed: number | null;
  readonly x_indexed: number | null;
  readonly spread: LogPrice | null;
  readonly spread_mean: LogPrice | null;
  readonly sigma: LogPrice | null;
  readonly z_window: ZScore | null;
  readonly z_kalman: ZScore | null;
  readonly beta: number | null;
  readonly beta_stderr: number | null;
  readonly beta_kalman: number | null;
  readonly beta_kalman_stderr: number | null;
  readonly correlation: number | null;
}

export type PairPointWire = readonly [
  end_ms: Millis,
  y_indexed: number | null,
  x_indexed: number | null,
  spread: LogPrice | null,
  spread_mean: LogPrice | null,
  sigma: LogPrice | null,
  z_window: ZScore | null,
  z_kalman: ZScore | null,
  beta: number | null,
  beta_stderr: number | null,
  beta_kalman: number | null,
  beta_kalman_stderr: number | null,
  correlation: number | null,
];

export function decodePairPoint(w: PairPointWire): PairPoint {
  return {
    end_ms: w[0],
    y_indexed: w[1],
    x_indexed: w[2],
    spread: w[3],
    spread_mean: w[4],
    sigma: w[5],
    z_window: w[6],
    z_kalman: w[7],
    beta: w[8],
    beta_stderr: w[9],
    beta_kalman: w[10],
    beta_kalman_stderr: w[11],
    correlation: w[12],
  };
}

/** Changed rows (all rows when `snapshot`). */
export interface QuotesUpdate {
  readonly tag: "quotes";
  readonly snapshot: boolean;
  readonly rows: readonly QuoteRow[];
}

export type QuotesUpdateWire = readonly [
  tag: "quotes",
  snapshot: boolean,
  rows: readonly QuoteRowWire[],
];

export function decodeQuotesUpdate(w: QuotesUpdateWire): QuotesUpdate {
  return {
    tag: w[0],
    snapshot: w[1],
    rows: w[2].map(decodeQuoteRow),
  };
}

/** The latest bars of one instrument and timeframe, oldest first. */
export interface CandleUpdate {
  readonly tag: "candle";
  readonly key: string;
  readonly snapshot: boolean;
  readonly rows: readonly CandleRow[];
}

export type CandleUpdateWire = readonly [
  tag: "candle",
  key: string,
  snapshot: boolean,
  rows: readonly CandleRowWire[],
];

export function decodeCandleUpdate(w: CandleUpdateWire): CandleUpdate {
  return {
    tag: w[0],
    key: w[1],
    snapshot: w[2],
    rows: w[3].map(decodeCandleRow),
  };
}

/** Changed rows of the pair table. */
export interface PairsUpdate {
  readonly tag: "pairs";
  readonly snapshot: boolean;
  readonly rows: readonly PairRow[];
}

export type PairsUpdateWire = readonly [
  tag: "pairs",
  snapshot: boolean,
  rows: readonly PairRowWire[],
];

export function decodePairsUpdate(w: PairsUpdateWire): PairsUpdate {
  return {
    tag: w[0],
    snapshot: w[1],
    rows: w[2].map(decodePairRow),
  };
}

/**
 * One pair: its row now and the points of bars closed since the last frame.
 *
 * `sentence` is `PairDetail.sentence` of the row; empty means unchanged.
 */
export interface PairUpdate {
  readonly tag: "pair";
  readonly key: string;
  readonly snapshot: boolean;
  readonly row: PairRow | null;
  readonly points: readonly PairPoint[];
  readonly sentence: string;
}

export type PairUpdateWire = readonly [
  tag: "pair",
  key: string,
  snapshot: boolean,
  row: PairRowWire | null,
  points: readonly PairPointWire[],
  sentence: string,
];

export function decodePairUpdate(w: PairUpdateWire): PairUpdate {
  return {
    tag: w[0],
    key: w[1],
    snapshot: w[2],
    row: w[3] === null ? null : decodePairRow(w[3]),
    points: w[4].map(decodePairPoint),
    sentence: w[5],
  };
}

/** Best levels of one instrument. */
export interface BookUpdate {
  readonly tag: "book";
  readonly key: string;
  readonly snapshot: boolean;
  readonly book: BookTop;
}

export type BookUpdateWire = readonly [
  tag: "book",
  key: string,
  snapshot: boolean,
  book: BookTopWire,
];

export function decodeBookUpdate(w: BookUpdateWire): BookUpdate {
  return {
    tag: w[0],
    key: w[1],
    snapshot: w[2],
    book: decodeBookTop(w[3]),
  };
}

/** Trades since the last frame, oldest first (the last 100 when `snapshot`). */
export interface TradesUpdate {
  readonly tag: "trades";
  readonly key: string;
  readonly snapshot: boolean;
  readonly rows: readonly TapeRow[];
}

export type TradesUpdateWire = readonly [
  tag: "trades",
  key: string,
  snapshot: boolean,
  rows: readonly TapeRowWire[],
];

export function decodeTradesUpdate(w: TradesUpdateWire): TradesUpdate {
  return {
    tag: w[0],
    key: w[1],
    snapshot: w[2],
    rows: w[3].map(decodeTapeRow),
  };
}

/** The health of the desk; small, sent whole. */
export interface HealthUpdate {
  readonly tag: "health";
  readonly snapshot: boolean;
  readonly health: Health;
}

export type HealthUpdateWire = readonly [
  tag: "health",
  snapshot: boolean,
  health: Health,
];

export function decodeHealthUpdate(w: HealthUpdateWire): HealthUpdate {
  return {
    tag: w[0],
    snapshot: w[1],
    health: w[2],
  };
}

export type Update = QuotesUpdate | CandleUpdate | PairsUpdate | PairUpdate | BookUpdate | TradesUpdate | HealthUpdate;
export type UpdateWire = QuotesUpdateWire | CandleUpdateWire | PairsUpdateWire | PairUpdateWire | BookUpdateWire | TradesUpdateWire | HealthUpdateWire;

export function decodeUpdate(w: UpdateWire): Update {
  switch (w[0]) {
    case "quotes":
      return decodeQuotesUpdate(w);
    case "candle":
      return decodeCandleUpdate(w);
    case "pairs":
      return decodePairsUpdate(w);
    case "pair":
      return decodePairUpdate(w);
    case "book":
      return decodeBookUpdate(w);
    case "trades":
      return decodeTradesUpdate(w);
    case "health":
      return decodeHealthUpdate(w);
  }
}

/** One message to the client. */
export interface Frame {
  readonly tag: "frame";
  readonly seq: number;
  readonly prev: number;
  readonly server_ns: NsText;
  readonly updates: readonly Update[];
}

export type FrameWire = readonly [
  tag: "frame",
  seq: number,
  prev: number,
  server_ns: NsText,
  updates: readonly UpdateWire[],
];

export function decodeFrame(w: FrameWire): Frame {
  return {
    tag: w[0],
    seq: w[1],
    prev: w[2],
    server_ns: w[3],
    updates: w[4].map(decodeUpdate),
  };
}

/** A client message that could not be honoured, and why. */
export interface Refusal {
  readonly tag: "refusal";
  readonly topic: string;
  readonly key: string;
  readonly error: string;
}

export type RefusalWire = readonly [
  tag: "refusal",
  topic: string,
  key: string,
  error: string,
];

export function decodeRefusal(w: RefusalWire): Refusal {
  return {
    tag: w[0],
    topic: w[1],
    key: w[2],
    error: w[3],
  };
}

export type ServerMessage = Frame | Refusal;
export type ServerMessageWire = FrameWire | RefusalWire;

export function decodeServerMessage(w: ServerMessageWire): ServerMessage {
  switch (w[0]) {
    case "frame":
      return decodeFrame(w);
    case "refusal":
      return decodeRefusal(w);
  }
}
