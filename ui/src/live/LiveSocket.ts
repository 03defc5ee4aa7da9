import { decode, encode } from "@msgpack/msgpack";
import {
  decodeServerMessage,
  encodeAck,
  encodeSetRate,
  encodeSubscribe,
  encodeUnsubscribe,
  type ClientMessageWire,
  type Frame,
  type Refusal,
  type ServerMessageWire,
  type Topic,
  type Update,
} from "@/contract";
import type { HotStore } from "./HotStore";

export type Phase = "connecting" | "syncing" | "live" | "resyncing" | "offline";

/** The part of a WebSocket that is used, so that tests can pass their own. */
export interface SocketLike {
  binaryType: BinaryType;
  readyState: number;
  onopen: ((event: Event) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

export interface LiveSocketOptions {
  open: () => SocketLike;
  store: HotStore;
  onPhase?: (phase: Phase) => void;
  onFrame?: (frame: Frame) => void;
  onRefusal?: (refusal: Refusal) => void;
  onResync?: () => void;
  random?: () => number;
}

const OPEN = 1;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 10_000;
const RELEASE_AFTER_MS = 400;
const SILENCE_MS = 15_000;

interface Interest {
  topic: Topic;
  key: string;
  holders: number;
}

function idOf(topic: Topic, key: string): string {
  return `${topic}/${key}`;
}

function idOfUpdate(update: Update): string {
  switch (update.tag) {
    case "quotes":
    case "pairs":
    case "health":
      return idOf(update.tag, "");
    default:
      return idOf(update.tag, update.key);
  }
}

/** The one owner of `/ws`: subscriptions, sequence, credit, reconnection. */
export class LiveSocket {
  phase: Phase = "offline";
  lastFrameAt = 0;
  private socket: SocketLike | null = null;
  private readonly interests = new Map<string, Interest>();
  /** Subscriptions whose snapshot has not come: their changes would build on nothing. */
  private readonly awaiting = new Set<string>();
  private seq = 0;
  private hz = 10;
  private attempts = 0;
  private stopped = true;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly options: LiveSocketOptions) {}

  start(): void {
    this.stopped = false;
    this.silence = setInterval(() => this.checkSilence(), 1_000);
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.retry);
    clearInterval(this.silence);
    this.drop();
    this.setPhase("offline");
  }

  /** Follow a topic until the returned function is called; holders are counted. */
  subscribe(topic: Topic, key: string): () => void {
    const id = idOf(topic, key);
    const held = this.interests.get(id);
    if (held !== undefined) held.holders += 1;
    else {
      this.interests.set(id, { topic, key, holders: 1 });
      this.ask({ topic, key });
    }
    let released = false;
    return () => {
      if (released) return;
      released = true;
      // A route change lets go and takes again within moments.
      setTimeout(() => this.release(id), RELEASE_AFTER_MS);
    };
  }

  setRate(hz: number): void {
    this.hz = hz;
    this.send(encodeSetRate({ hz }));
  }

  acknowledge(seq: number): void {
    this.send(encodeAck({ seq }));
  }

  private release(id: string): void {
    const held = this.interests.get(id);
    if (held === undefined) return;
    held.holders -= 1;
    if (held.holders > 0) return;
    this.interests.delete(id);
    this.awaiting.delete(id);
    this.send(encodeUnsubscribe({ topic: held.topic, key: held.key }));
    this.settle();
  }

  private connect(): void {
    this.setPhase("connecting");
    const socket = this.options.open();
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.seq = 0;
      this.lastFrameAt = performance.now();
      this.send(encodeSetRate({ hz: this.hz }));
      this.setPhase("syncing");
      this.askAll();
    };
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.drop();
      this.scheduleRetry();
    };
  }

  private scheduleRetry(): void {
    this.setPhase("offline");
    if (this.stopped) return;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.attempts);
    this.attempts += 1;
    // Full jitter: clients of a restarted server do not return in step.
    const wait = 50 + (this.options.random ?? Math.random)() * ceiling;
    this.retry = setTimeout(() => this.connect(), wait);
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    this.awaiting.clear();
    if (socket === null) return;
    socket.onclose = null;
    socket.onmessage = null;
    socket.onopen = null;
    socket.close();
  }

  private checkSilence(): void {
    const open = this.socket?.readyState === OPEN;
    if (!open || performance.now() - this.lastFrameAt < SILENCE_MS) return;
    this.drop();
    this.scheduleRetry();
  }

  private receive(data: ArrayBuffer): void {
    const message = decodeServerMessage(decode(new Uint8Array(data)) as ServerMessageWire);
    if (message.tag === "refusal") {
      this.awaiting.delete(idOf(message.topic as Topic, message.key));
      this.options.onRefusal?.(message);
      this.settle();
      return;
    }
    this.attempts = 0;
    this.lastFrameAt = performance.now();
    if (message.prev !== this.seq) this.resync();
    this.seq = message.seq;
    this.options.onFrame?.(message);
    this.options.store.apply(message, (update) => this.accept(update));
    this.settle();
  }

  /** A change counts only on top of its snapshot. */
  private accept(update: Update): boolean {
    const id = idOfUpdate(update);
    if (!this.interests.has(id)) return false;
    if (update.snapshot) this.awaiting.delete(id);
    return !this.awaiting.has(id);
  }

  private resync(): void {
    this.options.onResync?.();
    this.setPhase("resyncing");
    this.askAll();
  }

  private settle(): void {
    if (this.awaiting.size > 0) return;
    if (this.phase === "syncing" || this.phase === "resyncing") this.setPhase("live");
  }

  private askAll(): void {
    for (const interest of this.interests.values()) this.ask(interest);
    this.settle();
  }

  private ask({ topic, key }: { topic: Topic; key: string }): void {
    if (this.socket?.readyState !== OPEN) return;
    this.awaiting.add(idOf(topic, key));
    this.send(encodeSubscribe({ topic, key }));
  }

  private send(message: ClientMessageWire): void {
    if (this.socket?.readyState === OPEN) this.socket.send(encode(message));
  }

  private setPhase(phase: Phase): void {
    if (phase === this.phase) return;
    this.phase = phase;
    this.options.onPhase?.(phase);
  }
}
