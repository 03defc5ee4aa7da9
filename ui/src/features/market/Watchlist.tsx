import { useMemo, useRef, useState } from "react";
import { Panel } from "@/components/Panel";
import { ordered, SortHeader, type Sort } from "@/components/SortHeader";
import { Sparkline } from "@/components/Sparkline";
import table from "@/components/Table.module.css";
import { write } from "@/components/HotText";
import type { InstrumentInfo, InstrumentIx, QuoteRow } from "@/contract";
import { arrow, midOf, number, percent, shortAge, spreadBp, tone } from "@/format/numbers";
import { useHot, useLive, useOrderBeat, useTopic } from "@/live/context";
import { isStale } from "@/live/freshness";
import { hotKey } from "@/live/keys";
import { useSparklines } from "./sparklines";
import css from "./Watchlist.module.css";

type Column = "symbol" | "last" | "change" | "spread" | "volume";

const BY_VOLUME: Sort<Column> = { by: "volume", down: true };

interface WatchlistProps {
  instruments: readonly InstrumentInfo[];
  selected: InstrumentIx;
  onSelect: (instrument: InstrumentInfo) => void;
}

export function Watchlist({ instruments, selected, onSelect }: WatchlistProps) {
  const { store } = useLive();
  const [sort, setSort] = useState<Sort<Column>>(BY_VOLUME);
  // A third click on a column goes back to the order by volume.
  const resort = (next: Sort<Column>) =>
    setSort((old) =>
      old.by === next.by && next.down === (next.by !== "symbol") ? BY_VOLUME : next,
    );
  const sparklines = useSparklines(instruments);
  useTopic("quotes", "");
  const value = (info: InstrumentInfo, by: Column): number | string | null => {
    const quote = store.quotes.get(info.ix)?.value;
    switch (by) {
      case "symbol":
        return info.symbol;
      case "last":
        return quote?.last ?? midOf(quote?.bid, quote?.ask);
      case "change":
        return quote?.change_24h ?? null;
      case "spread":
        return spreadBp(quote?.bid, quote?.ask);
      case "volume":
        return quote?.volume_24h_quote ?? null;
    }
  };
  const beat = useOrderBeat(() => store.quotes.size);
  const rows = useMemo(
    () => ordered(instruments, sort, value),
    // `value` reads the store at this moment.
    // oxlint-disable-next-line react/exhaustive-deps
    [beat, instruments, sort],
  );
  return (
    <Panel
      title="Watchlist"
      subject={`${instruments.length} instruments${sort.by === "volume" ? ", by 24 h volume" : ""}`}
      age={() =>
        newestAge(
          instruments,
          (ix) => store.quotes.get(ix)?.at,
          (at) => store.age(at, 0 as never),
        )
      }
    >
      <div className={table.scroll}>
        <table className={`${table.table} ${table.clickable} ${css.table}`}>
          <thead>
            <tr>
              <SortHeader
                name="symbol"
                label="Symbol"
                numeric={false}
                sort={sort}
                onSort={resort}
              />
              <th scope="col" className={css.spark} title="The last hour by minute">
                1 h
              </th>
              <SortHeader
                name="last"
                label="Last"
                title="Last trade, or the mid before one"
                sort={sort}
                onSort={resort}
              />
              <SortHeader
                name="change"
                label="24 h"
                title="Change over 24 hours"
                sort={sort}
                onSort={resort}
              />
              <SortHeader
                name="spread"
                label="bp"
                title="Spread: (ask − bid) / mid, in basis points"
                sort={sort}
                onSort={resort}
              />
            </tr>
          </thead>
          <tbody>
            {rows.map((info) => (
              <Row
                key={info.ix}
                info={info}
                selected={info.ix === selected}
                onSelect={onSelect}
                history={() => sparklines(info.ix, store.quotes.get(info.ix)?.value)}
              />
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function newestAge<T>(
  instruments: readonly InstrumentInfo[],
  at: (ix: InstrumentIx) => T | undefined,
  age: (at: T) => ReturnType<ReturnType<typeof useLive>["store"]["age"]>,
) {
  let best: ReturnType<typeof age> = null;
  for (const { ix } of instruments) {
    const stamp = at(ix);
    const ms = stamp === undefined ? null : age(stamp);
    if (ms !== null && (best === null || ms < best)) best = ms;
  }
  return best;
}

interface RowProps {
  info: InstrumentInfo;
  selected: boolean;
  onSelect: (instrument: InstrumentInfo) => void;
  history: () => readonly number[];
}

function Row({ info, selected, onSelect, history }: RowProps) {
  const { store } = useLive();
  const row = useRef<HTMLTableRowElement>(null);
  useHot([hotKey.quote(info.ix), hotKey.second], () => {
    const cells = row.current?.cells;
    if (row.current === null || cells === undefined) return;
    const stamped = store.quotes.get(info.ix);
    paintRow(
      row.current,
      cells,
      info,
      stamped?.value,
      stamped === undefined ? null : store.age(stamped.at, stamped.value.age_ms),
    );
  });
  return (
    <tr ref={row} data-selected={selected} onClick={() => onSelect(info)}>
      <td>
        <button
          type="button"
          className={table.link}
          aria-current={selected ? "true" : undefined}
          title={info.id}
        >
          {info.base}
          <span className={css.quote}>{info.quote}</span>
        </button>
        <span className={css.age} />
      </td>
      <td className={css.spark}>
        <Sparkline read={history} />
      </td>
      <td className="num" />
      <td className="num" />
      <td className={`num ${css.bp}`} />
    </tr>
  );
}

function paintRow(
  row: HTMLTableRowElement,
  cells: HTMLCollectionOf<HTMLTableCellElement>,
  info: InstrumentInfo,
  quote: QuoteRow | undefined,
  age: ReturnType<ReturnType<typeof useLive>["store"]["age"]>,
) {
  const [symbol, , last, change, spread] = cells;
  const stale = quote !== undefined && isStale(age, quote.state);
  if (row.dataset["quiet"] !== String(stale)) row.dataset["quiet"] = String(stale);
  write((symbol?.lastElementChild ?? null) as HTMLElement | null, stale ? shortAge(age) : "");
  write(last ?? null, number(quote?.last ?? midOf(quote?.bid, quote?.ask), info.price_decimals));
  const moved = quote?.change_24h ?? null;
  write(change ?? null, `${arrow(moved)} ${percent(moved)}`.trim());
  if (change !== undefined) {
    const wanted = `num ${tone(moved)}`;
    if (change.className !== wanted) change.className = wanted;
  }
  write(spread ?? null, number(spreadBp(quote?.bid, quote?.ask), 1));
}
