import type uPlot from "uplot";

/** Charts that share crosshair, time range and refresh. */
export class ChartGroup {
  /** Seconds UTC that the user zoomed to; null follows all data. */
  range: readonly [number, number] | null = null;
  private readonly charts = new Set<uPlot>();
  private readonly refreshers = new Set<() => void>();
  private readonly zoomListeners = new Set<(zoomed: boolean) => void>();
  private applying = false;

  constructor(readonly syncKey: string) {}

  add(chart: uPlot, refresh: () => void): () => void {
    this.charts.add(chart);
    this.refreshers.add(refresh);
    return () => {
      this.charts.delete(chart);
      this.refreshers.delete(refresh);
    };
  }

  /** Draw what the data now holds, in every chart. */
  refresh(): void {
    for (const refresh of this.refreshers) refresh();
  }

  /** A chart was zoomed by the user: take the others along. */
  zoom(range: readonly [number, number] | null): void {
    if (this.applying) return;
    this.applying = true;
    this.range = range;
    this.refresh();
    for (const listener of this.zoomListeners) listener(range !== null);
    this.applying = false;
  }

  onZoom(listener: (zoomed: boolean) => void): () => void {
    this.zoomListeners.add(listener);
    return () => this.zoomListeners.delete(listener);
  }
}
