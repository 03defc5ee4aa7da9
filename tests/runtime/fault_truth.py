"""What really happened at the loopback venue, held against what a desk made of it.

Oracles are the venue's own records, not the connector's: its trade log by id, and its book followed
change by change.
"""

from collections import defaultdict
from itertools import pairwise

from tests.runtime.fault_scenario import MS

from poise.core.events import BUY, SELL, DepthDiff, DepthSnapshot, HealFailed, Quote, StreamDown
from poise.core.outputs import BookState, Gap
from poise.engine.step import Engine
from poise.loopback.book import Book as VenueBook
from poise.loopback.faults import FaultKind

CROSSED_FOR_NS = 1_100 * MS + 2 * 40 * MS
"""How long a crossing bid may stand: the grace of 1 s, one timer, and its way here."""


class TrueBook:
    """The venue's book at any update id, read forward from its journal; cheap while ids grow."""

    def __init__(self, book: VenueBook) -> None:
        assert book._journal is not None, "the venue must keep the truth"
        self._book = book
        self._bests: dict[int, tuple[int, int, int, int]] = {}
        self._best_place, self._best_book = 0, VenueBook()
        self._place, self._past = 0, VenueBook()

    def at(self, update_id: int) -> tuple[dict[int, int], dict[int, int]]:
        """Bids and asks, price to quantity, after the last change with id <= `update_id`."""
        if self._past.last_update_id > update_id:
            self._place, self._past = 0, VenueBook()
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


class Watched(Engine):
    """The engine, with a witness behind every step."""

    def __init__(self, witness=None):
        super().__init__()
        self.witness = witness

    def step(self, event):
        outputs = super().step(event)
        if self.witness is not None:
            self.witness(self.market, event, outputs)
        return outputs


class Witness:
    """Compares every applied depth update and every quote with the venue's, on the spot.

    Attributes
    ----------
    accepted, gaps
        Trades let through and gaps recorded, by instrument row, in order.
    errors
        What was wrong; a witness does not raise within the core.
    """

    def __init__(self, instruments, venue, crossed_for_ns=CROSSED_FOR_NS):
        self.accepted = defaultdict(list)
        self.gaps = defaultdict(list)
        self.books = self.quotes = self.downs = self.resyncs = 0
        self.errors = []
        self._venue = venue
        self._rows = {item.symbol: item.ix for item in instruments}
        feeds = {feed.spec.symbol: feed for feed in venue.market._feeds}
        self._truths = [TrueBook(feeds[item.symbol].book) for item in instruments]
        self._crossed_for_ns = crossed_for_ns
        self._lies = defaultdict(list)
        self._injected = 0

    def __call__(self, market, event, outputs):
        for trade in market.accepted:
            self.accepted[trade.instrument].append(trade)
        for output in outputs:
            if isinstance(output, Gap):
                self.gaps[output.instrument].append(output)
            elif isinstance(output, BookState):
                self.resyncs += output.live
        if isinstance(event, DepthDiff | DepthSnapshot):
            self.check_book(market.instruments[event.instrument], event.recv_ns)
        elif isinstance(event, Quote) and market.quote is not None:
            self._check_quote(market.quote)
        elif isinstance(event, StreamDown):
            self._check_doubt(market.instruments[event.instrument], event.channel)

    def _check_doubt(self, state, channel):
        """What no longer comes is no longer shown as live."""
        self.downs += 1
        if (channel == "depth" and state.book.live) or (channel == "quote" and state.quote):
            self.errors.append(f"{channel} of {state.instrument.symbol} is down and still shown")

    def check_book(self, state, now_ns):
        """A live book equals the venue's at its id, but for what the venue itself has crossed."""
        sync, ix = state.book, state.instrument.ix
        if not sync.live:
            return
        self.books += 1
        ours, theirs = levels(sync.book), self._truths[ix].at(sync.book.last_id)
        if ours == theirs:
            return
        wrong = set(ours[0].items()) ^ set(theirs[0].items())
        lies = [at for at in self._crossings(ix) if 0 <= now_ns - at <= self._crossed_for_ns]
        if ours[1] != theirs[1] or len(wrong) > len(lies):
            self.errors.append(f"book {ix} differs at {sync.book.last_id} by {wrong or 'its asks'}")

    def _check_quote(self, quote):
        truth = self._truths[quote.instrument].best_at(quote.update_id)
        if truth is None:
            return
        self.quotes += 1
        # The venue may exchange the prices (CROSSED_TICKER); quantities stay where they are.
        seen = (quote.bid, quote.bid_qty, quote.ask, quote.ask_qty)
        if truth not in {seen, (quote.ask, quote.bid_qty, quote.bid, quote.ask_qty)}:
            self.errors.append(f"{quote} is not the venue's {truth}")

    def _crossings(self, ix):
        """When the venue crossed an instrument's book on the wire."""
        injected = self._venue.injected
        for each in injected[self._injected :]:
            if each.kind is FaultKind.CROSSED_DEPTH:
                symbol = each.target.partition("@")[0].upper()
                self._lies[self._rows[symbol]].append(each.at_ns)
        self._injected = len(injected)
        return self._lies[ix]


