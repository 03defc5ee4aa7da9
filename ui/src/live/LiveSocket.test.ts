import { decode, encode } from "@msgpack/msgpack";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { InstrumentIx, Millis } from "@/contract";
import { HotStore } from "./HotStore";
import { LiveSocket, type Phase, type SocketLike } from "./LiveSocket";

class FakeSocket implements SocketLike {
  binaryType: BinaryType = "blob";
  readyState = 0;
  onopen: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  sent: unknown[] = [];

  send(data: Uint8Array<ArrayBuffer>): void {
    this.sent.push(decode(data));
  }

  close(): void {
    this.readyState = 3;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.(new Event("open"));
  }

  lose(): void {
    this.readyState = 3;
    this.onclose?.(new Event("close") as CloseEvent);
  }

  say(message: unknown): void {
    const bytes = encode(message);
    const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    this.onmessage?.(new MessageEvent("message", { data }));
  }

  taken(): unknown[] {
    return this.sent.splice(0);
  }
}

const QUOTE = [0, 1, 1, 2, 1, 1.5, 0.01, 1e6, 1.5, null, null, 5, "live"];

function frame(seq: number, prev: number, ...updates: unknown[]): unknown {
  return ["frame", seq, prev, "1000000", updates];
}

function quotes(snapshot: boolean, last: number): unknown {
  return ["quotes", snapshot, [QUOTE.with(5, last)]];
}

function harness() {
  const sockets: FakeSocket[] = [];
  const phases: Phase[] = [];
  const resyncs = vi.fn();
  const refusals = vi.fn();
  const store = new HotStore(
    (flush) => flush(),
    () => performance.now() as Millis,
  );
  const live = new LiveSocket({
    open: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    store,
    onPhase: (phase) => phases.push(phase),
    onResync: resyncs,
    onRefusal: refusals,
    random: () => 0.5,
  });
  store.onPainted = (seq) => live.acknowledge(seq);
  const last = () => store.quotes.get(0 as InstrumentIx)?.value.last;
  return { live, store, sockets, phases, resyncs, refusals, last, socket: () => sockets.at(-1)! };
}

describe("LiveSocket", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("subscribes on opening, is live after the snapshot, acknowledges what was painted", () => {
    const { live, socket, phases, last } = harness();
    live.subscribe("quotes", "");
    live.start();
    socket().open();
    expect(socket().taken()).toEqual([
      ["rate", 10],
      ["sub", "quotes", ""],
    ]);
    socket().say(frame(1, 0, quotes(true, 7)));
    expect(last()).toBe(7);
    expect(socket().taken()).toEqual([["ack", 1]]);
    expect(phases).toEqual(["connecting", "syncing", "live"]);
    live.stop();
  });

  it("a gap in seq subscribes everything again, and changes wait for their snapshots", () => {
    const { live, socket, phases, resyncs, last } = harness();
    live.subscribe("quotes", "");
    live.subscribe("book", "4");
    live.start();
    socket().open();
    socket().say(frame(1, 0, quotes(true, 1), ["book", "4", true, [true, [], []]]));
    socket().taken();
    socket().say(frame(5, 4, quotes(false, 99)));
    expect(resyncs).toHaveBeenCalledTimes(1);
    expect(socket().taken()).toEqual([
      ["sub", "quotes", ""],
      ["sub", "book", "4"],
      ["ack", 5],
    ]);
    expect(last()).toBe(1);
    expect(phases.at(-1)).toBe("resyncing");
    socket().say(frame(6, 5, quotes(true, 2)));
    expect(phases.at(-1)).toBe("resyncing");
    socket().say(frame(7, 6, ["book", "4", true, [true, [], []]]));
    expect(phases.at(-1)).toBe("live");
    expect(last()).toBe(2);
    live.stop();
  });

  it("drops changes that come before the first snapshot", () => {
    const { live, socket, last } = harness();
    live.subscribe("quotes", "");
    live.start();
    socket().open();
    socket().say(frame(1, 0, quotes(false, 3)));
    expect(last()).toBeUndefined();
    live.stop();
  });

  it("reconnects with growing jittered waits and subscribes again from seq 0", () => {
    const { live, sockets, socket, phases, resyncs } = harness();
    live.subscribe("quotes", "");
    live.start();
    socket().open();
    socket().say(frame(1, 0, quotes(true, 1)));
    socket().lose();
    expect(phases.at(-1)).toBe("offline");
    vi.advanceTimersByTime(50 + 125 - 1);
    expect(sockets).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(sockets).toHaveLength(2);
    socket().lose();
    vi.advanceTimersByTime(50 + 250 - 1);
    expect(sockets).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(sockets).toHaveLength(3);
    socket().open();
    expect(socket().taken()).toEqual([
      ["rate", 10],
      ["sub", "quotes", ""],
    ]);
    socket().say(frame(1, 0, quotes(true, 5)));
    expect(phases.at(-1)).toBe("live");
    expect(resyncs).not.toHaveBeenCalled();
    live.stop();
  });

  it("holders share one subscription and the last to leave ends it, a moment later", () => {
    const { live, socket } = harness();
    live.start();
    socket().open();
    socket().taken();
    const first = live.subscribe("book", "1");
    const second = live.subscribe("book", "1");
    expect(socket().taken()).toEqual([["sub", "book", "1"]]);
    first();
    first();
    vi.advanceTimersByTime(500);
    expect(socket().taken()).toEqual([]);
    second();
    const again = live.subscribe("book", "1");
    vi.advanceTimersByTime(500);
    expect(socket().taken()).toEqual([]);
    again();
    vi.advanceTimersByTime(500);
    expect(socket().taken()).toEqual([["unsub", "book", "1"]]);
    live.stop();
  });

  it("a refusal ends the wait for that snapshot", () => {
    const { live, socket, phases, refusals } = harness();
    live.subscribe("pair", "0|0|1m");
    live.start();
    socket().open();
    socket().say(["refusal", "pair", "0|0|1m", "a pair needs two instruments"]);
    expect(refusals).toHaveBeenCalledTimes(1);
    expect(phases.at(-1)).toBe("live");
    live.stop();
  });

  it("gives up a socket that has gone silent", () => {
    const { live, sockets, socket, phases } = harness();
    live.subscribe("quotes", "");
    live.start();
    socket().open();
    socket().say(frame(1, 0, quotes(true, 1)));
    vi.advanceTimersByTime(16_000);
    expect(phases).toContain("offline");
    expect(sockets.length).toBeGreaterThan(1);
    live.stop();
  });

  it("keeps the wanted rate over a reconnection", () => {
    const { live, socket } = harness();
    live.start();
    socket().open();
    live.setRate(1);
    socket().lose();
    vi.advanceTimersByTime(1_000);
    socket().open();
    expect(socket().taken()).toEqual([["rate", 1]]);
    live.stop();
  });
});
