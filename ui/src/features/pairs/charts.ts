import type { ChartSpec } from "@/components/LineChart";
import { BLANK, known, number, signed } from "@/format/numbers";
import type { Column } from "./pairModel";

export interface PairChart {
  id: "spread" | "zWindow" | "zKalman" | "legs" | "beta" | "correlation";
  title: string;
  unit: string;
  columns: readonly Column[];
  spec: ChartSpec;
}

/** Fewest decimals that tell neighbouring ticks apart exactly (0.25 needs two). */
export function decimalsOf(step: number): number {
  for (let places = 0; places < 5; places += 1) {
    const scaled = step * 10 ** places;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6) return places;
  }
  return 5;
}

const plain = (value: number, step: number) => number(value, decimalsOf(step));
const ofSign = (value: number, step: number) =>
  value === 0 ? "0" : signed(value, decimalsOf(step));
const bp = (value: number | null | undefined) => (known(value) ? `${signed(value, 1)} bp` : BLANK);

const Z_LEVELS: NonNullable<ChartSpec["levels"]> = [
  { at: 2, color: "down" },
  { at: -2, color: "up" },
  { at: 0.5, color: "muted" },
  { at: -0.5, color: "muted" },
];
const Z_AREAS: NonNullable<ChartSpec["areas"]> = [
  { from: 2, to: Number.MAX_VALUE, color: "down" },
  { from: -Number.MAX_VALUE, to: -2, color: "up" },
  { from: -0.5, to: 0.5, color: "muted" },
];

function zChart(
  id: "zWindow" | "zKalman",
  title: string,
  unit: string,
  color: "accent" | "second",
): PairChart {
  return {
    id,
    title,
    unit,
    columns: [id],
    spec: {
      lines: [{ label: title, color, width: id === "zKalman" ? 1 : 1.5 }],
      levels: Z_LEVELS,
      areas: Z_AREAS,
      include: [-2.4, 2.4],
      format: (value) => signed(value, 2),
      axisFormat: ofSign,
    },
  };
}

/** The six charts of a pair, in the order of the grid. */
export function pairCharts(y: string, x: string): readonly PairChart[] {
  return [
    {
      id: "spread",
      title: "Spread",
      unit: "bp from its mean; bands ±1 and ±2 sigma",
      columns: ["plus2", "plus1", "mean", "minus1", "minus2", "deviation"],
      spec: {
        lines: [
          { label: "+2σ", color: "muted", width: 1, dash: [3, 3] },
          { label: "+1σ", color: "muted", width: 0.5, legend: false },
          { label: "mean", color: "muted", width: 1, legend: false },
          { label: "−1σ", color: "muted", width: 0.5, legend: false },
          { label: "−2σ", color: "muted", width: 1, dash: [3, 3], legend: false },
          { label: "spread", color: "accent" },
        ],
        bands: [
          { between: [0, 4], color: "accent", opacity: 0.06 },
          { between: [1, 3], color: "accent", opacity: 0.09 },
        ],
        format: bp,
        axisFormat: ofSign,
      },
    },
    {
      id: "legs",
      title: "Legs",
      unit: "start of the chart = 100",
      columns: ["y", "x"],
      spec: {
        lines: [
          { label: y, color: "accent" },
          { label: x, color: "second" },
        ],
        format: (value) => number(value, 3),
        axisFormat: plain,
      },
    },
    zChart("zWindow", "z_window", "window residual, standard deviations", "accent"),
    {
      id: "beta",
      title: "Hedge ratio",
      unit: `$ of ${x} per $ of ${y}, ±2 standard errors`,
      columns: ["betaHigh", "betaLow", "kalmanHigh", "kalmanLow", "beta", "kalman"],
      spec: {
        lines: [
          { label: "OLS +2se", color: "accent", width: 0, legend: false },
          { label: "OLS −2se", color: "accent", width: 0, legend: false },
          { label: "Kalman +2se", color: "second", width: 0, legend: false },
          { label: "Kalman −2se", color: "second", width: 0, legend: false },
          { label: "OLS", color: "accent" },
          { label: "Kalman", color: "second" },
        ],
        bands: [
          { between: [0, 1], color: "accent", opacity: 0.14 },
          { between: [2, 3], color: "second", opacity: 0.12 },
        ],
        format: (value) => number(value, 4),
        axisFormat: plain,
      },
    },
    zChart("zKalman", "z_kalman", "filter innovation, standard deviations", "second"),
    {
      id: "correlation",
      title: "Correlation",
      unit: "of log returns over the window",
      columns: ["correlation"],
      spec: {
        lines: [{ label: "ρ", color: "accent" }],
        levels: [{ at: 0.5, color: "muted" }],
        format: (value) => signed(value, 3),
        axisFormat: plain,
      },
    },
  ];
}

/** Bounds of its own running deviation between which zones of z_kalman mean something. */
export function kalmanZonesMeanSomething(std: number | null | undefined): boolean {
  return known(std) && std >= 0.8 && std <= 1.25;
}
