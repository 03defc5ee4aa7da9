"""Commits the faults of a plan: strikes sockets, opens windows, and lists all that was done."""

from dataclasses import dataclass
from typing import NamedTuple

from poise.loopback import spoil
from poise.loopback.config import SECOND_NS
from poise.loopback.faults import SESSION_KINDS, WINDOW_KINDS, FaultKind, FaultPlan, Injected
from poise.loopback.frame_faults import FrameFaults
from poise.loopback.market import Market
from poise.loopback.outputs import Out, Refusal
from poise.loopback.request_faults import RequestFaults
from poise.loopback.schedule import FaultClock
from poise.loopback.sessions import Session

_FOREVER_NS = 1 << 62


class Strike(NamedTuple):
    """A fault upon a whole socket."""

    kind: FaultKind
    session: Session


class Late(NamedTuple):
    """A frame that waits until `due_ns`."""

    due_ns: int
    session_id: int
    out: Out


@dataclass(slots=True)
class _Silence:
    """A stream that says nothing on these sockets until a time."""

    clock: FaultClock
    sessions: frozenset[int]
    until_ns: int


class Faults:
    """The faults of one venue."""

    def __init__(self, plan: FaultPlan, market: Market, start_ns: int) -> None:
        self._clocks = [FaultClock(plan, place, start_ns) for place in range(len(plan.faults))]
        self._windows = [clock for clock in self._clocks if clock.fault.kind in WINDOW_KINDS]
        self._frames = FrameFaults(self._clocks, market, self._note)
        self.requests = RequestFaults(self._clocks, market, self._note)
        self._late: list[Late] = []
        self._silences: list[_Silence] = []
        self.injected: list[Injected] = []
        self.active = bool(self._clocks)

    def _note(self, now_ns: int, kind: FaultKind, target: str) -> None:
        self.injected.append(Injected(now_ns, kind, target))

    def next_due_ns(self) -> int | None:
        """When `poll` has something to do."""
        due = [clock.next_ns() for clock in self._clocks]
        due += [late.due_ns for late in self._late]
        return min((each for each in due if each is not None), default=None)

    def poll(self, now_ns: int, sessions: list[Session]) -> list[Strike]:
        """Let onsets happen; returns the sockets that are struck now."""
        struck: list[Strike] = []
        for clock in self._clocks:
            for _ in range(clock.poll(now_ns)):
                kind = clock.fault.kind
                if kind in SESSION_KINDS:
                    there = [s for s in sessions if not s.mute and clock.matches(s.route)]
                    if there:
                        session = there[clock.dice.below(len(there))]
                        struck.append(Strike(kind, session))
                        self._note(now_ns, kind, f"socket {session.id}")
                elif kind in WINDOW_KINDS:
                    self._open_window(clock, now_ns, sessions)
        self.requests.copy_books(now_ns)
        return struck

    def released(self, now_ns: int) -> list[Late]:
        """Return frames whose waiting is over."""
        out = [late for late in self._late if late.due_ns <= now_ns]
        if out:
            self._late = [late for late in self._late if late.due_ns > now_ns]
        return out

    def _open_window(self, clock: FaultClock, now_ns: int, sessions: list[Session]) -> None:
        self._note(now_ns, clock.fault.kind, clock.fault.target)
        if clock.fault.kind is FaultKind.SILENT_STREAM:
            lasting = int(clock.fault.duration_s * SECOND_NS) or _FOREVER_NS
            there = frozenset(session.id for session in sessions)
            self._silences.append(_Silence(clock, there, now_ns + lasting))

    def _open(self, kind: FaultKind, subject: str, now_ns: int) -> FaultClock | None:
        """Return the fault of a kind whose window is open over a subject."""
        for clock in self._windows:
            if clock.fault.kind is kind and clock.is_open(now_ns) and clock.matches(subject):
                return clock
        return None

    def refuses(self, route: str, now_ns: int) -> Refusal | None:
        """Refuse a handshake while such a window is open."""
        clock = self._open(FaultKind.REFUSE_CONNECT, route, now_ns)
        return None if clock is None else Refusal(clock.fault.amount or 503, b"")

    def deafens(self, route: str, now_ns: int) -> bool:
        """Say whether a socket opened now acknowledges and never sends."""
        return self._open(FaultKind.DEAF_ROUTE, route, now_ns) is not None

    def skew_ms(self, now_ns: int) -> int:
        """How far the venue's clock is off now."""
        clock = self._open(FaultKind.CLOCK_SKEW, "*", now_ns)
        return 0 if clock is None else clock.fault.amount

    def forget(self, session_id: int) -> None:
        """Drop what waits for a socket that is gone."""
        self._frames.forget(session_id)
        self._late = [late for late in self._late if late.session_id != session_id]

    def leave(self, session: Session, stream: str, data: bytes, now_ns: int) -> list[Out]:
        """Return what leaves now for one frame of data."""
        if self._is_silent(session, stream, now_ns):
            return []
        skew_ms = self.skew_ms(now_ns)
        if skew_ms:
            data = spoil.skewed(data, stream, skew_ms)
        out = self._frames.leave(session, stream, data, now_ns)
        symbol, _, suffix = stream.partition("@")
        until_ns = self.requests.depth_lags.get(symbol, 0)
        if now_ns < until_ns and suffix.startswith("depth"):
            self._late += [Late(until_ns, session.id, each) for each in out]
            return []
        return out

    def _is_silent(self, session: Session, stream: str, now_ns: int) -> bool:
        symbol, _, suffix = stream.partition("@")
        if suffix in {"trade", "aggTrade"} and self._open(FaultKind.KILL_TRADES, symbol, now_ns):
            return True
        return any(
            now_ns < silence.until_ns
            and session.id in silence.sessions
            and silence.clock.matches(stream)
            for silence in self._silences
        )
