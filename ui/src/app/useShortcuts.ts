import { useEffect } from "react";
import { useLocation, useNavigate } from "react-router";
import { useAppDispatch } from "@/state/store";
import { setPairTimeframe, setTimeframe } from "@/state/workspace";

const ROUTE_OF_LETTER: Readonly<Record<string, string>> = {
  m: "/market",
  p: "/pairs",
  h: "/health",
};
const CHORD_MS = 1_200;

interface Actions {
  openSearch: () => void;
  openHelp: () => void;
  timeframes: readonly string[];
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** Keys of the whole page. None of them places an order. */
export function useShortcuts({ openSearch, openHelp, timeframes }: Actions): void {
  const navigate = useNavigate();
  const dispatch = useAppDispatch();
  const { pathname } = useLocation();
  useEffect(() => {
    let chordUntil = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector('[role="dialog"]') !== null) return;
      const inChord = performance.now() < chordUntil;
      chordUntil = 0;
      const route = inChord ? ROUTE_OF_LETTER[event.key] : undefined;
      const timeframe = timeframes[Number(event.key) - 1];
      if (route !== undefined) void navigate(route);
      else if (event.key === "g") chordUntil = performance.now() + CHORD_MS;
      else if (event.key === "/") openSearch();
      else if (event.key === "?") openHelp();
      else if (timeframe !== undefined) {
        dispatch(
          pathname.startsWith("/pairs") ? setPairTimeframe(timeframe) : setTimeframe(timeframe),
        );
      } else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [navigate, dispatch, pathname, openSearch, openHelp, timeframes]);
}
