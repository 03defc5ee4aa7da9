import { useReducer } from "react";
import { Button } from "@/components/Button";
import table from "@/components/Table.module.css";
import type { CandleRow, InstrumentInfo } from "@/contract";
import { number, quantity } from "@/format/numbers";
import { dayClock, zoneName, type Zone } from "@/format/time";
import css from "./BarTable.module.css";

const SHOWN = 200;

/** The chart's bars as a table, newest first: for screen readers and for copying. */
export function BarTable({
  bars,
  instrument,
  zone,
  label,
}: {
  bars: () => readonly CandleRow[];
  instrument: InstrumentInfo;
  zone: Zone;
  label: string;
}) {
  const [, renew] = useReducer((n: number) => n + 1, 0);
  const rows = bars().slice(-SHOWN).toReversed();
  const decimals = instrument.price_decimals;
  return (
    <div className={table.scroll} role="region" aria-label={label}>
      <div className={css.bar}>
        <span className="muted">Last {rows.length} bars, frozen for reading</span>
        <Button onClick={renew}>Refresh</Button>
      </div>
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">Opened ({zoneName(zone)})</th>
            <th scope="col" className="num">
              Open
            </th>
            <th scope="col" className="num">
              High
            </th>
            <th scope="col" className="num">
              Low
            </th>
            <th scope="col" className="num">
              Close ({instrument.quote})
            </th>
            <th scope="col" className="num">
              Volume ({instrument.base})
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((bar) => (
            <tr key={bar.start_ms}>
              <td>{dayClock(bar.start_ms, zone)}</td>
              <td className="num">{number(bar.open, decimals)}</td>
              <td className="num">{number(bar.high, decimals)}</td>
              <td className="num">{number(bar.low, decimals)}</td>
              <td className="num">{number(bar.close, decimals)}</td>
              <td className="num">{quantity(bar.volume)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
