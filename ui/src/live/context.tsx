import { createContext, useContext, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Millis, Topic } from "@/contract";
import type { HotStore } from "./HotStore";
import { hotKey, type HotKey } from "./keys";
import type { LiveSocket } from "./LiveSocket";

export interface Live {
  store: HotStore;
  socket: LiveSocket;
  /** The server's clock, by the stamp of its last frame. */
  serverNow: () => Millis;
}

export const LiveContext = createContext<Live | null>(null);

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (live === null) throw new Error("useLive outside LiveProvider");
  return live;
}

/** Follow a topic while mounted; null follows nothing. */
export function useTopic(topic: Topic, key: string | null): void {
  const { socket } = useLive();
  useEffect(() => (key === null ? undefined : socket.subscribe(topic, key)), [socket, topic, key]);
}

/**
 * Call `paint` at mount, after each render, and at each flush in which one of `keys` changed.
 *
 * Layout effects: passive ones ran after refs were cleared when the route changed.
 */
export function useHot(keys: readonly (HotKey | null)[], paint: () => void): void {
  const { store } = useLive();
  const latest = useRef(paint);
  useLayoutEffect(() => {
    latest.current = paint;
    paint();
  });
  const joined = keys.filter((key) => key !== null).join(" ");
  useLayoutEffect(() => {
    if (joined === "") return undefined;
    const run = () => latest.current();
    const releases = joined.split(" ").map((key) => store.subscribe(key as HotKey, run));
    return () => releases.forEach((release) => release());
  }, [store, joined]);
}

/** A value read from the store as React state, renewed at most every `everyMs`. */
export function useHotState<T>(keys: readonly HotKey[], read: () => T, everyMs: number): T {
  const { store } = useLive();
  const latest = useRef(read);
  useLayoutEffect(() => {
    latest.current = read;
  });
  const [value, setValue] = useState(read);
  const joined = keys.join(" ");
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let last = 0;
    const renew = () => {
      timer = undefined;
      last = performance.now();
      setValue(() => latest.current());
    };
    const changed = () => {
      if (timer === undefined)
        timer = setTimeout(renew, Math.max(0, everyMs - (performance.now() - last)));
    };
    const releases = joined.split(" ").map((key) => store.subscribe(key as HotKey, changed));
    changed();
    return () => {
      clearTimeout(timer);
      releases.forEach((release) => release());
    };
  }, [store, joined, everyMs]);
  return value;
}

const BEAT_MS = 2_000;
const BEAT_KEYS = [hotKey.second, hotKey.pairSet];

/** Changes every two seconds, and when `size` does: a list that jumps more often cannot be clicked. */
export function useOrderBeat(size: () => number): string {
  return useHotState(BEAT_KEYS, () => `${Math.floor(performance.now() / BEAT_MS)} ${size()}`, 100);
}
