"""An order book in scaled integers, as the venue itself keeps it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from heapq import nlargest, nsmallest

BID, ASK = 0, 1

Level = tuple[int, int]  # (price, quantity), scaled
Change = tuple[int, int, int]  # (BID or ASK, price, absolute quantity; 0 removes)


@dataclass(frozen=True, slots=True)
class BookView:
    """A book at one update id, best level first on both sides; times in venue ms."""

    last_update_id: int
    event_ms: int
    transaction_ms: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    def cut(self, limit: int) -> "BookView":
        """Return the same book with at most `limit` levels a side."""
        return replace(self, bids=self.bids[:limit], asks=self.asks[:limit])


class Book:
    """Price -> quantity on both sides, with the id of the last update applied.

    With `remember=True` each change is kept, so that a test can ask for the book at any earlier
    update id. Nothing is forgotten then: it is meant for runs of minutes.
    """

    __slots__ = ("_journal", "asks", "bids", "event_ms", "last_update_id", "transaction_ms")

    def __init__(self, *, remember: bool = False) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.last_update_id = 0
        self.event_ms = 0
        self.transaction_ms = 0
        self._journal: list[tuple[int, tuple[Change, ...]]] | None = [] if remember else None

    def reset(self, update_id: int, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Replace both sides by a snapshot taken at `update_id`."""
        self.bids = dict(bids)
        self.asks = dict(asks)
        self.last_update_id = update_id
        if self._journal is not None:
            levels = [(BID, *level) for level in self.bids.items()]
            levels += [(ASK, *level) for level in self.asks.items()]
            self._journal = [(update_id, tuple(levels))]

    def apply(self, update_id: int, changes: Iterable[Change]) -> None:
        """Apply absolute quantities; removing an unknown level is normal and does nothing."""
        sides = (self.bids, self.asks)
        for side, price, qty in changes:
            if qty:
                sides[side][price] = qty
            else:
                sides[side].pop(price, None)
        self.last_update_id = update_id
        if self._journal is not None:
            self._journal.append((update_id, tuple(changes)))

    def best_bid(self) -> Level | None:
        """Highest bid, None on an empty side."""
        return max(self.bids.items(), default=None)

    def best_ask(self) -> Level | None:
        """Lowest ask, None on an empty side."""
        return min(self.asks.items(), default=None)

    def view(self, limit: int | None = None) -> BookView:
        """Return the book now, at most `limit` levels a side."""
        count = limit if limit is not None else max(len(self.bids), len(self.asks))
        return BookView(
            self.last_update_id,
            self.event_ms,
            self.transaction_ms,
            tuple(nlargest(count, self.bids.items())),
            tuple(nsmallest(count, self.asks.items())),
        )

    def at(self, update_id: int) -> BookView | None:
        """Return the book after the last update with id <= `update_id`; None if not remembered."""
        if not self._journal or self._journal[0][0] > update_id:
            return None
        past = Book()
        for applied, changes in self._journal:
            if applied > update_id:
                break
            past.apply(applied, changes)
        return past.view()
