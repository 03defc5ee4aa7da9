import {
  CandlestickSeries,
  createChart,
  HistogramSeries,
  type CandlestickData,
  type HistogramData,
  type IChartApi,
  type ISeriesApi,
  type MouseEventParams,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { IconButton } from "@/components/Button";
import { Panel, PanelError } from "@/components/Panel";
import { Segmented } from "@/components/Segmented";
import { useColors } from "@/components/useColors";
import type { CandleRow, InstrumentInfo, Millis } from "@/contract";
import { clock, dayClock, zoneName, zoneShiftSeconds, type Zone } from "@/format/time";
import { useHot, useLive, useTopic } from "@/live/context";
import { QUIET_STALE_MS } from "@/live/freshness";
import { hotKey, seriesKey } from "@/live/keys";
import { api, failureOf, type Failure } from "@/state/api";
import type { Desk } from "@/state/instruments";
import { useAppDispatch, useAppSelector } from "@/state/store";
import { setTimeframe } from "@/state/workspace";
import { alpha, type Colors } from "@/theme/colors";
import { BarTable } from "./BarTable";
import { CandleModel } from "./candleModel";
import css from "./CandleChart.module.css";
import { candleColors, chartOptions, priceFormat } from "./chartOptions";
import { writeLegend } from "./legend";

const PAGE = 600;
/** Older history is asked for when fewer bars than this are left of the window. */
const AHEAD = 60;

interface Handles {
  chart: IChartApi;
  candles: ISeriesApi<"Candlestick">;
  volume: ISeriesApi<"Histogram">;
}

function chartTime(ms: Millis, zone: Zone): UTCTimestamp {
  return (ms / 1000 + zoneShiftSeconds(ms, zone)) as UTCTimestamp;
}

function candlePoint(bar: CandleRow, zone: Zone): CandlestickData<Time> {
  return {
    time: chartTime(bar.start_ms, zone),
    open: bar.open,
    high: bar.high,
    low: bar.low,
    close: bar.close,
  };
}

function volumePoint(bar: CandleRow, zone: Zone, colors: Colors): HistogramData<Time> {
  const color = alpha(bar.close >= bar.open ? colors.up : colors.down, 0.5);
  return { time: chartTime(bar.start_ms, zone), value: bar.volume, color };
}

export function CandleChart({
  desk,
  instrument,
  timeframe,
}: {
  desk: Desk;
  instrument: InstrumentInfo;
  timeframe: string;
}) {
  const dispatch = useAppDispatch();
  const { store } = useLive();
  const colors = useColors();
  const zone = useAppSelector((state) => state.prefs.zone);
  const host = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLDivElement>(null);
  const handles = useRef<Handles | null>(null);
  const model = useRef(new CandleModel());
  const hovered = useRef<CandleRow | null>(null);
  const paging = useRef(false);
  const [load, setLoad] = useState<"loading" | "ready" | "empty" | Failure>("loading");
  const [attempt, setAttempt] = useState(0);
  const [atEdge, setAtEdge] = useState(true);
  const [asTable, setAsTable] = useState(false);
  const key = seriesKey(instrument.ix, timeframe);
  useTopic("candle", key);

  const draw = useCallback(() => {
    const h = handles.current;
    if (h === null) return;
    h.candles.setData(model.current.bars.map((bar) => candlePoint(bar, zone)));
    h.volume.setData(model.current.bars.map((bar) => volumePoint(bar, zone, colors)));
  }, [zone, colors]);

  const paintLegend = useCallback(() => {
    const last = model.current.last;
    const bar = hovered.current ?? last;
    // A hollow candle would leave the label of the last price without a colour.
    const priceLineColor = last === undefined || last.close >= last.open ? colors.up : colors.down;
    const series = handles.current?.candles;
    if (series !== undefined && series.options().priceLineColor !== priceLineColor)
      series.applyOptions({ priceLineColor });
    if (legend.current !== null) writeLegend(legend.current, bar, instrument);
  }, [instrument, colors]);

  useLayoutEffect(() => {
    if (host.current === null) return undefined;
    const chart = createChart(host.current, { autoSize: true });
    const candles = chart.addSeries(CandlestickSeries, {}, 0);
    const volume = chart.addSeries(
      HistogramSeries,
      { priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false },
      1,
    );
    chart.panes()[0]?.setStretchFactor(5);
    chart.panes()[1]?.setStretchFactor(1);
    handles.current = { chart, candles, volume };
    return () => {
      handles.current = null;
      chart.remove();
    };
  }, []);

  useLayoutEffect(() => {
    const h = handles.current;
    if (h === null) return;
    const seconds = desk.timeframe(timeframe)?.seconds ?? 60;
    h.chart.applyOptions({
      ...chartOptions(colors),
      localization: {
        timeFormatter: (time: Time) =>
          `${dayClock(((time as number) * 1000) as Millis, "utc")} ${zoneName(zone)}`,
      },
    });
    h.chart.timeScale().applyOptions({ timeVisible: true, secondsVisible: seconds < 60 });
    h.candles.applyOptions({ ...candleColors(colors), priceFormat: priceFormat(instrument) });
    draw();
  }, [colors, instrument, timeframe, zone, desk, draw]);

  const fetchPage = useCallback(
    async (endMs?: Millis) => {
      const query = {
        instrument: instrument.ix,
        timeframe,
        limit: PAGE,
        ...(endMs === undefined ? {} : { endMs }),
      };
      return dispatch(
        api.endpoints.candles.initiate(query, {
          subscribe: false,
          forceRefetch: endMs === undefined,
        }),
      );
    },
    [dispatch, instrument.ix, timeframe],
  );

  // Another series, or the same after a hole in the stream (its snapshot raises the epoch).
  const epoch = useRef(0);
  const [hole, setHole] = useState(0);
  useEffect(() => {
    let current = true;
    model.current = new CandleModel();
    hovered.current = null;
    const tail = store.candles.get(key);
    epoch.current = tail?.epoch ?? 0;
    setLoad((old) => (hole > 0 && old === "ready" ? old : "loading"));
    void fetchPage().then((answer) => {
      if (!current) return;
      if (answer.error !== undefined) {
        setLoad(failureOf(answer.error));
        return;
      }
      if (answer.data !== undefined) model.current.addHistory(answer.data);
      model.current.addLive(store.candles.get(key)?.bars ?? []);
      draw();
      if (hole === 0)
        handles.current?.chart.timeScale().applyOptions({ barSpacing: 7, rightOffset: 6 });
      if (hole === 0) handles.current?.chart.timeScale().scrollToRealTime();
      setLoad(model.current.bars.length > 0 ? "ready" : "empty");
      paintLegend();
    });
    return () => {
      current = false;
    };
    // `draw` follows theme and zone, which must not load again.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [key, fetchPage, attempt, hole]);

  useHot([hotKey.candle(key)], () => {
    const tail = store.candles.get(key);
    const h = handles.current;
    if (tail === undefined || h === null || load === "loading") return;
    if (tail.epoch > epoch.current) {
      const first = epoch.current === 0;
      epoch.current = tail.epoch;
      if (!first) setHole((n) => n + 1);
    }
    const effect = model.current.addLive(tail.changed);
    if (effect === "older") draw();
    else if (effect === "tail") {
      for (const row of tail.changed) {
        h.candles.update(candlePoint(row, zone));
        h.volume.update(volumePoint(row, zone, colors));
      }
    }
    if (load === "empty" && effect !== "none") setLoad("ready");
    paintLegend();
  });

  useEffect(() => {
    const h = handles.current;
    if (h === null) return undefined;
    const onMove = (event: MouseEventParams<Time>) => {
      const index =
        event.logical === undefined || event.time === undefined
          ? undefined
          : Math.round(event.logical);
      hovered.current = index === undefined ? null : (model.current.bars[index] ?? null);
      paintLegend();
    };
    const onRange = () => {
      const range = h.chart.timeScale().getVisibleLogicalRange();
      if (range === null) return;
      setAtEdge(range.to >= model.current.bars.length - 2);
      const first = model.current.firstMs;
      if (range.from > AHEAD || paging.current || !model.current.hasOlder || first === undefined)
        return;
      paging.current = true;
      const target = model.current;
      void fetchPage(first).then((answer) => {
        paging.current = false;
        if (answer.data === undefined || target !== model.current) return;
        if (answer.data.start_ms.length === 0) target.hasOlder = false;
        target.addHistory(answer.data);
        draw();
      });
    };
    h.chart.subscribeCrosshairMove(onMove);
    h.chart.timeScale().subscribeVisibleLogicalRangeChange(onRange);
    return () => {
      h.chart.unsubscribeCrosshairMove(onMove);
      h.chart.timeScale().unsubscribeVisibleLogicalRangeChange(onRange);
    };
  }, [fetchPage, draw, paintLegend]);

  const timeScale = () => handles.current?.chart.timeScale();
  return (
    <Panel
      title="Candles"
      subject={`${instrument.symbol}, price in ${instrument.quote}, volume in ${instrument.base}, ${zoneName(zone)}`}
      staleMs={QUIET_STALE_MS}
      age={() => {
        const tail = store.candles.get(key);
        return tail === undefined ? null : store.age(tail.at, 0 as Millis);
      }}
      actions={
        <>
          <IconButton
            icon="fit"
            label="Fit all loaded bars"
            onClick={() => timeScale()?.fitContent()}
          />
          <IconButton
            icon="table"
            label="View as table"
            aria-pressed={asTable}
            onClick={() => setAsTable(!asTable)}
          />
        </>
      }
      controls={
        <Segmented
          label="Timeframe"
          value={timeframe}
          options={desk.timeframes.map((t) => ({ value: t.name, label: t.name }))}
          onChange={(value) => dispatch(setTimeframe(value))}
        />
      }
    >
      <div className={css.frame} hidden={asTable}>
        <div
          ref={host}
          className={css.host}
          role="group"
          aria-label={`Candles of ${instrument.symbol}, ${timeframe}. Use View as table for the values.`}
          data-testid="candles"
        />
        <div ref={legend} className={css.legend} />
        {typeof load === "object" && (
          <div className={css.loading}>
            <PanelError {...load} retry={() => setAttempt((n) => n + 1)} />
          </div>
        )}
        {load === "loading" && <div className={css.loading}>Loading bars</div>}
        {load === "empty" && (
          <div className={css.loading}>No bars yet: the first one closes within {timeframe}</div>
        )}
        {!atEdge && (
          <button
            type="button"
            className={css.latest}
            onClick={() => timeScale()?.scrollToRealTime()}
          >
            Latest →
          </button>
        )}
      </div>
      {asTable && (
        <BarTable
          bars={() => model.current.bars}
          instrument={instrument}
          zone={zone}
          label={`${instrument.symbol} ${timeframe}, ${clock(Date.now() as Millis, zone)}`}
        />
      )}
    </Panel>
  );
}
