"""Faults upon single data frames: lost, doubled, late, spoilt, or followed by something foul."""

from poise.loopback import spoil, wire
from poise.loopback.faults import FRAME_KINDS, FaultKind
from poise.loopback.market import Market
from poise.loopback.outputs import Binary, Out
from poise.loopback.request_faults import Note
from poise.loopback.schedule import FaultClock
from poise.loopback.sessions import Session

_HUGE_BYTES = 8 << 20
_ONLY_ON = {
    FaultKind.ZERO_TRADE: "trade",
    FaultKind.CROSSED_TICKER: "bookTicker",
    FaultKind.CROSSED_DEPTH: "depth",
}


class FrameFaults:
    """Decides what leaves in place of each frame."""

    def __init__(self, clocks: list[FaultClock], market: Market, note: Note) -> None:
        self._clocks = [clock for clock in clocks if clock.fault.kind in FRAME_KINDS]
        self._market = market
        self._note = note
        self._held: dict[tuple[int, str], Out] = {}

    def forget(self, session_id: int) -> None:
        """Drop what was held back for a socket that is gone."""
        self._held = {key: out for key, out in self._held.items() if key[0] != session_id}

    def leave(self, session: Session, stream: str, data: bytes, now_ns: int) -> list[Out]:
        """Return what goes out for one frame of data, wrapped as the socket wants it."""
        suffix = stream.partition("@")[2]
        copies, held_back = 1, False
        extras: list[Out] = []
        for clock in self._clocks:
            kind = clock.fault.kind
            if not suffix.startswith(_ONLY_ON.get(kind, "")) or not clock.hits(stream, now_ns):
                continue
            self._note(now_ns, kind, stream)
            if kind is FaultKind.LOST:
                copies = 0
            elif kind is FaultKind.DOUBLED:
                copies = 2
            elif kind is FaultKind.REORDERED:
                held_back = True
            elif kind in {FaultKind.CROSSED_TICKER, FaultKind.CROSSED_DEPTH}:
                data = self._cross(kind, stream, data)
            else:
                extras.append(self._extra(clock, session, stream, data, now_ns))
        frame = _wrapped(session, stream, data)
        out: list[Out] = [frame] * copies
        key = (session.id, stream)
        waiting = self._held.pop(key, None)
        if waiting is not None:
            out.append(waiting)
        elif held_back and out:
            self._held[key] = out.pop()
        return out + extras

    def _cross(self, kind: FaultKind, stream: str, data: bytes) -> bytes:
        if kind is FaultKind.CROSSED_TICKER:
            return spoil.crossed_ticker(data)
        spec = self._market.specs[stream.partition("@")[0].upper()]
        best = self._market.best(spec.symbol)
        return data if best is None else spoil.crossed_depth(data, spec, best[1][0])

    def _extra(
        self, clock: FaultClock, session: Session, stream: str, data: bytes, now_ns: int
    ) -> Out:
        """Return the frame that goes out besides the true one."""
        kind = clock.fault.kind
        if kind is FaultKind.HUGE_FRAME:
            return b'{"stream":"huge","data":"' + b"x" * (clock.fault.amount or _HUGE_BYTES) + b'"}'
        if kind is FaultKind.ZERO_TRADE:
            symbol = stream.partition("@")[0].upper()
            last_id = self._market.last_trade_id(symbol)
            spec = self._market.specs[symbol]
            return _wrapped(
                session, stream, wire.zero_trade(spec, last_id, self._market.now_ms(now_ns))
            )
        frame = _wrapped(session, stream, data)
        if kind is FaultKind.GARBAGE_TEXT:
            return spoil.garbage(frame, clock.dice)
        return Binary(frame[::-1])


def _wrapped(session: Session, stream: str, data: bytes) -> bytes:
    return wire.combined(stream, data) if session.combined else data
