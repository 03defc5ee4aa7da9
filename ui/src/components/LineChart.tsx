import { useEffect, useLayoutEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Millis } from "@/contract";
import { clock, day, type Zone } from "@/format/time";
import { alpha, CHART_FONT, type ColorName, type Colors } from "@/theme/colors";
import type { ChartGroup } from "./ChartGroup";
import { write } from "./HotText";
import css from "./LineChart.module.css";
import { useColors } from "./useColors";

export interface Line {
  label: string;
  color: ColorName;
  width?: number;
  dash?: readonly number[];
  /** In the row of values above the chart. */
  legend?: boolean;
}

export interface Area {
  from: number;
  to: number;
  color: ColorName;
}

export interface ChartSpec {
  lines: readonly Line[];
  /** Pairs of indices into `lines` to fill between, upper first. */
  bands?: readonly { between: readonly [number, number]; color: ColorName; opacity: number }[];
  /** Horizontal levels and areas, drawn behind the lines when `zonesShown` says so. */
  levels?: readonly { at: number; color: ColorName }[];
  areas?: readonly Area[];
  format: (value: number | null | undefined) => string;
  axisFormat: (value: number, step: number) => string;
  /** Values that must stay inside the scale. */
  include?: readonly number[];
}

interface LineChartProps {
  spec: ChartSpec;
  group: ChartGroup;
  /** Times in seconds, then one column per line; read at every refresh. */
  read: () => uPlot.AlignedData;
  zone: Zone;
  label: string;
  zonesShown?: () => boolean;
}

const AXIS_WIDTH = 58;

