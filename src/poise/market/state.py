"""The market as known now: every instrument's trades, quote, book and bars, kept continuous."""

from collections.abc import Callable
from typing import Any

from poise.core.events import (
    DepthDiff,
    DepthSnapshot,
    Event,
    HealFailed,
    MarkPrice,
    Quote,
    RunStarted,
    StreamDown,
    StreamUp,
    Timer,
    Trade,
    TradesBackfill,
)
from poise.core.instrument import Instrument
from poise.core.outputs import Diagnostic, Output
from poise.core.units import NS_PER_MS, NS_PER_S, Ns
from poise.market.bars import BarBuilder
from poise.market.book_sync import BookSync
from poise.market.clock import VenueClock
from poise.market.trade_sync import TradeSync

BAR_GRACE_NS = 250 * NS_PER_MS
"""How long after its end, by the venue's clock, a bar waits for its last trades."""
AHEAD_MAX_NS = 60 * NS_PER_S
"""A trade dated farther ahead of the venue's clock is wrongly dated and would end bars early."""
ID_RESET_NS = 5 * NS_PER_S
"""A quote this much newer with a smaller id means that the venue began to count anew."""


class InstrumentState:
    """Everything known of one instrument."""

    __slots__ = (
        "bars",
        "book",
        "first_trade",
        "instrument",
        "last_trade",
        "mark",
        "quote",
        "trades",
        "trades_down",
    )

    def __init__(self, run: RunStarted, instrument: Instrument) -> None:
        self.instrument = instrument
        last_id = dict(run.continued).get(instrument.id)
        self.trades = TradeSync(instrument.ix, run.trade_channel, last_id)
        self.book = BookSync(instrument.ix)
        self.bars = BarBuilder(instrument.ix, tuple(item.name for item in run.timeframes))
        self.quote: Quote | None = None
        self.first_trade: Trade | None = None
        self.last_trade: Trade | None = None
        self.mark: MarkPrice | None = None
        self.trades_down = False


class Market:
    """Fold of market events; deterministic, so that core and edge hold the same.

    Attributes
    ----------
    accepted
        Trades that the last `on_event` let through, in id order, each exactly once. Valid until
        the next call.
    quote
        The quote that the last `on_event` took over, if any.
    """

    def __init__(self, run: RunStarted) -> None:
        self.instruments = tuple(InstrumentState(run, item) for item in run.instruments)
        self.clock = VenueClock()
        self.accepted: list[Trade] = []
        self.quote: Quote | None = None
        self._handlers: dict[type, Callable[[Any, list[Output]], None]] = {
            Trade: self._on_trade,
            Quote: self._on_quote,
            DepthDiff: self._on_depth,
            DepthSnapshot: self._on_snapshot,
            MarkPrice: self._on_mark,
            TradesBackfill: self._on_backfill,
            Timer: self._on_timer,
            StreamDown: self._on_down,
            StreamUp: self._on_up,
            HealFailed: self._on_heal_failed,
        }

    def on_event(self, event: Event, outputs: list[Output]) -> None:
        """Take one event in; events that do not concern the market pass by."""
        if self.accepted:
            self.accepted = []
        self.quote = None
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event, outputs)

    def _on_trade(self, trade: Trade, outputs: list[Output]) -> None:
        self.clock.observe(trade.venue_ns, trade.recv_ns)
        state = self.instruments[trade.instrument]
        state.trades.on_trade(trade, self.accepted, outputs)
        self._book(state, outputs)

    def _book(self, state: InstrumentState, outputs: list[Output], start: int = 0) -> None:
        """Add the trades let through, from place `start` on, to the bars."""
        for trade in self.accepted[start:]:
            ahead_ns = trade.venue_ns - self.clock.now_ns(trade.recv_ns)
            if ahead_ns > AHEAD_MAX_NS and self.clock.started:
                text = f"trade {trade.trade_id} is dated {ahead_ns / NS_PER_S:.0f} s ahead: no bar"
                outputs.append(Diagnostic("warning", "trade_time", text, state.instrument.ix))
                continue
            state.bars.on_trade(trade, outputs)
            if state.last_trade is None:
                state.first_trade = trade
            state.last_trade = trade
        state.bars.settle(outputs)

    def _on_quote(self, quote: Quote, outputs: list[Output]) -> None:
        state = self.instruments[quote.instrument]
        known = state.quote
        if (
            known is not None
            and 0 < quote.update_id < known.update_id
            and quote.venue_ns - known.venue_ns < ID_RESET_NS
        ):
            return  # an overlapping socket or a reordered frame: what we have is newer
        self.clock.observe(quote.venue_ns, quote.recv_ns)
        state.quote = self.quote = quote
        state.bars.on_quote(quote)
        state.book.on_quote(quote, outputs)

    def _on_depth(self, diff: DepthDiff, outputs: list[Output]) -> None:
        self.clock.observe(diff.venue_ns, diff.recv_ns)
        self.instruments[diff.instrument].book.on_diff(diff, outputs)

    def _on_snapshot(self, snapshot: DepthSnapshot, outputs: list[Output]) -> None:
        self.instruments[snapshot.instrument].book.on_snapshot(snapshot, outputs)

    def _on_mark(self, mark: MarkPrice, outputs: list[Output]) -> None:  # noqa: ARG002 - one shape
        self.instruments[mark.instrument].mark = mark

    def _on_backfill(self, backfill: TradesBackfill, outputs: list[Output]) -> None:
        state = self.instruments[backfill.instrument]
        state.trades.on_backfill(backfill.trades, backfill.recv_ns, self.accepted, outputs)
        self._book(state, outputs)

    def _on_timer(self, timer: Timer, outputs: list[Output]) -> None:
        closing_ns = self.clock.now_ns(timer.recv_ns) - BAR_GRACE_NS
        for state in self.instruments:
            state.book.on_timer(timer.recv_ns, outputs)
            if state.trades.healing:
                start = len(self.accepted)
                state.trades.on_timer(timer.recv_ns, self.accepted, outputs)
                self._book(state, outputs, start)
            # While trades are missing, time alone closes no bar: it would be an invented one.
            if self.clock.started and not state.trades_down and not state.trades.healing:
                state.bars.on_clock(closing_ns, outputs)

    def _on_down(self, down: StreamDown, outputs: list[Output]) -> None:
        state = self.instruments[down.instrument]
        if down.channel == "depth":
            state.book.on_down(down.reason, down.recv_ns, outputs)
        elif down.channel == "quote":
            state.quote = None
            state.bars.forget_quotes()
        elif down.channel in {"trade", "aggTrade"}:
            state.trades_down = True

    def _on_up(self, up: StreamUp, outputs: list[Output]) -> None:  # noqa: ARG002 - one shape
        if up.channel in {"trade", "aggTrade"}:
            self.instruments[up.instrument].trades_down = False

    def _on_heal_failed(self, failed: HealFailed, outputs: list[Output]) -> None:
        state = self.instruments[failed.instrument]
        if failed.channel == "depth":
            state.book.on_heal_failed(Ns(failed.recv_ns))
        else:
            state.trades.on_heal_failed(
                failed.reason, failed.recv_ns, self.accepted, outputs, permanent=failed.permanent
            )
            self._book(state, outputs)
