"""Replay of a journal: its inputs through the very same core, compared with its outputs."""

import time
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from poise.core.errors import InvariantBroken, UserError
from poise.core.events import ControlEvent, Event, RunStarted
from poise.core.outputs import Output
from poise.core.units import Ns
from poise.engine.digest import RunDigest
from poise.engine.step import Engine
from poise.runtime.sequencer import JOURNALLED
from poise.store.journal_format import Kind, Record
from poise.store.journal_reader import JournalReader
from poise.venues.binance.usdm import BinanceUsdm

_MISMATCHES_SHOWN = 10


class JournalReplayResult(msgspec.Struct, frozen=True):
    """What a replay of a journal found; `mismatches` counts outputs that came out otherwise."""

    runs: int
    inputs: int
    frames: int
    quarantined: int
    trades: int
    chain_breaks: int
    book_checks: int
    book_mismatches: int
    outputs: int
    mismatches: int
    first_mismatches: list[str]
    seconds: float
    digest: str


class JournalReplay:
    """Replays a journal folder from its first segment.

    Notes
    -----
    What the shell noticed beside the core (`Sequencer.note`) is journalled too and cannot be
    decided again; it is told from the core's outputs by coming without one being due.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UserError(f"{folder} is no folder of a journal")
        self._reader = JournalReader(folder)
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(ControlEvent)
        self._outputs: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Output)
        self._digest = RunDigest()
        self._engine: Engine | None = None
        self._venue: BinanceUsdm | None = None
        self._sources: dict[int, str] = {}
        self._due: deque[Output] = deque()
        self._counts = dict.fromkeys(
            ("runs", "inputs", "frames", "quarantined", "outputs", "mismatches"), 0
        )
        self._totals = dict.fromkeys(
            ("trades", "chain_breaks", "book_checks", "book_mismatches"), 0
        )
        self._shown: list[str] = []

    def run(self) -> JournalReplayResult:
        """Replay everything; returns what was found."""
        started = time.perf_counter()
        for record in self._reader.records():
            self._take(record)
        self._end_run()
        if not self._counts["runs"]:
            raise UserError("the journal holds no run")
        return JournalReplayResult(
            **self._counts,
            **self._totals,
            first_mismatches=self._shown,
            seconds=round(time.perf_counter() - started, 3),
            digest=self._digest.hexdigest(),
        )

    def _take(self, record: Record) -> None:
        if record.kind == Kind.SOURCE:
            self._sources[record.source] = record.payload.decode()
        elif record.kind == Kind.QUARANTINE:
            self._counts["quarantined"] += 1
        elif record.kind == Kind.OUTPUT:
            self._compare(record)
        elif record.kind == Kind.EVENT:
            event = self._decoder.decode(record.payload)
            if isinstance(event, RunStarted):
                self._begin_run(event)
            self._step(record.seq, event)
        else:
            self._counts["frames"] += 1
            for event in self._decoded(record):
                self._step(record.seq, event)

    def _decoded(self, record: Record) -> tuple[Event, ...]:
        if self._venue is None:
            raise InvariantBroken(f"record {record.seq}: a frame before its run began")
        source = self._sources[record.source]
        if source.startswith("rest:"):
            return self._venue.decode_answer(source, record.payload, Ns(record.recv_ns))
        return self._venue.decode_frame(record.payload, Ns(record.recv_ns))

    def _step(self, seq: int, event: Event) -> None:
        if self._engine is None:
            raise InvariantBroken(f"record {seq}: an input before its run began")
        self._counts["inputs"] += 1
        outputs = self._engine.step(event)
        self._digest.add(seq, event, outputs)
        self._due.extend(item for item in outputs if isinstance(item, JOURNALLED))

    def _compare(self, record: Record) -> None:
        """Hold a recorded output against the one just computed."""
        recorded = self._outputs.decode(record.payload)
        if self._due and self._due[0] == recorded:
            self._due.popleft()
            self._counts["outputs"] += 1
        elif type(recorded).__name__ != "Diagnostic":
            self._counts["mismatches"] += 1
            if len(self._shown) < _MISMATCHES_SHOWN:
                computed = self._due[0] if self._due else "nothing"
                self._shown.append(f"record {record.seq}: {recorded} was {computed}")
            if self._due:
                self._due.popleft()

    def _begin_run(self, run: RunStarted) -> None:
        self._end_run()
        self._engine = Engine()
        self._venue = BinanceUsdm(run.instruments, run.trade_channel)
        self._counts["runs"] += 1

    def _end_run(self) -> None:
        # The crash that ended a run may have cut its last outputs: what is due then is no mismatch.
        self._due.clear()
        if self._engine is None:
            return
        for state in self._engine.market.instruments:
            self._totals["trades"] += state.trades.count
            self._totals["chain_breaks"] += state.book.chain_breaks
            self._totals["book_checks"] += state.book.checks
            self._totals["book_mismatches"] += state.book.mismatches
        pairs = self._engine.pairs
        self._digest.add_floats(pairs.params, pairs.outputs)
