"""The hub of live clients: one clock for all, each frame made of what a client has not got.

State is conflated by its nature: a step from a client's cursor to now. A client that lags has an
older cursor, nothing is queued for it, and it costs no memory. Nothing runs without clients.
"""

import asyncio
import time
from typing import Any

import msgspec

from poise.api import contract as wire
from poise.api.errors import Refused
from poise.api.topics import Step, Topic, Topics
from poise.runtime.edge import Edge

TICK_S = 0.05
CREDIT = 2
"""Frames that may be on their way unacknowledged."""
MAX_SUBSCRIPTIONS = 64
MAX_CLIENTS = 64
QUIET_S = 1.0
"""A frame goes out this often even when nothing changed: silence means a dead connection."""
HZ_MIN, HZ_MAX, HZ_DEFAULT = 0.5, 20.0, 10.0

Encoder = msgspec.json.Encoder | msgspec.msgpack.Encoder
ENCODERS: dict[str, Encoder] = {
    "json": msgspec.json.Encoder(),
    "msgpack": msgspec.msgpack.Encoder(),
}


class Held(msgspec.Struct):
    """One subscription of one client; no cursor means that the snapshot is still owed."""

    topic: Topic
    cursor: Any = None


class Client:
    """What the server knows of one socket.

    Attributes
    ----------
    seq, acknowledged
        Last frame sent, last frame painted.
    """

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self.held: dict[tuple[str, str], Held] = {}
        self.seq = 0
        self.acknowledged = 0
        self.period_s = 1.0 / HZ_DEFAULT
        self.due_s = 0.0
        self.sent_s = 0.0

    def take(self, message: wire.ClientMessage, topics: Topics) -> wire.Refusal | None:
        """Do what a client message says; returns a refusal when it cannot be done."""
        if isinstance(message, wire.Ack):
            if self.acknowledged <= message.seq <= self.seq:
                self.acknowledged = message.seq
        elif isinstance(message, wire.SetRate):
            hz = min(max(message.hz, HZ_MIN), HZ_MAX) if message.hz == message.hz else HZ_DEFAULT
            self.period_s = 1.0 / hz
            self.due_s = 0.0
        elif isinstance(message, wire.Unsubscribe):
            self.held.pop((message.topic, message.key), None)
        else:
            return self._subscribe(message, topics)
        return None

    def _subscribe(self, message: wire.Subscribe, topics: Topics) -> wire.Refusal | None:
        name = (message.topic, message.key)
        if name not in self.held and len(self.held) >= MAX_SUBSCRIPTIONS:
            text = f"at most {MAX_SUBSCRIPTIONS} subscriptions: drop one first"
            return wire.Refusal(message.topic, message.key[:80], text)
        try:
            self.held[name] = Held(topics.make(*name))
        except Refused as refused:
            text = f"{refused.answer.error} {refused.answer.hint}".strip()
            return wire.Refusal(message.topic, message.key[:80], text)
        return None


class _RawFrame(msgspec.Struct, frozen=True, array_like=True, tag="frame"):
    """`contract.Frame` with updates that are encoded already."""

    seq: int
    prev: int
    server_ns: str
    updates: list[msgspec.Raw]


class Hub:
    """Keeps the clock while there are clients, and makes their frames."""

    def __init__(self, edge: Edge, topics: Topics) -> None:
        self.topics = topics
        self._edge = edge
        self._clients: set[Client] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._tick = asyncio.Event()
        self._made: dict[tuple[Any, ...], tuple[msgspec.Raw | None, Any]] = {}
        self._connected = False
        self._run_id = ""

    def join(self, client: Client) -> None:
        """Let a client in.

        Raises
        ------
        Refused
            When there are too many.
        """
        if len(self._clients) >= MAX_CLIENTS:
            raise Refused(503, f"{MAX_CLIENTS} pages are open already: close one.")
        self._clients.add(client)
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._run())

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)
        if not self._clients and self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
            self._made.clear()

    @property
    def clients(self) -> int:
        """Clients now."""
        return len(self._clients)

    async def next_tick(self) -> None:
        """Wait for the clock."""
        await self._tick.wait()

    def frame(self, client: Client) -> bytes | None:
        """The client's next frame, if one is due, its credit allows it, and there is anything.

        Raises
        ------
        Behind
            When events for the client were lost.
        """
        now = time.monotonic()
        if now < client.due_s or client.seq - client.acknowledged >= CREDIT:
            return None
        # On a grid, so that clients of one rate share what is made.
        client.due_s = (now // client.period_s + 1.0) * client.period_s
        updates = []
        for name, held in list(client.held.items()):
            try:
                update, cursor = self._step(client.encoding, name, held)
            except Refused:
                continue  # another run has begun: the socket is about to be closed
            held.cursor = cursor
            if update is not None:
                updates.append(update)
        if not updates and now - client.sent_s < QUIET_S:
            return None
        client.sent_s = now
        client.seq += 1
        frame = _RawFrame(client.seq, client.seq - 1, str(time.time_ns()), updates)
        return ENCODERS[client.encoding].encode(frame)

    def _step(
        self, encoding: str, name: tuple[str, str], held: Held
    ) -> tuple[msgspec.Raw | None, Any]:
        """Take a topic's step, encoded; shared by clients with the same cursor in one tick."""
        key = (encoding, name, held.cursor)
        made = self._made.get(key)
        if made is None:
            step: Step = held.topic.step(held.cursor)
            raw = None
            if step.update is not None:
                raw = msgspec.Raw(ENCODERS[encoding].encode(step.update))
            made = self._made[key] = (raw, step.cursor)
        return made

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._made.clear()
            if self._edge.core.connected != self._connected:
                self._connected = self._edge.core.connected
                self._edge.touch_quotes()
            self._tick.set()
            self._tick.clear()
