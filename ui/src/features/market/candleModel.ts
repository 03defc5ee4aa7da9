import type { CandleRow, Candles, Millis } from "@/contract";
import { upsertBar } from "@/live/HotStore";

/** Bars of one series: history by REST with the live tail on top. */
export class CandleModel {
  readonly bars: CandleRow[] = [];
  hasOlder = true;
  /** Bars that live updates brought win over REST: history may be a moment old. */
  private readonly live = new Set<Millis>();

  get firstMs(): Millis | undefined {
    return this.bars[0]?.start_ms;
  }

  get last(): CandleRow | undefined {
    return this.bars.at(-1);
  }

  /** Merge a page of history; returns how many bars now stand before the former first. */
  addHistory(page: Candles): number {
    const first = this.firstMs;
    const old = new Map(this.bars.map((bar) => [bar.start_ms, bar]));
    page.start_ms.forEach((start, i) => {
      if (this.live.has(start)) return;
      old.set(start, {
        start_ms: start,
        open: page.open[i]!,
        high: page.high[i]!,
        low: page.low[i]!,
        close: page.close[i]!,
        volume: page.volume[i]!,
        closed: true,
      });
    });
    const merged = [...old.values()].toSorted((a, b) => a.start_ms - b.start_ms);
    this.bars.splice(0, this.bars.length, ...merged);
    const oldest = page.start_ms[0];
    if (first === undefined || (oldest !== undefined && oldest <= first))
      this.hasOlder = page.has_older;
    return first === undefined ? 0 : merged.findIndex((bar) => bar.start_ms === first);
  }

  /** Apply live bars; "tail" when only the newest changed, so that a chart can append. */
  addLive(rows: readonly CandleRow[]): "none" | "tail" | "older" {
    let effect: "none" | "tail" | "older" = "none";
    for (const row of rows) {
      const last = this.last;
      const atTail = last === undefined || row.start_ms >= last.start_ms;
      upsertBar(this.bars, row);
      this.live.add(row.start_ms);
      if (!atTail) effect = "older";
      else if (effect === "none") effect = "tail";
    }
    return effect;
  }
}
