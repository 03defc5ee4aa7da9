import { useMemo, useRef, useState } from "react";
import { write } from "@/components/HotText";
import { Panel } from "@/components/Panel";
import { ordered, SortHeader, type Sort } from "@/components/SortHeader";
import table from "@/components/Table.module.css";
import type { LogPrice, Millis, PairRow } from "@/contract";
import { basisPoints, halfLife, known, number, shortAge, signed } from "@/format/numbers";
import { useHot, useLive, useOrderBeat, useTopic } from "@/live/context";
import { isStale } from "@/live/freshness";
import { hotKey, type PairKey } from "@/live/keys";
import type { Desk } from "@/state/instruments";
import css from "./PairTable.module.css";
import { isFit } from "./pairModel";

const UNFIT = 1_000;

type Column = "pair" | "zWindow" | "zKalman" | "deviation" | "beta" | "correlation" | "halfLife";

interface PairTableProps {
  desk: Desk;
  timeframe: string;
  selected: PairKey;
  onOpen: (row: PairRow) => void;
}

function deviationOf(row: PairRow | undefined): LogPrice | null {
  return row !== undefined && known(row.spread) && known(row.alpha)
    ? ((row.spread - row.alpha) as LogPrice)
    : null;
}

function sortValue(row: PairRow, by: Column, name: string): number | string | null {
  // Pairs that the conventions would not trade come after all that they would.
  const size = (value: number | null) =>
    known(value) ? Math.abs(value) - (isFit(row) ? 0 : UNFIT) : null;
  switch (by) {
    case "pair":
      return name;
    case "zWindow":
      return size(row.z_window);
    case "zKalman":
      return size(row.z_kalman);
    case "deviation":
      return size(deviationOf(row));
    case "beta":
      return row.beta;
    case "correlation":
      return row.correlation;
    case "halfLife":
      return known(row.half_life_bars) ? row.half_life_bars : null;
  }
}

