"""The driver's twin on virtual time: same `Feed`, a venue in memory, every run repeatable.

Nothing here waits. Time jumps from one thing to happen to the next; latencies come from the seed;
so a run of an hour with all its faults takes seconds and is the same run each time.
"""

import heapq
import random
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from poise.core.errors import InvariantBroken
from poise.core.instrument import Instrument
from poise.core.venue import RestRequest, Venue
from poise.net.actions import Action, Close, Fetch, Open, Ping, Send, Settle
from poise.net.budget import BudgetState
from poise.net.desk import Priority
from poise.net.feed import Feed, Wish
from poise.net.report import FeedReport
from poise.net.settings import NetSettings
from poise.net.sink import Sink, tell

_MS = 1_000_000
_AT_ONCE_NS = 1 * _MS
_MAX_STEPS_AT_ONCE = 10_000


class Pong(NamedTuple):
    """The venue answers our ping."""


class Pinged(NamedTuple):
    """The venue pings us."""

    payload: bytes


class Ended(NamedTuple):
    """The venue's side of a connection is over."""

    reason: str


Arrival = bytes | Pong | Pinged | Ended
"""`bytes` is one whole message of a socket."""


class PeerAnswer(NamedTuple):
    """A REST answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    payload: bytes


class Peer(Protocol):
    """A venue as a function of bytes and time; sessions are its numbers for sockets."""

    def connect(self, path: str, now_ns: int) -> int | str:
        """Accept a socket, or say why not."""

    def receive(self, session: int, text: bytes, now_ns: int) -> list[tuple[int, Arrival]]:
        """Take our text frame; returns everything that goes out now, to any session."""

    def ping(self, session: int, now_ns: int) -> list[tuple[int, Arrival]]:
        """Take our ping."""

    def pong(self, session: int, payload: bytes, now_ns: int) -> list[tuple[int, Arrival]]:
        """Take our pong."""

    def disconnected(self, session: int) -> None:
        """Forget a socket that we closed."""

    def advance(self, now_ns: int) -> list[tuple[int, Arrival]]:
        """Let time pass; returns what goes out."""

    def next_due_ns(self) -> int | None:
        """When `advance` is needed next: 0 for at once, None for never by itself."""

    def request(self, request: RestRequest, now_ns: int) -> PeerAnswer:
        """Answer a REST request."""


class Latency(NamedTuple):
    """One-way delay, uniform between the two, ns."""

    least_ns: int = 1 * _MS
    most_ns: int = 40 * _MS


class VirtualDriver:
    """A venue's feed on virtual time; `run` until a time, and look.

    Parameters
    ----------
    venue, instruments, sink, settings, budget
        As of `poise.net.driver.Driver`.
    peer
        The other side.
    seed
        Of jitter and latencies.
    start_ns
        ns UTC at which the run begins.
    """

    def __init__(
        self,
        venue: Venue,
        instruments: Iterable[Instrument],
        sink: Sink,
        peer: Peer,
        *,
        seed: int,
        start_ns: int,
        settings: NetSettings | None = None,
        latency: Latency | None = None,
        has_key: bool = False,
        budget: BudgetState | None = None,
    ) -> None:
        self.now_ns = start_ns
        self.sockets_opened: list[int] = []
        self._venue = venue
        self._sink = sink
        self._peer = peer
        self._settings = settings or NetSettings()
        self._latency = latency or Latency()
        self._random = random.Random(seed)  # noqa: S311 - a simulation must be repeatable
        self.feed = Feed(
            venue,
            instruments,
            self._settings,
            self._random.random,
            start_ns,
            budget=budget,
            has_key=has_key,
        )
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._sessions: dict[int, int] = {}
        self._sockets: dict[int, int] = {}
        self._seen: dict[int, dict[str, int]] = {}
        self._sources: dict[int, str] = {}
        self._busy_until_ns: dict[tuple[str, int], int] = {}
        self._messages: dict[int, int] = {}
        self._calls: dict[int, Callable[[bytes, Exception | None], None]] = {}
        self._todo: list[Action] = []
        self._busy = False

    @property
    def open_sockets(self) -> int:
        """Sockets that are open or being opened, on our side."""
        return len(self._sources)

    def start(self) -> None:
        """Begin to connect."""
        self._do(self.feed.start(self.now_ns))

    def stop(self) -> None:
        """Close everything."""
        self._do(self.feed.stop(self.now_ns))

    def heal(self, wish: Wish) -> None:
        """As `Driver.heal`."""
        self._do(self.feed.heal(wish, self.now_ns))

    def fetch(
        self,
        request: RestRequest,
        done: Callable[[bytes, Exception | None], None],
        priority: Priority = Priority.HISTORY,
    ) -> None:
        """As `Driver.fetch`, with a callback."""
        number = len(self._calls) + 1
        self._calls[number] = done
        self._do(self.feed.call(number, request, priority, self.now_ns))

    def reports(self) -> list[FeedReport]:
        """Rows of the health page."""
        return self.feed.session.reports(self._messages, self.now_ns)

    def run(self, until_ns: int) -> None:
        """Let everything happen that happens until then."""
        stuck = 0
        wake_ns = self.feed.next_wake_ns(self.now_ns)
        while True:
            due_ns = self._next_ns(wake_ns)
            if due_ns > until_ns:
                break
            stuck = stuck + 1 if due_ns <= self.now_ns else 0
            if stuck > _MAX_STEPS_AT_ONCE:
                raise InvariantBroken(f"time stands still at {self.now_ns}")
            self.now_ns = max(self.now_ns, due_ns)
            self._send_out(self._peer.advance(self.now_ns))
            while self._events and self._events[0][0] <= self.now_ns:
                heapq.heappop(self._events)[2]()
            wake_ns = self.feed.next_wake_ns(self.now_ns)
            if wake_ns <= self.now_ns:
                self._do(self.feed.tick(self.now_ns))
                wake_ns = self.feed.next_wake_ns(self.now_ns)
        self.now_ns = until_ns

    def _next_ns(self, due_ns: int) -> int:
        """Time of the next thing to happen, the feed's own at `due_ns` among them."""
        if self._events:
            due_ns = min(due_ns, self._events[0][0])
        peer_ns = self._peer.next_due_ns()
        if peer_ns is not None:
            due_ns = min(due_ns, max(peer_ns, self.now_ns + _AT_ONCE_NS))
        return due_ns

    def _later(self, at_ns: int, what: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (at_ns, self._order, what))

    def _delay(self) -> int:
        return self._random.randint(self._latency.least_ns, self._latency.most_ns)

    def _in_order(self, way: str, socket: int) -> int:
        """Arrival time of what is sent now: a stream of bytes does not overtake itself."""
        key = (way, socket)
        at_ns = max(self.now_ns + self._delay(), self._busy_until_ns.get(key, 0))
        self._busy_until_ns[key] = at_ns
        return at_ns

    def _do(self, actions: list[Action]) -> None:
        self._todo.extend(actions)
        if self._busy:
            return
        self._busy = True
        try:
            while self._todo:
                self._carry_out(self._todo.pop(0))
        finally:
            self._busy = False

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, Open):
            self.sockets_opened.append(self.now_ns)
            self._sources[action.socket] = f"ws:{action.route}#{action.socket}"
            self._later(self.now_ns + self._delay(), lambda: self._connect(action))
        elif isinstance(action, Close):
            self._drop(action.socket)
        elif isinstance(action, Send | Ping):
            at_ns = self._in_order("out", action.socket)
            self._later(at_ns, lambda: self._reach_peer(action))
        elif isinstance(action, Fetch):
            self._later(self.now_ns + self._delay(), lambda: self._ask_peer(action))
        elif isinstance(action, Settle):
            self._calls[action.call](action.payload, action.error)
        else:
            tell(self._sink, action, lambda: self.now_ns)

    def _connect(self, action: Open) -> None:
        if action.socket not in self._sources:
            return  # closed meanwhile
        session = self._peer.connect(action.path, self.now_ns)
        back_ns = self.now_ns + self._delay()
        if isinstance(session, str):
            self._later(back_ns, lambda: self._lose(action.socket, session))
            return
        self._sessions[action.socket] = session
        self._sockets[session] = action.socket
        self._busy_until_ns["in", action.socket] = back_ns
        self._later(back_ns, lambda: self._opened(action.socket))

    def _opened(self, socket: int) -> None:
        if socket in self._sources:
            self._seen[socket] = self.feed.session.seen(socket)
            self._do(self.feed.session.opened(socket, self.now_ns))

    def _reach_peer(self, action: Send | Ping) -> None:
        session = self._sessions.get(action.socket)
        if session is None:
            return
        if isinstance(action, Send):
            self._send_out(self._peer.receive(session, action.payload, self.now_ns))
        else:
            self._send_out(self._peer.ping(session, self.now_ns))

    def _ask_peer(self, action: Fetch) -> None:
        answer = self._peer.request(action.request, self.now_ns)
        self._send_out(self._peer.advance(self.now_ns))
        self._later(
            self.now_ns + self._delay(),
            lambda: self._do(
                self.feed.answered(
                    action.ticket, answer.status, answer.headers, answer.payload, self.now_ns
                )
            ),
        )

    def _send_out(self, arrivals: list[tuple[int, Arrival]]) -> None:
        """Put what the venue sends on its way; each batch of a socket travels together."""
        batches: dict[int, list[Arrival]] = {}
        for session, arrival in arrivals:
            batches.setdefault(session, []).append(arrival)
        for session, batch in batches.items():
            socket = self._sockets.get(session)
            if socket is not None:
                at_ns = self._in_order("in", socket)
                self._later(at_ns, lambda s=socket, b=batch: self._arrive(s, b))  # type: ignore[misc]

    def _arrive(self, socket: int, batch: list[Arrival]) -> None:
        for arrival in batch:
            if socket not in self._sources:
                return
            if isinstance(arrival, bytes):
                self._message(socket, arrival)
            elif isinstance(arrival, Pong):
                self.feed.session.heard(socket, self.now_ns)
            elif isinstance(arrival, Pinged):
                session = self._sessions[socket]
                self._send_out(self._peer.pong(session, arrival.payload, self.now_ns))
            else:
                self._lose(socket, arrival.reason)

    def _message(self, socket: int, payload: bytes) -> None:
        """Take a message as `driver.connection` does."""
        if len(payload) > self._venue.socket_limits.max_frame_bytes:
            self._lose(socket, "message too big")
            return
        self._messages[socket] = self._messages.get(socket, 0) + 1
        name = self._venue.stream_of(payload)
        seen = self._seen[socket]
        if name is not None and name in seen:
            seen[name] = self.now_ns
        elif name is not None:
            self._do(self.feed.session.first(socket, name, self.now_ns))
        else:
            ours, actions = self.feed.session.control(socket, payload, self.now_ns)
            self._do(actions)
            if ours:
                return
        self._sink.on_frame(self._sources.get(socket, "ws:closed"), payload, self.now_ns)

    def _lose(self, socket: int, reason: str) -> None:
        if socket in self._sources:
            self._drop(socket)
            self._do(self.feed.session.lost(socket, reason, self.now_ns))

    def _drop(self, socket: int) -> None:
        self._sources.pop(socket, None)
        self._seen.pop(socket, None)
        session = self._sessions.pop(socket, None)
        if session is not None:
            del self._sockets[session]
            self._peer.disconnected(session)
