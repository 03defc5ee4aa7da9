import { useRef } from "react";
import { useHot } from "@/live/context";
import { hotKey, type HotKey } from "@/live/keys";

const WIDTH = 56;
const HEIGHT = 18;

/** Path of values scaled to the box; empty for fewer than two points. */
export function sparkPath(values: readonly number[]): string {
  if (values.length < 2) return "";
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const span = high - low || 1;
  const step = WIDTH / (values.length - 1);
  return values
    .map((value, i) => {
      const y = 1.5 + (HEIGHT - 3) * (1 - (value - low) / span);
      return `${i === 0 ? "M" : "L"}${(i * step).toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}

const KEYS: readonly HotKey[] = [hotKey.second];

/** A line beside a number that moves; redrawn once a second. */
export function Sparkline({ read }: { read: () => readonly number[] }) {
  const path = useRef<SVGPathElement>(null);
  useHot(KEYS, () => {
    const values = read();
    const element = path.current;
    if (element === null) return;
    const next = sparkPath(values);
    if (element.getAttribute("d") === next) return;
    element.setAttribute("d", next);
    const rising = (values.at(-1) ?? 0) >= (values[0] ?? 0);
    element.setAttribute("stroke", rising ? "var(--up)" : "var(--down)");
  });
  return (
    <svg width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path ref={path} d="" fill="none" strokeWidth="1.25" strokeLinejoin="round" />
    </svg>
  );
}
