"""`Driver`: a venue's live feed on the running event loop."""

import asyncio
import random
import ssl
import time
from collections import deque
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

import msgspec

from poise.core.instrument import Instrument
from poise.core.units import NS_PER_S
from poise.core.venue import RestRequest, Venue
from poise.net.actions import Action, Close, Fetch, Open, Ping, Send, Settle
from poise.net.budget import BudgetState
from poise.net.desk import Priority
from poise.net.driver.connection import Connection
from poise.net.driver.rest import Rest
from poise.net.feed import Feed, Wish
from poise.net.report import FeedReport
from poise.net.settings import NetSettings
from poise.net.sink import Sink, tell

_LONGEST_SLEEP_S = 3600.0


class Answer(msgspec.Struct, frozen=True):
    """A REST answer a caller asked for, with its receive time (ns UTC)."""

    payload: bytes
    recv_ns: int


class Driver:
    """A venue's live feed on asyncio or uvloop.

    Parameters
    ----------
    venue, instruments
        What to connect to and whose streams to hold.
    sink
        Where everything goes.
    ws_url, rest_url
        ``wss://host[:port]`` and ``https://host[:port]``, without path.
    tls
        Context of both; None for the system's authorities.
    key_headers
        Sent with requests that need a key.
    seed
        Of the jitter; None draws one from the system.
    budget
        What an earlier run saved from `budget`.
    """

    def __init__(
        self,
        venue: Venue,
        instruments: Iterable[Instrument],
        sink: Sink,
        *,
        ws_url: str,
        rest_url: str,
        settings: NetSettings | None = None,
        tls: ssl.SSLContext | None = None,
        key_headers: Mapping[str, str] | None = None,
        seed: int | None = None,
        budget: BudgetState | None = None,
    ) -> None:
        self.venue = venue
        self.sink = sink
        self._settings = settings or NetSettings()
        self._ws_url = ws_url.rstrip("/")
        self._rest_url = rest_url.rstrip("/")
        self._tls = tls
        self._key_headers = dict(key_headers or {})
        # Offset from the monotonic clock, taken once: an NTP step moves no deadline.
        self._epoch_ns = time.time_ns() - time.monotonic_ns()
        jitter = random.Random(seed).random  # noqa: S311 - spreads reconnects, guards nothing
        self.feed = Feed(
            venue,
            instruments,
            self._settings,
            jitter,
            self.now_ns(),
            budget=budget,
            has_key=bool(key_headers),
        )
        self._connections: dict[int, Connection] = {}
        self._requests: set[asyncio.Task[None]] = set()
        self._calls: dict[int, asyncio.Future[Answer]] = {}
        self._next_call = 1
        self._todo: deque[Action] = deque()
        self._busy = False
        self._alarm_clock: asyncio.TimerHandle | None = None
        self._alarm_ns = 0
        self._rest: Rest | None = None
        self._error: Exception | None = None
        self._crashed = asyncio.Event()

    def now_ns(self) -> int:
        """Even clock near UTC, ns."""
        return self._epoch_ns + time.monotonic_ns()

    @property
    def budget(self) -> BudgetState:
        """REST budget to hand to the next run."""
        return self.feed.desk.budget.save()

    @property
    def clock_offset_ns(self) -> int | None:
        """Venue clock minus ours, ns; None while unknown."""
        return self.feed.clock.offset_ns(self.now_ns())

    def reports(self) -> list[FeedReport]:
        """Rows of the health page."""
        messages = {number: conn.messages for number, conn in self._connections.items()}
        return self.feed.session.reports(messages, self.now_ns())

    async def start(self) -> None:
        """Begin to connect; frames arrive from now on."""
        self._rest = Rest(self._rest_url, self._settings, self._tls, self._key_headers)
        self._do(self.feed.start(self.now_ns()))

    async def stop(self) -> None:
        """Close everything; returns with no task and no socket left, within a second."""
        self._do(self.feed.stop(self.now_ns()))
        if self._alarm_clock is not None:
            self._alarm_clock.cancel()
            self._alarm_clock = None
        for request in self._requests:
            request.cancel()
        holders = [c.task for c in self._connections.values() if c.task is not None]
        waiting = [*self._requests, *holders]
        if waiting:
            await asyncio.wait(waiting, timeout=2 * self._settings.shutdown_ns / NS_PER_S)
        if self._rest is not None:
            await self._rest.close()
            self._rest = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def wait(self) -> None:
        """Wait until the sink raises; raises the same. Cancel it otherwise."""
        await self._crashed.wait()
        assert self._error is not None, "the event is set after the error"
        raise self._error

    def heal(self, wish: Wish) -> None:
        """Fetch what the core misses: its answer goes to `on_answer`, a failure is an event."""
        self._do(self.feed.heal(wish, self.now_ns()))

    async def fetch(self, request: RestRequest, priority: Priority = Priority.HISTORY) -> Answer:
        """Ask REST within the budget; the answer is the caller's alone.

        Raises
        ------
        TransientError
            When it failed for good this time: tries or patience ended, or the feed stopped.
        VenueRejected
            When the venue refused.
        """
        number = self._next_call
        self._next_call += 1
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._calls[number] = future
        try:
            self._do(self.feed.call(number, request, priority, self.now_ns()))
            return await future
        finally:
            self._calls.pop(number, None)

    def opened(self, connection: Connection) -> None:
        """Take a finished handshake."""
        connection.seen = self.feed.session.seen(connection.number)
        self._do(self.feed.session.opened(connection.number, self.now_ns()))

    def unusual(self, number: int, name: str | None, payload: bytes, now_ns: int) -> bool:
        """Take a first frame or one of no stream; true when it was an answer to us."""
        session = self.feed.session
        if name is not None:
            self._do(session.first(number, name, now_ns))
            return False
        ours, actions = session.control(number, payload, now_ns)
        self._do(actions)
        return ours

    def heard(self, number: int, now_ns: int) -> None:
        """Take a pong."""
        self.feed.session.heard(number, now_ns)

    def crash(self, error: Exception) -> None:
        """Stop feeding a sink that raised."""
        if self._error is None:
            self._error = error
            self._crashed.set()
            self._do(self.feed.stop(self.now_ns()))

    def _do(self, actions: list[Action]) -> None:
        """Carry out actions in order; sinks that call back in only lengthen the queue."""
        self._todo.extend(actions)
        if self._busy:
            return
        self._busy = True
        try:
            while self._todo:
                self._carry_out(self._todo.popleft())
        finally:
            self._busy = False
        self._set_alarm_clock()

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, Open):
            self._open(action)
        elif isinstance(action, Fetch):
            request = asyncio.create_task(self._fetch(action), name=action.request.source)
            self._requests.add(request)
            request.add_done_callback(self._finished)
        elif isinstance(action, Settle):
            self._settle(action)
        elif isinstance(action, Send | Ping | Close):
            self._use_socket(action)
        else:
            try:
                tell(self.sink, action, time.time_ns)
            except Exception as error:  # noqa: BLE001 - reported by `wait`
                self.crash(error)

    def _open(self, action: Open) -> None:
        number, source = action.socket, f"ws:{action.route}#{action.socket}"
        connection = Connection(
            number,
            source,
            self,
            self.venue.stream_of,
            self.sink.on_frame,
            self.venue.socket_limits.max_frame_bytes,
        )
        self._connections[number] = connection
        connection.task = asyncio.create_task(
            self._hold(connection, self._ws_url + action.path), name=source
        )
        connection.task.add_done_callback(self._finished)

    def _use_socket(self, action: Send | Ping | Close) -> None:
        connection = self._connections.get(action.socket)
        if connection is None:
            return
        if isinstance(action, Close):
            connection.close(action.code, action.reason, self._settings.shutdown_ns)
        elif isinstance(action, Send):
            connection.send(action.payload)
        else:
            connection.ping()

    def _settle(self, action: Settle) -> None:
        future = self._calls.get(action.call)
        if future is None or future.done():
            return
        if action.error is not None:
            future.set_exception(action.error)
        else:
            future.set_result(Answer(action.payload, time.time_ns()))

    def _set_alarm_clock(self) -> None:
        """Wake at the next due time."""
        now_ns = self.now_ns()
        wake_ns = self.feed.next_wake_ns(now_ns)
        if self._alarm_clock is not None:
            if wake_ns == self._alarm_ns:
                return
            self._alarm_clock.cancel()
        self._alarm_ns = wake_ns
        pause_s = min(max(wake_ns - now_ns, 0) / NS_PER_S, _LONGEST_SLEEP_S)
        self._alarm_clock = asyncio.get_running_loop().call_later(pause_s, self._wake)

    def _wake(self) -> None:
        self._alarm_clock = None
        try:
            self._do(self.feed.tick(self.now_ns()))
        except Exception as error:  # noqa: BLE001 - reported by `wait`
            self.crash(error)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """Let no error of a task pass unseen."""
        self._requests.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.crash(error)

    async def _hold(self, connection: Connection, url: str) -> None:
        """One socket from its first packet to its end."""
        timeout_ns = self._settings.connect_timeout_ns
        try:
            reason = await connection.hold(url, self._tls, timeout_ns)
        finally:
            del self._connections[connection.number]
        self._do(self.feed.session.lost(connection.number, reason, self.now_ns()))

    async def _fetch(self, action: Fetch) -> None:
        assert self._rest is not None, "requests are made between start and stop"
        answer = await self._rest.get(action.request)
        now_ns = self.now_ns()
        if isinstance(answer, str):
            self._do(self.feed.fetch_failed(action.ticket, answer, now_ns))
        else:
            self._do(
                self.feed.answered(
                    action.ticket, answer.status, answer.headers, answer.payload, now_ns
                )
            )
