import { useRef } from "react";
import type { Millis } from "@/contract";
import { shortAge } from "@/format/numbers";
import { useHot, useLive } from "@/live/context";
import { PANEL_STALE_MS } from "@/live/freshness";
import { hotKey } from "@/live/keys";
import css from "./AgeDot.module.css";

/** Age of what a panel shows, read once a second; null when it has nothing yet. */
export type ReadAge = () => Millis | null;

const KEYS = [hotKey.second];

/**
 * A dot while fresh; amber with the age in words once stale, when the panel around it dims too.
 *
 * A silent connection makes every panel stale, also those that are often quiet for a while.
 */
export function AgeDot({
  age,
  staleMs = PANEL_STALE_MS,
}: {
  age: ReadAge;
  staleMs?: Millis | undefined;
}) {
  const { socket } = useLive();
  const dot = useRef<HTMLSpanElement>(null);
  useHot(KEYS, () => {
    const element = dot.current;
    if (element === null) return;
    const ms = age();
    const silent = performance.now() - socket.lastFrameAt > PANEL_STALE_MS;
    const stale = ms !== null && (ms > staleMs || silent);
    element.dataset["state"] = ms === null ? "none" : stale ? "stale" : "fresh";
    const text = stale ? shortAge(ms) : "";
    if (element.textContent !== text) element.textContent = text;
    element.title = ms === null ? "nothing received yet" : `updated ${shortAge(ms)} ago`;
    const panel = element.closest("section");
    if (panel !== null) panel.dataset["stale"] = String(stale);
  });
  return <span ref={dot} className={css.dot} />;
}
