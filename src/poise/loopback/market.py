"""What the venue asks of a market, be it a tape or a generated one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from poise.loopback.book import BookView, Level
from poise.loopback.klines import MinuteSource
from poise.loopback.specs import SymbolSpec
from poise.loopback.trades import Trade, TradeLog

FUNDING_MS = 8 * 3_600_000

Wanted = Mapping[str, int]
"""Streams that somebody hears, each with its number of listeners."""

Published = tuple[str, bytes]
"""Stream name and raw data object."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Mark and index price and funding rate, integers of 10^-8; the next stamp in venue ms."""

    mark: int
    index: int
    rate: int
    next_funding_ms: int


@dataclass(frozen=True, slots=True)
class FundingStamp:
    """A funding payment: rate and mark price, integers of 10^-8."""

    time_ms: int
    rate: int
    mark: int


class Market(Protocol):
    """A source of market data with a memory. Times are given by the caller, in ns since 1970."""

    @property
    def specs(self) -> Mapping[str, SymbolSpec]:
        """Every symbol, by its upper-case name."""

    def advance(self, now_ns: int, wanted: Wanted) -> list[Published]:
        """Let everything happen that is due, and return what goes out on the wanted streams."""

    def next_due_ns(self) -> int | None:
        """When something is due next; 0 for at once, None when nothing is (held, or over)."""

    @property
    def finished(self) -> bool:
        """Nothing will ever come again."""

    def now_ms(self, now_ns: int) -> int:
        """Venue time, ms."""

    def depth(self, symbol: str, limit: int) -> BookView | None:
        """Return the book for `/depth`; None while it is unknown."""

    def best(self, symbol: str) -> tuple[Level, Level] | None:
        """Best bid and ask; None while unknown."""

    def trades(self, symbol: str) -> TradeLog:
        """Trades that have happened, history included."""

    def minutes(self, symbol: str, now_ms: int) -> MinuteSource:
        """Minute rows up to the minute of `now_ms`, history included."""

    def mark(self, symbol: str, now_ms: int) -> Mark | None:
        """Mark price; None where there is none."""

    def funding(self, symbol: str, start_ms: int, end_ms: int) -> list[FundingStamp]:
        """Funding payments with start_ms <= time <= end_ms, oldest first."""

    def last_trade_id(self, symbol: str) -> int:
        """Id of the last raw trade that has happened."""

    def true_trades(self, symbol: str) -> list[Trade]:
        """Every raw trade that has been made since the start, for tests."""

    def true_book(self, symbol: str, update_id: int | None) -> BookView | None:
        """Return the book now, or after `update_id` where that is remembered, for tests."""
