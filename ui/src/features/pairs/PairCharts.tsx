import { useEffect, useMemo, useRef, useState } from "react";
import { Button, IconButton } from "@/components/Button";
import { ChartGroup } from "@/components/ChartGroup";
import { LineChart } from "@/components/LineChart";
import { Panel, type PanelState } from "@/components/Panel";
import type { InstrumentInfo, Millis, PairDetail } from "@/contract";
import { number } from "@/format/numbers";
import { zoneName } from "@/format/time";
import { useHot, useHotState, useLive } from "@/live/context";
import { hotKey, type PairKey } from "@/live/keys";
import { useAppSelector } from "@/state/store";
import { kalmanZonesMeanSomething, pairCharts, type PairChart } from "./charts";
import css from "./PairCharts.module.css";
import { PairModel } from "./pairModel";
import { PointTable } from "./PointTable";

interface PairChartsProps {
  pair: PairKey;
  y: InstrumentInfo;
  x: InstrumentInfo;
  detail: PairDetail | undefined;
  state: PanelState;
}

export function PairCharts({ pair, y, x, detail, state }: PairChartsProps) {
  const { store, serverNow } = useLive();
  const zone = useAppSelector((s) => s.prefs.zone);
  const group = useMemo(() => new ChartGroup(`pair ${pair}`), [pair]);
  const model = useMemo(
    () => (detail === undefined ? null : new PairModel(detail.history)),
    [detail],
  );
  const charts = useMemo(() => pairCharts(y.base, x.base), [y.base, x.base]);
  const [zoomed, setZoomed] = useState(false);
  const [asTable, setAsTable] = useState<PairChart["id"] | null>(null);
  useEffect(() => group.onZoom(setZoomed), [group]);
  const seen = useRef(-1);
  useHot([hotKey.pair(pair)], () => {
    const live = store.pairs.get(pair);
    if (model === null || live === undefined || live.at === seen.current) return;
    seen.current = live.at;
    for (const point of live.points) model.append(point);
    if (live.row !== null) model.setNow(live.row, serverNow());
    group.refresh();
  });
  const std = useHotState(
    [hotKey.pair(pair)],
    () => store.pairs.get(pair)?.row?.z_kalman_std ?? detail?.row.z_kalman_std ?? null,
    1_000,
  );
  const zonesShown = kalmanZonesMeanSomething(std);
  const age = () => {
    const live = store.pairs.get(pair);
    return live === undefined ? null : store.age(live.at, 0 as Millis);
  };
  return (
    <div className={css.grid}>
      {charts.map((chart) => {
        const kalman = chart.id === "zKalman";
        return (
          <Panel
            key={chart.id}
            title={chart.title}
            subject={
              kalman && !zonesShown
                ? `no zones: its deviation is ${number(std, 2)}, not 0.8–1.25`
                : chart.unit
            }
            state={state}
            skeleton="chart"
            age={age}
            className={css.panel}
            actions={
              <>
                {zoomed && (
                  <Button className={css.reset} onClick={() => group.zoom(null)}>
                    All
                  </Button>
                )}
                <IconButton
                  icon="table"
                  label={`${chart.title}: view as table`}
                  aria-pressed={asTable === chart.id}
                  onClick={() => setAsTable(asTable === chart.id ? null : chart.id)}
                />
              </>
            }
          >
            {model !== null && asTable !== chart.id && (
              <LineChart
                spec={chart.spec}
                group={group}
                zone={zone}
                label={`${chart.title} of ${y.base} and ${x.base}, ${chart.unit}, times in ${zoneName(zone)}`}
                read={() => model.data(chart.columns)}
                zonesShown={kalman ? () => zonesShown : () => true}
              />
            )}
            {model !== null && asTable === chart.id && (
              <PointTable model={model} chart={chart} zone={zone} />
            )}
          </Panel>
        );
      })}
    </div>
  );
}
