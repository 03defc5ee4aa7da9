import type uPlot from "uplot";
import type { Millis, PairHistory, PairPoint, PairRow } from "@/contract";
import { known } from "@/format/numbers";

type Value = number | null;

/** What the pair charts draw at one time, in the units of their axes. */
export const COLUMNS = [
  "y",
  "x",
  "deviation",
  "plus2",
  "plus1",
  "mean",
  "minus1",
  "minus2",
  "zWindow",
  "zKalman",
  "beta",
  "betaHigh",
  "betaLow",
  "kalman",
  "kalmanHigh",
  "kalmanLow",
  "correlation",
] as const;
export type Column = (typeof COLUMNS)[number];
type Values = Record<Column, Value>;

/** Whether the conventions would trade the pair at all: hedge ratio 0.2 to 5, legs that move together. */
export function isFit(row: PairRow): boolean {
  return (
    row.ready &&
    known(row.beta) &&
    row.beta >= 0.2 &&
    row.beta <= 5 &&
    known(row.correlation) &&
    row.correlation >= 0.5
  );
}

/** The pair to show first: the fit one whose legs move together most. */
export function mostCorrelated(rows: Iterable<PairRow>): PairRow | undefined {
  let best: PairRow | undefined;
  for (const row of rows) {
    if (isFit(row) && (best === undefined || row.correlation! > best.correlation!)) best = row;
  }
  return best;
}

const BP = 10_000;
const STDERRS = 2;
const GROWTH = 600;

function finite(value: Value | undefined): Value {
  return known(value) ? value : null;
}

function plus(a: Value | undefined, b: Value | undefined, factor: number): Value {
  return known(a) && known(b) ? a + factor * b : null;
}

type PointLike = Pick<
  PairPoint,
  | "spread"
  | "spread_mean"
  | "sigma"
  | "z_window"
  | "z_kalman"
  | "beta"
  | "beta_stderr"
  | "beta_kalman"
  | "beta_kalman_stderr"
  | "correlation"
> & { y_indexed: Value; x_indexed: Value };

function derive(point: PointLike): Values {
  // Every bar has its own beta, so levels of the spread are not comparable: its distance from its
  // own mean is, and that is what is traded.
  const deviation = plus(point.spread, point.spread_mean, -1);
  const sigma = finite(point.sigma);
  const band = (k: number) => (sigma === null ? null : k * sigma * BP);
  return {
    y: finite(point.y_indexed),
    x: finite(point.x_indexed),
    deviation: deviation === null ? null : deviation * BP,
    plus2: band(2),
    plus1: band(1),
    mean: sigma === null ? null : 0,
    minus1: band(-1),
    minus2: band(-2),
    zWindow: finite(point.z_window),
    zKalman: finite(point.z_kalman),
    beta: finite(point.beta),
    betaHigh: plus(point.beta, point.beta_stderr, STDERRS),
    betaLow: plus(point.beta, point.beta_stderr, -STDERRS),
    kalman: finite(point.beta_kalman),
    kalmanHigh: plus(point.beta_kalman, point.beta_kalman_stderr, STDERRS),
    kalmanLow: plus(point.beta_kalman, point.beta_kalman_stderr, -STDERRS),
    correlation: finite(point.correlation),
  };
}

/** Columns of the pair charts: closed bars, and one last point at the present mids. */
export class PairModel {
  readonly seconds: number[] = [];
  readonly columns = Object.fromEntries(COLUMNS.map((name) => [name, [] as Value[]])) as Record<
    Column,
    Value[]
  >;
  private provisional = false;
  private lastClosedMs = 0;
  private readonly limit: number;

  constructor(history: PairHistory) {
    const { end_ms: ends, ...rest } = history;
    ends.forEach((end, i) => {
      const point = Object.fromEntries(
        Object.entries(rest).map(([name, values]) => [name, values[i] ?? null]),
      );
      this.append({ ...point, end_ms: end } as PairPoint);
    });
    this.limit = ends.length + GROWTH;
  }

  /** Number of closed bars. */
  get length(): number {
    return this.seconds.length - (this.provisional ? 1 : 0);
  }

  /** Add a closed bar; one that is already there is ignored. */
  append(point: PairPoint): void {
    if (point.end_ms <= this.lastClosedMs) return;
    this.dropProvisional();
    this.lastClosedMs = point.end_ms;
    this.push(point.end_ms, derive(point));
    while (this.seconds.length > this.limit) {
      this.seconds.shift();
      for (const name of COLUMNS) this.columns[name].shift();
    }
  }

  /** Replace the last, moving point by the row at the present mids. */
  setNow(row: PairRow, nowMs: Millis): void {
    this.dropProvisional();
    if (!row.ready || nowMs <= this.lastClosedMs) return;
    const { alpha: mean, ...rest } = row;
    this.push(nowMs, derive({ ...rest, spread_mean: mean, y_indexed: null, x_indexed: null }));
    this.provisional = true;
  }

  data(names: readonly Column[]): uPlot.AlignedData {
    return [this.seconds, ...names.map((name) => this.columns[name])];
  }

  private push(ms: Millis, values: Values): void {
    this.seconds.push(ms / 1000);
    for (const name of COLUMNS) this.columns[name].push(values[name]);
  }

  private dropProvisional(): void {
    if (!this.provisional) return;
    this.provisional = false;
    this.seconds.pop();
    for (const name of COLUMNS) this.columns[name].pop();
  }
}
