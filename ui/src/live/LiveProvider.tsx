import { useEffect, useMemo, type ReactNode } from "react";
import type { Millis } from "@/contract";
import { millisOf } from "@/format/time";
import { api } from "@/state/api";
import { connMeasured } from "@/state/conn";
import { notify } from "@/state/notices";
import { useAppDispatch } from "@/state/store";
import { LiveContext, type Live } from "./context";
import { HotStore } from "./HotStore";
import { hotKey } from "./keys";
import { LagMeter } from "./LagMeter";
import { LiveSocket, type SocketLike } from "./LiveSocket";

const MEASURE_MS = 500;
const HZ = 10;
const HZ_POCKET = 4;
const HZ_HIDDEN = 1;

function schedule(flush: () => void): void {
  // A hidden page gets no animation frames, but its credit must still return.
  if (document.hidden) setTimeout(flush, 0);
  else requestAnimationFrame(flush);
}

function wantedHz(): number {
  if (document.hidden) return HZ_HIDDEN;
  return matchMedia("(pointer: coarse)").matches ? HZ_POCKET : HZ;
}

function openSocket(): SocketLike {
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(url) as unknown as SocketLike;
}

interface Wiring extends Live {
  start: () => void;
  stop: () => void;
}

function wire(dispatch: ReturnType<typeof useAppDispatch>): Wiring {
  const store = new HotStore(schedule, () => performance.now() as Millis);
  const meter = new LagMeter();
  let offset = Date.now() - performance.now();
  let resyncs = 0;
  let reconnects = 0;
  let wasOffline = false;
  let lastSent = "";
  const socket = new LiveSocket({
    open: openSocket,
    store,
    onFrame: (frame) => {
      const now = performance.now() as Millis;
      const serverMs = millisOf(frame.server_ns);
      meter.received(serverMs, now);
      offset = serverMs - now;
    },
    onResync: () => {
      resyncs += 1;
    },
    onRefusal: (refusal) => {
      dispatch(
        notify({ level: "warning", title: `No ${refusal.topic} stream`, detail: refusal.error }),
      );
    },
    onPhase: (phase) => {
      if (phase === "offline") {
        wasOffline = true;
        reconnects += 1;
        meter.reset();
        // Is it the server that went, or only this browser's session?
        dispatch(api.util.invalidateTags(["Status"]));
      }
      if (phase === "live" && wasOffline) {
        wasOffline = false;
        dispatch(api.util.invalidateTags(["Status", "Pair"]));
      }
    },
  });
  store.onPainted = (seq, serverNs) => {
    socket.acknowledge(seq);
    if (!document.hidden) meter.painted(millisOf(serverNs), performance.now() as Millis);
  };
  const measure = () => {
    const open = socket.phase !== "offline" && socket.phase !== "connecting";
    const lag = meter.take();
    const silent = open ? performance.now() - socket.lastFrameAt : null;
    // Rounded, so that a quiet page dispatches nothing.
    const conn = {
      phase: socket.phase,
      lagMs: lag === null ? null : (Math.round(lag) as Millis),
      silentMs:
        silent === null || silent < 1_000 ? null : ((Math.floor(silent / 1000) * 1000) as Millis),
      resyncs,
      reconnects,
    };
    const text = JSON.stringify(conn);
    if (text === lastSent) return;
    lastSent = text;
    dispatch(connMeasured(conn));
  };
  let timers: ReturnType<typeof setInterval>[] = [];
  const onVisibility = () => {
    socket.setRate(wantedHz());
    store.flush();
  };
  return {
    store,
    socket,
    serverNow: () => (performance.now() + offset) as Millis,
    start: () => {
      timers = [
        setInterval(measure, MEASURE_MS),
        setInterval(() => store.touch(hotKey.second), 1_000),
      ];
      document.addEventListener("visibilitychange", onVisibility);
      socket.setRate(wantedHz());
      socket.start();
    },
    stop: () => {
      timers.forEach(clearInterval);
      document.removeEventListener("visibilitychange", onVisibility);
      socket.stop();
    },
  };
}

export function LiveProvider({ children }: { children: ReactNode }) {
  const dispatch = useAppDispatch();
  const live = useMemo(() => wire(dispatch), [dispatch]);
  useEffect(() => {
    live.start();
    // Health is the heartbeat of the pill, on every route.
    const release = live.socket.subscribe("health", "");
    return () => {
      release();
      live.stop();
    };
  }, [live]);
  return <LiveContext value={live}>{children}</LiveContext>;
}
