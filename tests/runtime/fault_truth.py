"""What really happened at the loopback venue, and the two comparisons that every fault run ends by.

Oracles are the venue's own records, not the connector's: its trade log by id, and its book followed
change by change.
"""

from itertools import pairwise

from poise.core.events import BUY, SELL
from poise.loopback.book import Book as VenueBook

SECOND = 1_000_000_000
MS = 1_000_000


class TrueBook:
    """The venue's book at any update id, read forward from its journal; cheap while ids grow."""

    def __init__(self, book: VenueBook) -> None:
        assert book._journal is not None, "the venue must keep the truth"
        self._book = book
        self._restart()
        self._bests: dict[int, tuple[int, int, int, int]] = {}
        self._best_place = 0
        self._best_book = VenueBook()

    def _restart(self) -> None:
        self._place, self._past = 0, VenueBook()

    def at(self, update_id: int) -> tuple[dict[int, int], dict[int, int]]:
        """Bids and asks, price to quantity, after the last change with id <= `update_id`."""
        if self._past.last_update_id > update_id:
            self._restart()
        journal = self._book._journal
        while self._place < len(journal) and journal[self._place][0] <= update_id:
            self._past.apply(*journal[self._place])
            self._place += 1
        return self._past.bids, self._past.asks

    def best_at(self, update_id: int) -> tuple[int, int, int, int] | None:
        """Best bid, its quantity, best ask, its quantity after exactly this id; None if unknown."""
        journal, book = self._book._journal, self._best_book
        while self._best_place < len(journal) and journal[self._best_place][0] <= update_id:
            book.apply(*journal[self._best_place])
            self._best_place += 1
            self._bests[book.last_update_id] = (*book.best_bid(), *book.best_ask())
        return self._bests.get(update_id)


def true_trades(market, symbol, channel, first_id):
    """(id, price, qty, side, venue time in ns) of everything from an id on, as the venue has it."""
    log = market.trades(symbol)
    if channel == "trade":
        found = log.from_id(first_id, 10**6)
    else:
        found = log.aggs_from_id(first_id, 10**6)
    return [
        (each.id, each.price, each.qty, SELL if each.buyer_is_maker else BUY, each.time_ms * MS)
        for each in found
    ]


def as_row(trade, shift_ns=0):
    """Row of `true_trades` for an accepted trade."""
    return (
        trade.trade_id, trade.price, trade.qty, trade.aggressor_side, trade.venue_ns - shift_ns,
    )  # fmt: skip


def check_trades(truth, accepted, gaps, complete_until_ns, *, times=True):
    """Each true trade once and unchanged, or within one permanent gap; never neither, nor both.

    `truth` are rows from the first accepted id on; `times` false where the venue's clock lied.
    """
    ids = [trade.trade_id for trade in accepted]
    assert all(a < b for a, b in pairwise(ids)), "ids in order, each once"
    lost = [key for gap in gaps if not gap.healed for key in range(gap.first_id, gap.last_id + 1)]
    assert len(lost) == len(set(lost)), "no id is given up twice"
    assert not set(lost) & set(ids), "what is given up does not come later"
    known = {trade.trade_id: as_row(trade) for trade in accepted}
    width = 5 if times else 4
    given_up = set(lost)
    for row in truth:
        mine = known.pop(row[0], None)
        if mine is not None:
            assert mine[:width] == row[:width], f"trade {mine} is not the venue's {row}"
        elif row[0] < ids[-1] or row[4] <= complete_until_ns:
            assert row[0] in given_up, f"trade {row} is missing without a gap record"
    assert not known, f"the venue never made {list(known.values())[:3]}"
    for gap in gaps:
        assert gap.first_id <= gap.last_id
        assert gap.from_ns <= gap.to_ns
        assert bool(gap.reason) is not gap.healed


def levels(book):
    """Our book as two dictionaries, price to quantity."""
    bids, asks = book.top(1 << 20)
    return dict(bids.tolist()), dict(asks.tolist())
