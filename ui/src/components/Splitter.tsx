import { useCallback, useRef, type KeyboardEvent, type PointerEvent } from "react";
import css from "./Splitter.module.css";

interface SplitterProps {
  label: string;
  /** Which edge of the page the panel being sized stands on. */
  side: "left" | "right" | "bottom";
  size: number;
  min: number;
  max: number;
  onSize: (size: number) => void;
}

const STEP = 16;

/** The gap between two panels, draggable, and by arrow keys. */
export function Splitter({ label, side, size, min, max, onSize }: SplitterProps) {
  const from = useRef<{ at: number; size: number } | null>(null);
  const vertical = side !== "bottom";
  const set = useCallback(
    (next: number) => onSize(Math.round(Math.min(max, Math.max(min, next)))),
    [onSize, min, max],
  );
  const position = (event: PointerEvent) => (vertical ? event.clientX : event.clientY);
  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    from.current = { at: position(event), size };
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>) => {
    if (from.current === null) return;
    const moved = position(event) - from.current.at;
    set(from.current.size + (side === "left" ? moved : -moved));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const grow = side === "left" ? "ArrowRight" : side === "right" ? "ArrowLeft" : "ArrowUp";
    const shrink = side === "left" ? "ArrowLeft" : side === "right" ? "ArrowRight" : "ArrowDown";
    if (event.key === grow) set(size + STEP);
    else if (event.key === shrink) set(size - STEP);
    else return;
    event.preventDefault();
  };
  return (
    <div
      role="separator"
      aria-label={label}
      aria-orientation={vertical ? "vertical" : "horizontal"}
      aria-valuenow={size}
      aria-valuemin={min}
      aria-valuemax={max}
      tabIndex={0}
      className={vertical ? css.vertical : css.horizontal}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={() => {
        from.current = null;
      }}
      onKeyDown={onKeyDown}
    />
  );
}
