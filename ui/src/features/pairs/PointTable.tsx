import table from "@/components/Table.module.css";
import type { Millis } from "@/contract";
import { dayClock, zoneName, type Zone } from "@/format/time";
import type { PairChart } from "./charts";
import type { PairModel } from "./pairModel";

const SHOWN = 120;

/** The points of one chart, newest first. */
export function PointTable({
  model,
  chart,
  zone,
}: {
  model: PairModel;
  chart: PairChart;
  zone: Zone;
}) {
  const count = Math.min(SHOWN, model.length);
  const rows = Array.from({ length: count }, (_, i) => model.length - 1 - i);
  return (
    <div className={table.scroll} role="region" aria-label={`${chart.title} as a table`}>
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">Closed ({zoneName(zone)})</th>
            {chart.spec.lines.map((line) => (
              <th key={line.label} scope="col" className="num">
                {line.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={model.seconds[row]}>
              <td>{dayClock(((model.seconds[row] ?? 0) * 1000) as Millis, zone)}</td>
              {chart.columns.map((column) => (
                <td key={column} className="num">
                  {chart.spec.format(model.columns[column][row])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
