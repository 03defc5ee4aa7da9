import type { Millis } from "@/contract";

const WINDOW_MS = 30_000;

/**
 * How long after the server's stamp a frame is on the screen.
 *
 * The two clocks differ by an unknown constant, so lag is measured above the smallest difference
 * seen within the last 30 to 60 seconds.
 */
export class LagMeter {
  private bucketStart = 0;
  private current = Number.POSITIVE_INFINITY;
  private previous = Number.POSITIVE_INFINITY;
  private worst = 0;
  private seen = false;

  received(serverMs: Millis, now: Millis): void {
    if (now - this.bucketStart > WINDOW_MS) {
      this.previous = this.current;
      this.current = Number.POSITIVE_INFINITY;
      this.bucketStart = now;
    }
    this.current = Math.min(this.current, now - serverMs);
  }

  painted(serverMs: Millis, now: Millis): void {
    const floor = Math.min(this.current, this.previous);
    if (!Number.isFinite(floor)) return;
    this.worst = Math.max(this.worst, now - serverMs - floor);
    this.seen = true;
  }

  /** Worst lag since the last call; null when nothing was painted. */
  take(): Millis | null {
    if (!this.seen) return null;
    const worst = this.worst as Millis;
    this.worst = 0;
    this.seen = false;
    return worst;
  }

  reset(): void {
    this.current = Number.POSITIVE_INFINITY;
    this.previous = Number.POSITIVE_INFINITY;
    this.worst = 0;
    this.seen = false;
  }
}