function dataRange(include: readonly number[]) {
  return (_: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax => {
    const values = [low, high, ...include].filter(
      (v): v is number => v !== null && Number.isFinite(v),
    );
    if (values.length === 0) return [0, 1];
    const min = Math.min(...values);
    const max = Math.max(...values);
    const pad = (max - min || Math.abs(max) * 0.01 || 1) * 0.08;
    return [min - pad, max + pad];
  };
}

function drawZones(u: uPlot, spec: ChartSpec, colors: Colors): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const place = (value: number) => u.valToPos(value, "y", true);
  for (const { from, to, color } of spec.areas ?? []) {
    const top = Math.max(bbox.top, place(Math.min(to, u.scales["y"]?.max ?? to)));
    const bottom = Math.min(
      bbox.top + bbox.height,
      place(Math.max(from, u.scales["y"]?.min ?? from)),
    );
    ctx.fillStyle = alpha(colors[color], 0.09);
    if (bottom > top) ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  }
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.lineWidth = devicePixelRatio;
  for (const { at, color } of spec.levels ?? []) {
    const y = Math.round(place(at)) + 0.5;
    ctx.strokeStyle = alpha(colors[color], 0.65);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}

function timeTick(seconds: number, step: number, zone: Zone): string {
  const ms = (seconds * 1000) as Millis;
  const text = clock(ms, zone);
  if (text === "00:00:00" || step >= 86_400) return day(ms, zone);
  return step < 60 ? text : text.slice(0, 5);
}

function axes(spec: ChartSpec, colors: Colors, zone: Zone): uPlot.Axis[] {
  const shared: uPlot.Axis = {
    stroke: colors.muted,
    font: `12px ${CHART_FONT}`,
    grid: { stroke: colors.grid, width: 1 },
    ticks: { show: false },
    border: { show: false },
  };
  return [
    {
      ...shared,
      size: 24,
      gap: 4,
      space: 76,
      values: (u, ticks, __, ___, step) =>
        // A label that would be cut at the left edge is left out.
        ticks.map((tick) => (u.valToPos(tick, "x") < 14 ? "" : timeTick(tick, step, zone))),
    },
    {
      ...shared,
      side: 1,
      size: AXIS_WIDTH,
      gap: 6,
      space: 30,
      values: (_, ticks, __, ___, step) => ticks.map((tick) => spec.axisFormat(tick, step)),
    },
  ];
}

/** Lines over time by uPlot; direction, levels and intervals by the spec. */
export function LineChart({ spec, group, read, zone, label, zonesShown }: LineChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLDivElement>(null);
  const colors = useColors();
  const latest = useRef({ read, zonesShown });
  useLayoutEffect(() => {
    latest.current = { read, zonesShown };
  });

  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const paintLegend = (u: uPlot) => {
      const at = u.cursor.idx ?? null;
      const items = legend.current?.children;
      let item = 0;
      spec.lines.forEach((line, i) => {
        if (line.legend === false) return;
        const column = u.data[i + 1] as (number | null)[] | undefined;
        const value = at === null ? lastKnown(column) : column?.[at];
        write((items?.[item]?.lastElementChild ?? null) as HTMLElement | null, spec.format(value));
        item += 1;
      });
    };
    const options: uPlot.Options = {
      width: Math.max(50, element.clientWidth),
      height: Math.max(50, element.clientHeight),
      legend: { show: false },
      padding: [8, 0, 0, 8],
      cursor: {
        sync: {
          key: group.syncKey,
          setSeries: false,
          // Crosshairs travel; a drag is taken along by the group, once.
          filters: { pub: (type) => type !== "mousedown" && type !== "mouseup", sub: () => true },
        },
        drag: { x: true, y: false, setScale: false },
        // Bounds of an interval are an area, not values to read.
        points: { size: (_, series) => (spec.lines[series - 1]?.legend === false ? 0 : 6) },
        bind: { dblclick: () => () => (group.zoom(null), null) },
      },
      tzDate: (seconds) =>
        zone === "utc" ? uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC") : new Date(seconds * 1e3),
      scales: { x: { time: true }, y: { range: dataRange(spec.include ?? []) } },
      axes: axes(spec, colors, zone),
      series: [
        {},
        ...spec.lines.map((line): uPlot.Series => ({
          label: line.label,
          stroke: colors[line.color],
          width: line.width ?? 1.5,
          points: { show: false },
          ...(line.dash === undefined ? {} : { dash: [...line.dash] }),
        })),
      ],
      bands: (spec.bands ?? []).map((band) => ({
        series: [band.between[0] + 1, band.between[1] + 1] as uPlot.Band.Bounds,
        fill: alpha(colors[band.color], band.opacity),
      })),
      hooks: {
        drawAxes: [(u) => (latest.current.zonesShown?.() ?? true) && drawZones(u, spec, colors)],
        setCursor: [paintLegend],
        setSelect: [
          (u) => {
            if (u.select.width > 4)
              group.zoom([
                u.posToVal(u.select.left, "x"),
                u.posToVal(u.select.left + u.select.width, "x"),
              ]);
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    };
    const chart = new uPlot(options, latest.current.read(), element);
    const refresh = () => {
      const data = latest.current.read();
      const times = data[0];
      if (times.length === 0) return;
      const [min, max] = group.range ?? [times[0]!, times[times.length - 1]!];
      chart.batch(() => {
        chart.setData(data, false);
        chart.setScale("x", { min, max });
      });
      if (chart.cursor.idx === null || chart.cursor.idx === undefined) paintLegend(chart);
    };
    refresh();
    const leave = group.add(chart, refresh);
    const observer = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = element;
      if (width > 0 && height > 0) chart.setSize({ width, height });
    });
    observer.observe(element);
    return () => {
      leave();
      observer.disconnect();
      chart.destroy();
    };
  }, [spec, group, zone, colors]);

  return (
    <div className={css.chart}>
      <div ref={legend} className={css.legend}>
        {spec.lines
          .filter((line) => line.legend !== false)
          .map((line) => (
            <span key={line.label}>
              <i
                data-dash={line.dash !== undefined}
                style={{ borderColor: `var(--${line.color})` }}
              />
              <b>{line.label}</b>
              <span />
            </span>
          ))}
      </div>
      <div
        ref={host}
        className={css.host}
        role="img"
        aria-label={`${label}. Use View as table for the values.`}
      />
    </div>
  );
}

function lastKnown(column: readonly (number | null)[] | undefined): number | null {
  for (let i = (column?.length ?? 0) - 1; i >= 0; i -= 1) {
    const value = column?.[i];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}
