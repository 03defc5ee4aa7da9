"""The edge's copy of the market: journal records folded as the core folds its events.

Decoding and folding are the core's own code (`venues`, `market`), so the copy accepts the same
trades and holds the same books. What the core put out (bars, gaps, diagnostics) is taken from the
journal. A `RunStarted` begins anew: a journal holds several runs one after the other.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from poise.core.errors import VenueMessageError
from poise.core.events import ControlEvent, Event, MarketEvent, Quote, RunStarted, Trade
from poise.core.outputs import Bar, BarCorrected, Diagnostic, Gap, Output
from poise.core.units import Ns
from poise.market.state import Market
from poise.runtime.edge_bars import BarTable
from poise.store.journal_format import Kind, Record, unpack_quarantine
from poise.venues.binance.usdm import BinanceUsdm

TAPE_KEPT = 2_000
"""Trades kept of each instrument for clients; one further behind is told to start again."""
GAPS_KEPT = 200
DIAGNOSTICS_KEPT = 100

_EVENTS = msgspec.msgpack.Decoder(ControlEvent)
_OUTPUTS = msgspec.msgpack.Decoder(Output)
RowSink = Callable[[Any, int], None]
"""Takes (event or output, seq) of everything that may become rows of the lake."""


class Tape:
    """The last trades of one instrument; `count` numbers them from the start of the run."""

    __slots__ = ("count", "trades")

    def __init__(self) -> None:
        self.count = 0
        self.trades: deque[Trade] = deque(maxlen=TAPE_KEPT)

    def add(self, trade: Trade) -> None:
        """Put one trade on."""
        self.trades.append(trade)
        self.count += 1

    def since(self, count: int) -> list[Trade] | None:
        """Trades after the first `count`, oldest first; None when some are forgotten."""
        missed = self.count - count
        if missed > len(self.trades):
            return None
        return [self.trades[at] for at in range(len(self.trades) - missed, len(self.trades))]


class Diagnosed(msgspec.Struct, frozen=True):
    """A diagnostic and when it was noted."""

    at_ns: int
    diagnostic: Diagnostic


class Replica:
    """Folds records; its attributes are what the views show.

    Parameters
    ----------
    rows
        Called with each sound market event, bar and gap, in journal order.

    Attributes
    ----------
    run
        The run that records belong to; None before the first `RunStarted`.
    seq, recv_ns
        Of the last record taken in.
    skipped
        Frames that came while no run was known, or did not decode.
    """

    def __init__(self, rows: RowSink | None = None) -> None:
        self.rows = rows
        self.run: RunStarted | None = None
        self.market: Market | None = None
        self.bars: BarTable | None = None
        self.tapes: list[Tape] = []
        self.gaps: deque[Gap] = deque(maxlen=GAPS_KEPT)
        self.gaps_healed = 0
        self.gaps_lost = 0
        self.diagnostics: deque[Diagnosed] = deque(maxlen=DIAGNOSTICS_KEPT)
        self.sources: dict[int, str] = {}
        self.seq = 0
        self.recv_ns = 0
        self.frames = 0
        self.skipped = 0
        self._venue: BinanceUsdm | None = None
        self._takers: dict[int, Callable[[Record], None]] = {
            Kind.FRAME: self._frame,
            Kind.EVENT: self._event,
            Kind.OUTPUT: self._output,
            Kind.SOURCE: self._source,
            Kind.QUARANTINE: self._quarantine,
        }

    @property
    def gaps_open(self) -> int:
        """Gaps that were not healed: of this run for good, and those waited for now."""
        if self.market is None:
            return 0
        waiting = sum(state.trades.healing for state in self.market.instruments)
        return self.gaps_lost + waiting

    def begin(self, run: RunStarted) -> None:
        """Start from nothing with the instruments of a run."""
        self.run = run
        self.market = Market(run)
        self.bars = BarTable(run)
        self.tapes = [Tape() for _ in run.instruments]
        self.gaps.clear()
        self.gaps_healed = 0
        self.gaps_lost = 0
        self._venue = BinanceUsdm(run.instruments, run.trade_channel)

    def take(self, record: Record) -> None:
        """Fold one record."""
        taker = self._takers.get(record.kind)
        if taker is not None:
            taker(record)
        self.seq = record.seq
        self.recv_ns = record.recv_ns

    def note(self, diagnostic: Diagnostic, at_ns: int) -> None:
        """Show something that the edge itself noticed."""
        self.diagnostics.append(Diagnosed(at_ns, diagnostic))

    def _frame(self, record: Record) -> None:
        venue = self._venue
        if venue is None:
            self.skipped += 1
            return
        source = self.sources.get(record.source, "")
        try:
            if source.startswith("rest:"):
                events = venue.decode_answer(source, record.payload, Ns(record.recv_ns))
            else:
                events = venue.decode_frame(record.payload, Ns(record.recv_ns))
        except VenueMessageError as error:
            self.skipped += 1
            text = f"journalled frame {record.seq} does not decode: {error}"
            self.note(Diagnostic("alarm", "replica", text), record.recv_ns)
            return
        self.frames += 1
        for event in events:
            self._fold(event, record.seq)

    def _fold(self, event: MarketEvent, seq: int) -> None:
        market = self.market
        assert market is not None
        market.on_event(event, [])
        rows = self.rows
        if rows is not None:
            if type(event) is Quote:
                if market.quote is not None:
                    rows(event, seq)
            else:
                # Trades are handed on as they came; the lake knows by their ids which it has.
                rows(event, seq)
        self._record_trades(market)

    def _record_trades(self, market: Market) -> None:
        for trade in market.accepted:
            self.tapes[trade.instrument].add(trade)

    def _event(self, record: Record) -> None:
        event: Event = _EVENTS.decode(record.payload)
        if type(event) is RunStarted:
            self.begin(event)
            if self.rows is not None:
                self.rows(event, record.seq)
            return
        market = self.market
        if market is None:
            self.skipped += 1
            return
        market.on_event(event, [])
        self._record_trades(market)

    def _output(self, record: Record) -> None:
        output = _OUTPUTS.decode(record.payload)
        kind = type(output)
        if kind is Diagnostic:
            self.note(output, record.recv_ns)
            return
        if self.bars is None:
            self.skipped += 1
            return
        if kind is Bar:
            self.bars.put(output)
        elif kind is BarCorrected:
            self.bars.put(output.bar)
        elif kind is Gap:
            self.gaps.append(output)
            self.gaps_healed += output.healed
            self.gaps_lost += not output.healed
        if self.rows is not None:
            self.rows(output, record.seq)

    def _source(self, record: Record) -> None:
        self.sources[record.source] = record.payload.decode()

    def _quarantine(self, record: Record) -> None:
        reason, _ = unpack_quarantine(record.payload)
        source = self.sources.get(record.source, "?")
        self.note(Diagnostic("warning", "quarantined", f"{source}: {reason}"), record.recv_ns)
