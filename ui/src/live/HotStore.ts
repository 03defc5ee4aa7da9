import type {
  BookTop,
  CandleRow,
  CandleUpdate,
  Frame,
  Health,
  InstrumentIx,
  Millis,
  PairPoint,
  PairRow,
  PairUpdate,
  PairsUpdate,
  QuoteRow,
  TapeRow,
  TradesUpdate,
  Update,
} from "@/contract";
import { hotKey, pairKeyOf, type HotKey, type PairKey, type SeriesKey } from "./keys";

/** A value and when it arrived, by this page's own clock. */
export interface Stamped<T> {
  value: T;
  at: Millis;
}

/** The newest bars of one series. `epoch` counts snapshots: history before it may have a hole. */
export interface CandleTail {
  bars: CandleRow[];
  changed: CandleRow[];
  epoch: number;
  at: Millis;
}

export interface PairLive {
  row: PairRow | null;
  points: PairPoint[];
  sentence: string;
  epoch: number;
  at: Millis;
}

export type Schedule = (flush: () => void) => void;
export type Listener = () => void;

const TAPE_MAX = 200;
const TAIL_MAX = 2_000;

/**
 * Everything that changes many times a second, outside Redux.
 *
 * Frames write into maps and mark keys dirty; one flush per animation frame calls the listeners of
 * the dirty keys, which write text nodes and charts directly.
 */
export class HotStore {
  readonly quotes = new Map<InstrumentIx, Stamped<QuoteRow>>();
  readonly books = new Map<InstrumentIx, Stamped<BookTop>>();
  readonly tapes = new Map<InstrumentIx, Stamped<TapeRow[]>>();
  readonly candles = new Map<SeriesKey, CandleTail>();
  readonly pairRows = new Map<PairKey, Stamped<PairRow>>();
  readonly pairs = new Map<PairKey, PairLive>();
  health: Stamped<Health> | null = null;
  /** Called after each flush with the newest frame that is now on the screen. */
  onPainted: (seq: number, serverNs: Frame["server_ns"]) => void = () => {};

  private readonly listeners = new Map<HotKey, Set<Listener>>();
  private readonly dirty = new Set<HotKey>();
  private scheduled = false;
  private pending: { seq: number; serverNs: Frame["server_ns"] } | null = null;

  constructor(
    private readonly schedule: Schedule,
    private readonly now: () => Millis,
  ) {}

  subscribe(key: HotKey, listener: Listener): () => void {
    let set = this.listeners.get(key);
    if (set === undefined) {
      set = new Set();
      this.listeners.set(key, set);
    }
    set.add(listener);
    return () => {
      set.delete(listener);
      if (set.size === 0 && this.listeners.get(key) === set) this.listeners.delete(key);
    };
  }

  /** Milliseconds since the value was true, given its age when it arrived. */
  age(at: Millis, ageOnArrival: Millis | null): Millis | null {
    return ageOnArrival === null ? null : ((ageOnArrival + (this.now() - at)) as Millis);
  }

  /** Store the wanted updates of a frame; the screen follows at the next flush. */
  apply(frame: Frame, wanted: (update: Update) => boolean = () => true): void {
    const at = this.now();
    for (const update of frame.updates) if (wanted(update)) this.applyUpdate(update, at);
    this.pending = { seq: frame.seq, serverNs: frame.server_ns };
    this.request();
  }

  touch(key: HotKey): void {
    this.dirty.add(key);
    this.request();
  }

  /** Run listeners of everything that changed since the last call. */
  flush(): void {
    this.scheduled = false;
    const keys = [...this.dirty];
    this.dirty.clear();
    for (const key of keys) {
      const set = this.listeners.get(key);
      if (set !== undefined) for (const listener of [...set]) listener();
    }
    for (const tail of this.candles.values()) if (tail.changed.length > 0) tail.changed = [];
    const painted = this.pending;
    this.pending = null;
    if (painted !== null) this.onPainted(painted.seq, painted.serverNs);
  }

  private request(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.schedule(() => {
      if (this.scheduled) this.flush();
    });
  }

  private applyUpdate(update: Update, at: Millis): void {
    switch (update.tag) {
      case "quotes":
        for (const row of update.rows) {
          put(this.quotes, row.ix, row, at);
          this.dirty.add(hotKey.quote(row.ix));
        }
        break;
      case "candle":
        this.applyCandles(update, at);
        break;
      case "pairs":
        this.applyPairRows(update, at);
        break;
      case "pair":
        this.applyPair(update, at);
        break;
      case "book": {
        const ix = Number(update.key) as InstrumentIx;
        put(this.books, ix, update.book, at);
        this.dirty.add(hotKey.book(ix));
        break;
      }
      case "trades":
        this.applyTrades(update, at);
        break;
      case "health":
        this.health = { value: update.health, at };
        this.dirty.add(hotKey.health);
        break;
    }
  }

  private applyCandles(update: CandleUpdate, at: Millis): void {
    const key = update.key as SeriesKey;
    let tail = this.candles.get(key);
    if (tail === undefined) {
      tail = { bars: [], changed: [], epoch: 0, at };
      this.candles.set(key, tail);
    }
    if (update.snapshot) {
      tail.bars = [];
      tail.epoch += 1;
    }
    for (const row of update.rows) upsertBar(tail.bars, row);
    if (tail.bars.length > TAIL_MAX) tail.bars.splice(0, tail.bars.length - TAIL_MAX);
    tail.changed.push(...update.rows);
    tail.at = at;
    this.dirty.add(hotKey.candle(key));
  }

  private applyPairRows(update: PairsUpdate, at: Millis): void {
    const before = this.pairRows.size;
    if (update.snapshot) this.pairRows.clear();
    for (const row of update.rows) {
      const key = pairKeyOf(row);
      put(this.pairRows, key, row, at);
      this.dirty.add(hotKey.pairRow(key));
    }
    if (update.snapshot || this.pairRows.size !== before) this.dirty.add(hotKey.pairSet);
  }

  private applyPair(update: PairUpdate, at: Millis): void {
    const key = update.key as PairKey;
    const old = this.pairs.get(key);
    const fresh = update.snapshot || old === undefined;
    this.pairs.set(key, {
      row: update.row ?? old?.row ?? null,
      points: fresh ? [...update.points] : [...old.points, ...update.points].slice(-TAIL_MAX),
      sentence: update.sentence || (old?.sentence ?? ""),
      epoch: (old?.epoch ?? 0) + (update.snapshot ? 1 : 0),
      at,
    });
    this.dirty.add(hotKey.pair(key));
  }

  private applyTrades(update: TradesUpdate, at: Millis): void {
    const ix = Number(update.key) as InstrumentIx;
    const old = update.snapshot ? [] : (this.tapes.get(ix)?.value ?? []);
    put(this.tapes, ix, [...old, ...update.rows].slice(-TAPE_MAX), at);
    this.dirty.add(hotKey.trades(ix));
  }
}

function put<K, T>(map: Map<K, Stamped<T>>, key: K, value: T, at: Millis): void {
  const slot = map.get(key);
  if (slot === undefined) map.set(key, { value, at });
  else {
    slot.value = value;
    slot.at = at;
  }
}

/** Insert or replace by open time, searching from the newest end, where changes are. */
export function upsertBar(bars: CandleRow[], row: CandleRow): void {
  let i = bars.length - 1;
  while (i >= 0 && bars[i]!.start_ms > row.start_ms) i -= 1;
  if (i >= 0 && bars[i]!.start_ms === row.start_ms) bars[i] = row;
  else bars.splice(i + 1, 0, row);
}
