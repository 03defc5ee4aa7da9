import { useRef } from "react";
import { useHot } from "@/live/context";
import type { HotKey } from "@/live/keys";

interface HotTextProps {
  keys: readonly (HotKey | null)[];
  read: () => string;
  /** Class that follows the value: "up", "down" or "". */
  tone?: () => string;
  className?: string | undefined;
}

/** Text written straight into the document at each flush. */
export function HotText({ keys, read, tone, className }: HotTextProps) {
  const span = useRef<HTMLSpanElement>(null);
  useHot(keys, () => {
    const element = span.current;
    if (element === null) return;
    write(element, read());
    if (tone !== undefined) element.className = `${className ?? ""} ${tone()}`;
  });
  return <span ref={span} className={className} />;
}

/** Set text only when it differs: unchanged cells cost no layout. */
export function write(element: HTMLElement | null, text: string): void {
  if (element === null) return;
  const node = element.firstChild;
  if (node !== null && node.nodeType === Node.TEXT_NODE && node === element.lastChild) {
    if (node.nodeValue !== text) node.nodeValue = text;
  } else element.textContent = text;
}