def levels(book):
    """Our book as two dictionaries, price to quantity."""
    bids, asks = book.top(1 << 20)
    return dict(bids.tolist()), dict(asks.tolist())


def true_trades(market, symbol, channel, first_id):
    """(id, price, qty, side, venue time in ns) of everything from an id on, as the venue has it."""
    log = market.trades(symbol)
    found = (log.from_id if channel == "trade" else log.aggs_from_id)(first_id, 10**6)
    return [
        (each.id, each.price, each.qty, SELL if each.buyer_is_maker else BUY, each.time_ms * MS)
        for each in found
    ]


def check_trades(truth, accepted, gaps, *, until_id, times):
    """Each true trade once and unchanged, or within one permanent gap; never neither, nor both.

    `truth` are rows from the first accepted id on, `until_id` the last that must be known by now;
    `times` is false where the venue's clock lied.
    """
    ids = [trade.trade_id for trade in accepted]
    assert all(a < b for a, b in pairwise(ids)), "ids in order, each once"
    lost = [key for gap in gaps if not gap.healed for key in range(gap.first_id, gap.last_id + 1)]
    given_up = set(lost)
    assert len(lost) == len(given_up), "no id is given up twice"
    assert not given_up & set(ids), "what is given up does not come later"
    width = 5 if times else 4
    known = {
        t.trade_id: (t.trade_id, t.price, t.qty, t.aggressor_side, t.venue_ns)[:width]
        for t in accepted
    }
    for row in truth:
        mine = known.pop(row[0], None)
        if mine is not None:
            assert mine == row[:width], f"trade {mine} is not the venue's {row}"
        elif row[0] <= max(until_id, ids[-1]):
            assert row[0] in given_up, f"trade {row} is missing without a gap record"
    assert not known, f"the venue never made {list(known.values())[:3]}"
    for gap in gaps:
        assert gap.first_id <= gap.last_id
        assert gap.from_ns <= gap.to_ns
        assert bool(gap.reason) is not gap.healed


def check_alternation(events):
    """A stream never goes down twice in a row, nor up twice by the same way."""
    state = {}
    for event in events:
        if isinstance(event, HealFailed):
            continue
        key = event.instrument, event.channel
        source = getattr(event, "source", None)
        assert state.get(key, "never") != source, f"{event} changes nothing"
        state[key] = source


def is_well(engine, session, venue):
    """All books live, all streams up by socket, nothing healing, no socket secretly half-open."""
    return (
        all(s.book.live and not s.trades.healing for s in engine.market.instruments)
        and all(stream.source == "socket" for stream in session.streams())
        and not any(each.mute for each in venue._sessions.values())
    )


def trouble(engine, session):
    """Why it is not well, in one line."""
    down = [
        f"{s.spec.wire_name} ({s.source}: {s.reason})"
        for s in session.streams()
        if s.source != "socket"
    ]
    states = engine.market.instruments
    return (
        f"books {[s.book.state.name for s in states]}, "
        f"healing {[s.trades.healing for s in states]}, down {down}"
    )
