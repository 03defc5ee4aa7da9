"""How a run continues the one before it: checkpoint, plus the journal's tail.

The core decides nothing again: it folds the recorded frames to learn the last trade id of each
instrument, and hands these to the new run's `RunStarted`. What was missed since is then healed
from the venue or recorded as a gap, by the same code as any gap. Books and windows are not
restored: fresh snapshots and the venue's history, fetched at every start, are newer.
"""

from pathlib import Path
from typing import Any

import msgspec

from poise.core.errors import VenueMessageError
from poise.core.events import ControlEvent, Event, RunStarted
from poise.core.outputs import Output
from poise.core.units import NS_PER_S, Ns
from poise.market.state import Market
from poise.store.disk import RealDisk, write_atomically
from poise.store.journal_format import START, Kind, Position, Record
from poise.store.journal_reader import JournalReader
from poise.store.journal_retention import drop_segments
from poise.store.journal_segment import segment_numbers
from poise.venues.binance.usdm import BinanceUsdm

CHECKPOINT_NAME = "checkpoint.msgpack"
LAKE_COMMIT_NAME = "committed.json"


class Checkpoint(msgspec.Struct, frozen=True):
    """Where a run stood after record `seq`."""

    seq: int
    segment: int
    run: RunStarted
    last_ids: tuple[tuple[str, int], ...]


class _LakeCommit(msgspec.Struct):
    """What the core reads of the lake's commit point; the lake's own module would import Arrow."""

    position: tuple[int, int, int]


def last_trade_ids(market: Market) -> tuple[tuple[str, int], ...]:
    """Last trade let through, by instrument id; those that saw none are left out."""
    return tuple(
        (state.instrument.id, state.trades.last_id)
        for state in market.instruments
        if state.trades.last_id
    )


def write_checkpoint(data: Path, checkpoint: Checkpoint) -> None:
    """Store a checkpoint, whole or not at all."""
    parts = [msgspec.msgpack.encode(checkpoint)]
    write_atomically(RealDisk(), data / CHECKPOINT_NAME, parts)


def continued_from(data: Path, trade_channel: str) -> tuple[tuple[str, int], ...]:
    """Last trade ids of what the journal of a data folder holds; empty where there is none."""
    folder = data / "journal"
    if not folder.is_dir() or not segment_numbers(RealDisk(), folder):
        return ()
    fold = _Fold(_read_checkpoint(data))
    reader = JournalReader(folder)
    for record in reader.records(fold.start(reader.first_segment)):
        fold.take(record)
    return fold.last_ids(trade_channel)


def drop_old_segments(
    data: Path, checkpoint: Checkpoint, now_ns: int, keep_hours: float, keep_gib: float
) -> list[int]:
    """Apply ``journal.keep``: what neither the checkpoint nor the lake needs, and is old, goes."""
    disk = RealDisk()
    try:
        text = (data / "lake" / LAKE_COMMIT_NAME).read_bytes()
        lake = msgspec.json.decode(text, type=_LakeCommit)
    except (OSError, msgspec.DecodeError):
        return []  # no lake has taken anything yet: everything is needed
    behind = min(Position(checkpoint.segment, 0), Position(*lake.position[1:]))
    return drop_segments(
        disk,
        data / "journal",
        behind,
        now_ns,
        keep_bytes=int(keep_gib * 2**30),
        keep_ns=int(keep_hours * 3_600 * NS_PER_S),
    )


def _read_checkpoint(data: Path) -> Checkpoint | None:
    try:
        return msgspec.msgpack.decode((data / CHECKPOINT_NAME).read_bytes(), type=Checkpoint)
    except (OSError, msgspec.DecodeError):
        return None  # no checkpoint, or one of another version: the whole journal is read instead


class _Fold:
    """Market state from a checkpoint on."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self._checkpoint = checkpoint
        self._after_seq = -1
        self._market: Market | None = None
        self._venue: BinanceUsdm | None = None
        self._channel = ""
        self._sources: dict[int, str] = {}
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(ControlEvent)
        if checkpoint is not None:
            run = msgspec.structs.replace(checkpoint.run, continued=checkpoint.last_ids)
            self._begin(run)
            self._after_seq = checkpoint.seq

    def start(self, first_segment: int) -> Position:
        """Where to read from."""
        if self._checkpoint is None or self._checkpoint.segment < first_segment:
            return START
        return Position(self._checkpoint.segment, 0)

    def last_ids(self, trade_channel: str) -> tuple[tuple[str, int], ...]:
        """What was found, if the trades came by the same channel."""
        if self._market is None or self._channel != trade_channel:
            return ()
        return last_trade_ids(self._market)

    def take(self, record: Record) -> None:
        """Fold one record in."""
        if record.kind == Kind.SOURCE:
            self._sources[record.source] = record.payload.decode()
        elif record.seq <= self._after_seq:
            return
        elif record.kind == Kind.EVENT:
            event = self._decoder.decode(record.payload)
            if isinstance(event, RunStarted):
                self._begin(event)
            else:
                self._apply(event)
        elif record.kind == Kind.FRAME and self._venue is not None:
            source = self._sources.get(record.source, "")
            try:
                if source.startswith("rest:"):
                    events = self._venue.decode_answer(source, record.payload, Ns(record.recv_ns))
                else:
                    events = self._venue.decode_frame(record.payload, Ns(record.recv_ns))
            except VenueMessageError:
                return  # accepted by another version's parser: not worth refusing a start for
            for event in events:
                self._apply(event)

    def _begin(self, run: RunStarted) -> None:
        self._market = Market(run)
        self._venue = BinanceUsdm(run.instruments, run.trade_channel)
        self._channel = run.trade_channel

    def _apply(self, event: Event) -> None:
        if self._market is not None:
            outputs: list[Output] = []
            self._market.on_event(event, outputs)
