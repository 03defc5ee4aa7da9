"""What happens: the inputs of ``engine.step``.

Market events come from decoded venue frames, control events from the shell. All are frozen facts.
`venue_ns` is the venue's event time, `recv_ns` ours (one stamp per socket read, made
non-decreasing by the sequencer). Prices and quantities are scaled integers of the instrument.
"""

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from poise.core.instrument import Instrument
from poise.core.units import InstrumentIx, Ns, Price, Qty

Levels = npt.NDArray[np.int64]
"""Book levels, shape (n, 2): column 0 price, column 1 quantity; quantity 0 removes the level."""

BUY = 1
SELL = -1

Channel = Literal["trade", "aggTrade", "depth", "quote", "mark"]
Timeframe = str
"""``1s``, ``1m``, ``5m``: an integer and one of s, m, h, d."""


class Trade(msgspec.Struct, frozen=True, gc=False, tag=True):
    """One execution, or with `first_raw_id < last_raw_id` one venue aggregate of several.

    `aggressor_side` is +1 when the taker bought, -1 when the taker sold. `trade_id` is the
    continuity key of the stream it came by: the raw id, or the aggregate's own.
    """

    instrument: InstrumentIx
    trade_id: int
    price: Price
    qty: Qty
    aggressor_side: int
    venue_ns: Ns
    recv_ns: Ns
    first_raw_id: int
    last_raw_id: int


class Quote(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Best bid and offer. `update_id` counts in the same sequence as the depth stream's ids."""

    instrument: InstrumentIx
    update_id: int
    bid: Price
    bid_qty: Qty
    ask: Price
    ask_qty: Qty
    venue_ns: Ns
    recv_ns: Ns


class DepthDiff(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Changed levels between two book states; `prev_id` is the last id of the diff before it."""

    instrument: InstrumentIx
    first_id: int
    last_id: int
    prev_id: int
    bids: Levels
    asks: Levels
    venue_ns: Ns
    recv_ns: Ns


class DepthSnapshot(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A whole book, as far as the venue shows it, at `last_id`."""

    instrument: InstrumentIx
    last_id: int
    bids: Levels
    asks: Levels
    venue_ns: Ns
    recv_ns: Ns


class MarkPrice(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Mark and index price (scale 8), and the funding rate (1e-8) due at `next_funding_ns`."""

    instrument: InstrumentIx
    mark: Price
    index: Price
    funding_rate: int
    next_funding_ns: Ns
    venue_ns: Ns
    recv_ns: Ns


class TradesBackfill(msgspec.Struct, frozen=True, tag=True):
    """The answer to a `HealTrades`: consecutive trades from the wanted id on, possibly none."""

    instrument: InstrumentIx
    channel: Channel
    trades: tuple[Trade, ...]
    recv_ns: Ns


class TradesHistory(msgspec.Struct, frozen=True, tag=True):
    """Trades before the stream's first, for warming short bars; never part of continuity.

    `complete`: no later trade stood behind these when the venue answered (no full page).
    """

    instrument: InstrumentIx
    trades: tuple[Trade, ...]
    recv_ns: Ns
    complete: bool = True


class HistoryBar(msgspec.Struct, frozen=True, gc=False, tag=True):
    """One finished bar of the venue's own history (open time `start_ns`)."""

    start_ns: Ns
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Qty
    trades: int


class BarsHistory(msgspec.Struct, frozen=True, tag=True):
    """Finished bars of one timeframe from the venue, oldest first."""

    instrument: InstrumentIx
    timeframe: Timeframe
    bars: tuple[HistoryBar, ...]
    recv_ns: Ns


class PairSpec(msgspec.Struct, frozen=True):
    """A pair by instrument rows: y is regressed on x."""

    y: InstrumentIx
    x: InstrumentIx


class TimeframeSpec(msgspec.Struct, frozen=True):
    """A bar length with the number of closed bars its statistics look back on."""

    name: Timeframe
    window: int


class RunStarted(msgspec.Struct, frozen=True, tag=True):
    """The first input of every run: what it is made of.

    `continued` holds (instrument id, last trade id) of the run before it on the same trade
    channel: what was missed between is healed, or recorded as a gap.
    """

    environment: Literal["live", "paper", "demo", "replay"]
    run_id: str
    instruments: tuple[Instrument, ...]
    timeframes: tuple[TimeframeSpec, ...]
    pairs: tuple[PairSpec, ...]
    trade_channel: Literal["trade", "aggTrade"]
    recv_ns: Ns
    continued: tuple[tuple[str, int], ...] = ()


class PairAdded(msgspec.Struct, frozen=True, tag=True):
    """A user asked for one more pair while running."""

    pair: PairSpec
    recv_ns: Ns


class Timer(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Time passed; between frames nothing else tells the core so."""

    recv_ns: Ns


class StreamDown(msgspec.Struct, frozen=True, gc=False, tag=True):
    """One stream of one instrument delivers nothing more (socket closed, silent or stale)."""

    instrument: InstrumentIx
    channel: Channel
    reason: str
    recv_ns: Ns


class StreamUp(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A stream delivered its first frame (`source` says by which way)."""

    instrument: InstrumentIx
    channel: Channel
    source: Literal["socket", "rest"]
    recv_ns: Ns


class HealFailed(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The shell could not fetch what a heal request asked for; the core decides what now."""

    instrument: InstrumentIx
    channel: Channel
    reason: str
    permanent: bool
    recv_ns: Ns


MarketEvent = (
    Trade
    | Quote
    | DepthDiff
    | DepthSnapshot
    | MarkPrice
    | TradesBackfill
    | TradesHistory
    | BarsHistory
)
ControlEvent = RunStarted | PairAdded | Timer | StreamDown | StreamUp | HealFailed
Event = MarketEvent | ControlEvent