export function PairTable({ desk, timeframe, selected, onOpen }: PairTableProps) {
  const { store } = useLive();
  const [sort, setSort] = useState<Sort<Column>>({ by: "zWindow", down: true });
  useTopic("pairs", "");
  const nameOf = (row: PairRow) =>
    `${desk.byIx.get(row.y)?.base ?? "?"} / ${desk.byIx.get(row.x)?.base ?? "?"}`;
  const listed = () => [...store.pairRows].filter(([, { value }]) => value.timeframe === timeframe);
  const beat = useOrderBeat(() => store.pairRows.size);
  // The order of the moment of a click, then renewed with the beat.
  const keys = useMemo(
    () =>
      ordered(listed(), sort, ([, { value }], by) => sortValue(value, by, nameOf(value))).map(
        ([key]) => key,
      ),
    // `listed` and `nameOf` read the store at this moment.
    // oxlint-disable-next-line react/exhaustive-deps
    [beat, sort, timeframe],
  );
  const seconds = desk.timeframe(timeframe)?.seconds ?? 60;
  const ready = keys.filter((key) => store.pairRows.get(key)?.value.ready).length;
  return (
    <Panel
      title="Live pairs"
      subject={`${timeframe}, ${keys.length} pairs${ready < keys.length ? `, ${keys.length - ready} warming up` : ""}`}
      state={
        keys.length === 0
          ? {
              kind: store.pairRows.size === 0 ? "loading" : "empty",
              why: `No pair on ${timeframe} yet.`,
              next: "Pick two instruments above to follow them.",
            }
          : { kind: "ready" }
      }
      age={() => {
        const first = keys[0] === undefined ? undefined : store.pairRows.get(keys[0]);
        return first === undefined ? null : store.age(first.at, 0 as Millis);
      }}
    >
      <div className={table.scroll}>
        <table className={`${table.table} ${table.clickable} ${css.table}`}>
          <thead>
            <tr>
              <SortHeader name="pair" label="y / x" numeric={false} sort={sort} onSort={setSort} />
              <SortHeader
                name="zWindow"
                label="z_window"
                title="Ordered by size, pairs fit to trade first"
                sort={sort}
                onSort={setSort}
              />
              <SortHeader
                name="zKalman"
                label="z_kalman"
                title="Ordered by size, pairs fit to trade first"
                sort={sort}
                onSort={setSort}
              />
              <SortHeader
                name="deviation"
                label="bp"
                title="Spread from its mean, basis points"
                sort={sort}
                onSort={setSort}
              />
              <SortHeader
                name="beta"
                label="β"
                title="OLS hedge ratio, $ of x per $ of y"
                sort={sort}
                onSort={setSort}
              />
              <SortHeader
                name="correlation"
                label="ρ"
                title="Correlation of log returns"
                sort={sort}
                onSort={setSort}
              />
              <SortHeader
                name="halfLife"
                label="Half-life"
                title="Hours, with bars in brackets"
                sort={sort}
                onSort={setSort}
              />
            </tr>
          </thead>
          <tbody>
            {keys.map((key) => {
              const row = store.pairRows.get(key)?.value;
              if (row === undefined) return null;
              return (
                <Row
                  key={key}
                  pair={key}
                  name={nameOf(row)}
                  seconds={seconds}
                  selected={key === selected}
                  onOpen={() => onOpen(row)}
                />
              );
            })}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function Row({
  pair,
  name,
  seconds,
  selected,
  onOpen,
}: {
  pair: PairKey;
  name: string;
  seconds: number;
  selected: boolean;
  onOpen: () => void;
}) {
  const { store } = useLive();
  const line = useRef<HTMLTableRowElement>(null);
  useHot([hotKey.pairRow(pair), hotKey.second], () => {
    const stamped = store.pairRows.get(pair);
    if (line.current === null || stamped === undefined) return;
    paintRow(line.current, stamped.value, store.age(stamped.at, stamped.value.age_ms), seconds);
  });
  return (
    <tr ref={line} data-selected={selected} onClick={onOpen}>
      <td>
        <button type="button" className={table.link} aria-current={selected ? "true" : undefined}>
          {name}
        </button>
        <span className={css.age} />
      </td>
      <td className="num" />
      <td className="num" />
      <td className="num" />
      <td className="num" />
      <td className="num" />
      <td className={`num ${css.halfLife}`} />
    </tr>
  );
}

function paintRow(
  line: HTMLTableRowElement,
  row: PairRow,
  age: Millis | null,
  seconds: number,
): void {
  const cells = [...line.cells];
  const stale = isStale(age);
  if (line.dataset["quiet"] !== String(stale)) line.dataset["quiet"] = String(stale);
  write((cells[0]?.lastElementChild ?? null) as HTMLElement | null, stale ? shortAge(age) : "");
  const warming = !row.ready;
  if (line.dataset["warming"] !== String(warming)) {
    line.dataset["warming"] = String(warming);
    if (cells[1] !== undefined) cells[1].colSpan = warming ? 6 : 1;
    cells.slice(2).forEach((cell) => (cell.hidden = warming));
  }
  const fit = String(isFit(row));
  if (line.dataset["fit"] !== fit) {
    line.dataset["fit"] = fit;
    line.title =
      fit === "true" || warming
        ? ""
        : "Shown, not traded: hedge ratio outside 0.2 to 5, or return correlation under 0.5";
  }
  if (warming) {
    write(cells[1] ?? null, `warming up ${row.bars}/${row.window}`);
    return;
  }
  write(cells[1] ?? null, signed(row.z_window, 2));
  const entry = known(row.z_window) && Math.abs(row.z_window) >= 2;
  const wanted = `num ${entry ? (row.z_window! > 0 ? "down" : "up") : ""}`;
  if (cells[1] !== undefined && cells[1].className !== wanted) cells[1].className = wanted;
  write(cells[2] ?? null, signed(row.z_kalman, 2));
  write(cells[3] ?? null, basisPoints(deviationOf(row)));
  write(cells[4] ?? null, number(row.beta, 2));
  write(cells[5] ?? null, number(row.correlation, 2));
  write(cells[6] ?? null, halfLife(row.half_life_bars, seconds));
}
