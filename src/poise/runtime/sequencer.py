"""One place where everything that happens gets its number, is journalled, and meets the core."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from poise.core.errors import VenueMessageError
from poise.core.events import ControlEvent, Event, RunStarted
from poise.core.outputs import Bar, BarCorrected, BookState, Diagnostic, Gap, Output
from poise.core.units import Ns, Seq
from poise.core.venue import Venue
from poise.engine.digest import RunDigest
from poise.engine.step import Engine
from poise.store.journal_format import Kind, pack_quarantine

JOURNALLED = (Bar, BarCorrected, Gap, BookState, Diagnostic)
"""Outputs that readers of the journal need not recompute."""
_FRAME = int(Kind.FRAME)
"""Plain: a look-up of an enum's member costs more than packing a record."""
MAX_SOURCES = 65_535
QUARANTINED_BYTES = 65_536
"""How much of a refused frame is kept: enough to see what it was."""


class Journal(Protocol):
    """Where records go; `poise.store` writes them, a replay drops them."""

    @property
    def append(self) -> Callable[[int, int, int, int, bytes], None]:
        """Take one record: kind, seq, recv_ns, source, payload."""

    def declare_source(self, number: int, name: str, seq: int, recv_ns: int) -> None:
        """Note the name of a source number before its first record."""


class Sequencer:
    """Stamps, validates, journals, steps.

    A frame is decoded first and journalled only if it is sound: a poisonous one would otherwise
    stop every later replay. A refused one is journalled as quarantined, counted, and changes
    nothing.

    Parameters
    ----------
    venue
        Decoder of frames and answers.
    engine
        The core.
    journal
        Record sink, or None (replay).
    on_step
        Called after every step that put something out, with the event and its outputs.
    digest
        Collects the run for comparison, or None.
    first_seq
        Number of the first input.
    """

    def __init__(
        self,
        venue: Venue,
        engine: Engine,
        *,
        journal: Journal | None = None,
        on_step: Callable[[Event, list[Output]], None] | None = None,
        digest: RunDigest | None = None,
        first_seq: int = 1,
    ) -> None:
        self.seq = Seq(first_seq - 1)
        self.quarantined = 0
        self.last_refusal = ""
        self._decode_frame = venue.decode_frame
        self._decode_answer = venue.decode_answer
        self._step = engine.step
        self._journal = journal
        self._append = journal.append if journal is not None else None
        self._on_step = on_step
        self._digest = digest
        self._sources: dict[str, int] = {}
        self._last_ns = 0

    def start(self, run: RunStarted) -> None:
        """Give the core its first event."""
        self.control(run)

    def control(self, event: ControlEvent) -> None:
        """Journal and apply an event that the shell made."""
        stamp = self._stamp(event.recv_ns)
        if stamp != event.recv_ns:
            event = msgspec.structs.replace(event, recv_ns=Ns(stamp))
        self.seq = Seq(self.seq + 1)
        if self._append is not None:
            self._append(Kind.EVENT, self.seq, stamp, 0, msgspec.msgpack.encode(event))
        self._apply(event)

    def frame(self, source: str, payload: bytes, recv_ns: int) -> bool:
        """Take a socket frame; false when it was quarantined."""
        # Hot: max() costs three times the comparison.
        stamp = recv_ns if recv_ns > self._last_ns else self._last_ns  # noqa: FURB136
        self._last_ns = stamp
        try:
            events = self._decode_frame(payload, stamp)  # type: ignore[arg-type] # Ns() is a call
        except VenueMessageError as error:
            self._quarantine(source, payload, stamp, str(error))
            return False
        self.seq = seq = self.seq + 1  # type: ignore[assignment] # so is Seq()
        if self._append is not None:
            number = self._sources.get(source) or self._declare(source, stamp)
            self._append(_FRAME, seq, stamp, number, payload)
        if self._digest is not None:
            self._digest.add_raw(self.seq, payload)
        for event in events:
            outputs = self._step(event)
            if outputs or self._digest is not None:
                self._put_out(event, outputs)
        return True

    def answer(self, source: str, payload: bytes, recv_ns: int) -> bool:
        """Take a REST answer; false when it was quarantined."""
        stamp = self._stamp(recv_ns)
        try:
            events = self._decode_answer(source, payload, Ns(stamp))
        except VenueMessageError as error:
            self._quarantine(source, payload, stamp, str(error))
            return False
        self.seq = Seq(self.seq + 1)
        if self._append is not None:
            self._append(Kind.FRAME, self.seq, stamp, self._declare(source, stamp), payload)
        if self._digest is not None:
            self._digest.add_raw(self.seq, payload)
        for event in events:
            self._apply(event)
        return True

    def note(self, diagnostic: Diagnostic, recv_ns: int) -> None:
        """Journal something the shell noticed, beside what the core puts out."""
        if self._append is not None:
            payload = msgspec.msgpack.encode(diagnostic)
            self._append(Kind.OUTPUT, self.seq, self._stamp(recv_ns), 0, payload)

    def _stamp(self, recv_ns: int) -> int:
        self._last_ns = max(self._last_ns, recv_ns)
        return self._last_ns

    def _apply(self, event: Event) -> None:
        self._put_out(event, self._step(event))

    def _put_out(self, event: Event, outputs: list[Output]) -> None:
        if self._digest is not None:
            self._digest.add(self.seq, event, outputs)
        if outputs:
            if self._append is not None:
                self._journal_outputs(outputs)
            if self._on_step is not None:
                self._on_step(event, outputs)

    def _journal_outputs(self, outputs: list[Output]) -> None:
        assert self._append is not None
        for output in outputs:
            if isinstance(output, JOURNALLED):
                payload = msgspec.msgpack.encode(output)
                self._append(Kind.OUTPUT, self.seq, self._last_ns, 0, payload)

    def _declare(self, source: str, stamp: int) -> int:
        number = self._sources.get(source)
        if number is None:
            number = len(self._sources) + 1
            assert number <= MAX_SOURCES
            self._sources[source] = number
            if self._journal is not None:
                self._journal.declare_source(number, source, self.seq, stamp)
        return number

    def _quarantine(self, source: str, payload: bytes, stamp: int, reason: str) -> None:
        self.quarantined += 1
        self.last_refusal = f"{source}: {reason}"
        if self._append is not None:
            body = pack_quarantine(reason, payload[:QUARANTINED_BYTES])
            self._append(Kind.QUARANTINE, self.seq, stamp, self._declare(source, stamp), body)
