"""The venue without a socket: sessions, market and REST as functions of bytes and of time.

Whoever drives it (the aiohttp shell, or a virtual transport on virtual time) calls `connect`,
`receive` and `request` when something arrives and `advance` when time has passed, always with the
time in ns, and carries the outputs away. Nothing here reads a clock or touches a socket.
"""

from collections.abc import Mapping

from poise.loopback.answers import Answer
from poise.loopback.book import BookView
from poise.loopback.config import GeneratedConfig, TapeEnd, VenueConfig
from poise.loopback.errors import RecordingError
from poise.loopback.faults import FaultKind, Injected
from poise.loopback.faulty import Faults
from poise.loopback.frames import TEXT, frame
from poise.loopback.generated import GeneratedMarket
from poise.loopback.market import Market
from poise.loopback.outputs import Close, Cut, Output, Ping, Pong, Refusal
from poise.loopback.recording import Recording
from poise.loopback.rest import TIME_PATH, Rest
from poise.loopback.sessions import GOING_AWAY, POLICY_VIOLATION, Session, control
from poise.loopback.streams import parse_socket_path, served_on
from poise.loopback.tape import RecordedMarket
from poise.loopback.trades import Trade
from poise.loopback.wire import combined

TORN_FRAME = frame(TEXT, b'{"stream":"' + b"x" * 100)[:40]
"""The beginning of a text frame whose rest never comes."""


