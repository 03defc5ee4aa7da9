"""What ``engine.step`` answers: facts for the edge and wishes to the shell.

`Bar`, `BarCorrected` and `Gap` are journalled, so that the lake and a restarted edge need not
recompute them. Heal requests are wishes: the shell may fail them, and says so by `HealFailed`.
"""

from typing import Literal

import msgspec

from poise.core.events import Channel, Timeframe
from poise.core.units import InstrumentIx, Ns, Price, Qty


class Bar(msgspec.Struct, frozen=True, gc=False, tag=True):
    """One closed bar, cut by `venue_ns`: ``start_ns <= t < end_ns``.

    `bid_close` and `ask_close` are the last quote before `end_ns` (0 when none was seen). A bar
    without a trade repeats the close before it, with volume 0. `origin` tells live bars from the
    venue's own history, whose closes are trades, not mids.
    """

    instrument: InstrumentIx
    timeframe: Timeframe
    start_ns: Ns
    end_ns: Ns
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Qty
    buy_volume: Qty
    trades: int
    bid_close: Price
    ask_close: Price
    origin: Literal["live", "history"] = "live"


class BarCorrected(msgspec.Struct, frozen=True, tag=True):
    """A trade came after its bar had closed: the bar as it should have been."""

    bar: Bar


class Gap(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Ids or time missing from one stream, for good (`healed` false) or filled in from REST."""

    instrument: InstrumentIx
    channel: Channel
    first_id: int
    last_id: int
    from_ns: Ns
    to_ns: Ns
    reason: str
    healed: bool


class HealTrades(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Wish: fetch trades `first_id` to `last_id`, both inclusive."""

    instrument: InstrumentIx
    channel: Channel
    first_id: int
    last_id: int


class HealBook(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Wish: fetch a depth snapshot."""

    instrument: InstrumentIx
    attempt: int


class BookState(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A book changed between LIVE and INVALID."""

    instrument: InstrumentIx
    live: bool
    reason: str
    recv_ns: Ns


class Diagnostic(msgspec.Struct, frozen=True, tag=True):
    """Something an operator should see; the core does not log."""

    level: Literal["info", "warning", "alarm"]
    code: str
    text: str
    instrument: int = -1


class PairState(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A pair and timeframe became ready, or fell back to warming up."""

    row: int
    ready: bool


Output = Bar | BarCorrected | Gap | HealTrades | HealBook | BookState | Diagnostic | PairState
