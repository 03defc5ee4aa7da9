import { useMemo } from "react";
import type { InstrumentInfo, InstrumentIx, Status, TimeframeInfo } from "@/contract";
import { useStatusQuery } from "./api";

export interface Desk {
  status: Status;
  instruments: readonly InstrumentInfo[];
  timeframes: readonly TimeframeInfo[];
  byIx: ReadonlyMap<InstrumentIx, InstrumentInfo>;
  bySymbol: ReadonlyMap<string, InstrumentInfo>;
  timeframe: (name: string) => TimeframeInfo | undefined;
}

/** The run's instruments and timeframes; null until the status is here. */
export function useDesk(): Desk | null {
  const { data } = useStatusQuery();
  return useMemo(() => {
    if (data === undefined) return null;
    const timeframes = new Map(data.timeframes.map((t) => [t.name, t]));
    return {
      status: data,
      instruments: data.instruments,
      timeframes: data.timeframes,
      byIx: new Map(data.instruments.map((i) => [i.ix, i])),
      bySymbol: new Map(data.instruments.map((i) => [i.symbol, i])),
      timeframe: (name) => timeframes.get(name),
    };
  }, [data]);
}

export function marketPath(symbol: string): string {
  return `/market/${encodeURIComponent(symbol)}`;
}

export function pairPath(y: string, x: string, timeframe: string): string {
  return `/pairs/${encodeURIComponent(y)}/${encodeURIComponent(x)}?tf=${encodeURIComponent(timeframe)}`;
}