class Venue:
    """One Binance USD-M lookalike, driven from outside.

    Every method that takes `now_ns` must be called with times that never go back.
    """

    def __init__(self, config: VenueConfig, start_ns: int) -> None:
        self._config = config
        self.market = self._make_market(start_ns)
        self._faults = Faults(config.faults, self.market, start_ns)
        self._rest = Rest(self.market, config.limits)
        self._sessions: dict[int, Session] = {}
        self._next_session = 1
        self._listeners: dict[str, list[Session]] = {}
        self._wanted: dict[str, int] = {}
        self._streams = {spec.stream for spec in self.market.specs.values()}
        self._outbox: list[Output] = []

    def _make_market(self, start_ns: int) -> Market:
        config = self._config
        if isinstance(config.market, GeneratedConfig):
            return GeneratedMarket(config.market, start_ns, keep_truth=config.keep_truth)
        recording = Recording.open(config.market.paths, config.market.on_error)
        return RecordedMarket(config.market, recording, keep_truth=config.keep_truth)

    @property
    def recording_errors(self) -> list[RecordingError]:
        """Lines of the recordings that could not be played; empty for a generated market."""
        return self.market.errors if isinstance(self.market, RecordedMarket) else []

    @property
    def sessions(self) -> int:
        """Open sockets."""
        return len(self._sessions)

    @property
    def injected(self) -> list[Injected]:
        """Every fault committed so far, in order."""
        return self._faults.injected

    def connect(self, path: str, query: Mapping[str, str], now_ns: int) -> int | Refusal:
        """Open a socket at a path; returns its session, or why the handshake fails."""
        asked = parse_socket_path(path, query)
        if asked is None:
            return Refusal(404, b"")
        self._pump(now_ns)
        refusal = self._faults.refuses(asked.route, now_ns)
        if refusal is not None:
            return refusal
        limits = self._config.limits
        session = Session(
            self._next_session,
            asked.route,
            asked.combined,
            now_ns,
            now_ns + limits.ping_every_ns,
            deaf=self._faults.deafens(asked.route, now_ns),
        )
        self._next_session += 1
        self._sessions[session.id] = session
        for stream in dict.fromkeys(asked.streams[: limits.streams_per_socket]):
            session.streams[stream] = None
            self._listen(session, stream)
        return session.id

    def receive(self, session_id: int, text: bytes, now_ns: int) -> list[Output]:
        """Take a text frame from a socket; returns everything that goes out now, in order."""
        self._pump(now_ns)
        session = self._incoming(session_id, now_ns)
        if session is not None:
            effect = control(session, text, self._config.limits)
            for stream in effect.removed:
                self._unlisten(session, stream)
            self._outbox.append((session_id, effect.reply))
            for stream in effect.added:
                self._listen(session, stream)
        return self._take_outbox()

    def receive_ping(self, session_id: int, payload: bytes, now_ns: int) -> list[Output]:
        """Take a ping from a socket."""
        self._pump(now_ns)
        if self._incoming(session_id, now_ns) is not None:
            self._outbox.append((session_id, Pong(payload)))
        return self._take_outbox()

    def receive_pong(self, session_id: int, now_ns: int) -> list[Output]:
        """Take a pong from a socket, asked for or not."""
        self._pump(now_ns)
        session = self._incoming(session_id, now_ns)
        if session is not None:
            session.unanswered_since_ns = None
        return self._take_outbox()

    def disconnected(self, session_id: int) -> None:
        """Forget a socket whose peer is gone."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            for stream in session.streams:
                self._unlisten(session, stream)
            self._faults.forget(session_id)

    def advance(self, now_ns: int) -> list[Output]:
        """Let time pass; returns what goes out. At full speed of a tape call it again at once."""
        self._pump(now_ns)
        return self._take_outbox()

    def next_due_ns(self) -> int | None:
        """When `advance` is next needed: 0 for at once, None for not before something arrives."""
        due = [
            session.deadline_ns(self._config.limits)
            for session in self._sessions.values()
            if not session.mute
        ]
        others = (self.market.next_due_ns(), self._faults.next_due_ns())
        due += [other for other in others if other is not None]
        return min(due, default=None)

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        now_ns: int,
        client: str = "127.0.0.1",
    ) -> Answer:
        """Answer a REST request; stream frames due before it stay in the outbox, in order."""
        self._pump(now_ns)
        answer = self._rest.answer(method, path, query, headers, now_ns, client)
        if self._faults.active and answer.status == 200:
            faulty = self._faults.requests.answer(path, query, now_ns)
            if faulty is not None:
                return Answer(faulty.status, answer.headers | faulty.headers, faulty.body)
            if path == TIME_PATH:
                skewed_ms = self.market.now_ms(now_ns) + self._faults.skew_ms(now_ns)
                return Answer(200, answer.headers, b'{"serverTime":%d}' % skewed_ms)
        return answer

    def true_trades(self, symbol: str) -> list[Trade]:
        """Every raw trade since the start, whatever was sent of it."""
        return self.market.true_trades(symbol)

    def true_book(self, symbol: str, update_id: int | None = None) -> BookView | None:
        """Return the book now, or after `update_id` with `keep_truth`."""
        return self.market.true_book(symbol, update_id)

    def _pump(self, now_ns: int) -> None:
        """Bring faults, sessions and market to `now_ns`."""
        if self._faults.active:
            self._commit_faults(now_ns)
        self._look_after_sessions(now_ns)
        finished = self.market.finished
        for stream, data in self.market.advance(now_ns, self._wanted):
            self._send(stream, data, now_ns)
        if self.market.finished and not finished:
            self._tape_ended()

    def _commit_faults(self, now_ns: int) -> None:
        for kind, session in self._faults.poll(now_ns, list(self._sessions.values())):
            if kind is FaultKind.HALF_OPEN:
                session.mute = True
            elif kind is FaultKind.CUT:
                self._outbox.append((session.id, Cut(TORN_FRAME)))
                self.disconnected(session.id)
            elif session.id in self._sessions:
                self._close(session, GOING_AWAY, "")
        for late in self._faults.released(now_ns):
            self._outbox.append((late.session_id, late.out))

    def _send(self, stream: str, data: bytes, now_ns: int) -> None:
        wrapped: bytes | None = None
        for session in self._listeners.get(stream, ()):
            if session.mute:
                continue
            if self._faults.active:
                for out in self._faults.leave(session, stream, data, now_ns):
                    self._outbox.append((session.id, out))
            elif session.combined:
                wrapped = wrapped or combined(stream, data)
                self._outbox.append((session.id, wrapped))
            else:
                self._outbox.append((session.id, data))

    def _tape_ended(self) -> None:
        market = self._config.market
        if not isinstance(market, GeneratedConfig) and market.on_end is TapeEnd.CLOSE:
            for session in list(self._sessions.values()):
                self._close(session, GOING_AWAY, "the tape has ended")

    def _look_after_sessions(self, now_ns: int) -> None:
        """Ping who is due, close who did not answer and who has lived 24 hours."""
        limits = self._config.limits
        for session in list(self._sessions.values()):
            if session.mute or now_ns < session.deadline_ns(limits):
                continue
            waited = session.unanswered_since_ns
            if waited is not None and now_ns >= waited + limits.pong_within_ns:
                self._close(session, POLICY_VIOLATION, "Pong timeout")
            elif now_ns >= session.opened_ns + limits.lifetime_ns:
                self._close(session, GOING_AWAY, "24 hours")
            else:
                session.next_ping_ns = now_ns + limits.ping_every_ns
                if session.unanswered_since_ns is None:
                    session.unanswered_since_ns = now_ns
                self._outbox.append((session.id, Ping(str(now_ns // 1_000_000).encode())))

    def _incoming(self, session_id: int, now_ns: int) -> Session | None:
        """Count a frame that came in; None where nothing more is to be done about it."""
        session = self._sessions.get(session_id)
        if session is None or session.mute:
            return None
        if session.too_many_messages(now_ns, self._config.limits):
            self._close(session, POLICY_VIOLATION, "Too many requests")
            return None
        return session

    def _close(self, session: Session, code: int, reason: str) -> None:
        self._outbox.append((session.id, Close(code, reason)))
        self.disconnected(session.id)

    def _take_outbox(self) -> list[Output]:
        taken, self._outbox = self._outbox, []
        return taken

    def _served(self, session: Session, stream: str) -> bool:
        """Say whether this socket will ever get a frame of the stream."""
        symbol, _, suffix = stream.partition("@")
        return symbol in self._streams and served_on(suffix) is session.route and not session.deaf

    def _listen(self, session: Session, stream: str) -> None:
        if self._served(session, stream):
            self._listeners.setdefault(stream, []).append(session)
            self._wanted[stream] = self._wanted.get(stream, 0) + 1

    def _unlisten(self, session: Session, stream: str) -> None:
        listeners = self._listeners.get(stream, [])
        if session in listeners:
            listeners.remove(session)
            if listeners:
                self._wanted[stream] -= 1
            else:
                del self._listeners[stream], self._wanted[stream]
