import { useCallback, useEffect, useRef } from "react";
import type { InstrumentInfo, InstrumentIx, QuoteRow } from "@/contract";
import { midOf } from "@/format/numbers";
import { useLive } from "@/live/context";
import { api } from "@/state/api";
import { useAppDispatch } from "@/state/store";

const BARS = 60;
const TIMEFRAME = "1m";
const AT_ONCE = 3;
const MINUTE_MS = 60_000;

interface Series {
  closes: number[];
  /** Minute of the last close. */
  minute: number;
}

/** One hour of minute closes per instrument, fetched a few at a time, extended by live quotes. */
export function useSparklines(instruments: readonly InstrumentInfo[]) {
  const dispatch = useAppDispatch();
  const { serverNow } = useLive();
  const series = useRef(new Map<InstrumentIx, Series>());
  useEffect(() => {
    let current = true;
    const queue = instruments.filter((i) => !series.current.has(i.ix));
    const worker = async () => {
      for (let next = queue.shift(); next !== undefined && current; next = queue.shift()) {
        const query = { instrument: next.ix, timeframe: TIMEFRAME, limit: BARS };
        const { data } = await dispatch(
          api.endpoints.candles.initiate(query, { subscribe: false }),
        );
        const last = data?.start_ms.at(-1);
        if (data === undefined || last === undefined) continue;
        series.current.set(next.ix, {
          closes: [...data.close],
          minute: Math.floor(last / MINUTE_MS),
        });
      }
    };
    for (let i = 0; i < AT_ONCE; i += 1) void worker();
    return () => {
      current = false;
    };
  }, [dispatch, instruments]);
  return useCallback(
    (ix: InstrumentIx, quote: QuoteRow | undefined): readonly number[] => {
      const found = series.current.get(ix);
      if (found === undefined) return [];
      const price = quote?.last ?? midOf(quote?.bid, quote?.ask);
      if (price === null) return found.closes;
      const minute = Math.floor(serverNow() / MINUTE_MS);
      if (minute > found.minute) {
        found.closes.push(price);
        if (found.closes.length > BARS) found.closes.shift();
        found.minute = minute;
      } else found.closes[found.closes.length - 1] = price;
      return found.closes;
    },
    [serverNow],
  );
}
