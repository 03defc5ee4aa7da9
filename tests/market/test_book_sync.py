"""The official procedure step by step, then any damage: a live book equals the venue's.

"How to manage a local order book correctly", developers.binance.com, read August 2026.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.core.outputs import BookState, Diagnostic, HealBook
from poise.core.units import NS_PER_MS, NS_PER_S
from poise.market.book_sync import BookSync

BIDS, ASKS = [(100, 5)], [(101, 7)]


class Desk:
    """A BookSync with one list of outputs."""

    def __init__(self, now):
        self.sync, self.out, self.now = BookSync(0), [], now

    def diff(self, diff):
        self.sync.on_diff(diff, self.out)
        return self

    def snapshot(self, snapshot):
        self.sync.on_snapshot(snapshot, self.out)
        return self

    def timer(self, seconds):
        self.now += int(seconds * NS_PER_S)
        self.sync.on_timer(self.now, self.out)
        return self

    def asked(self):
        return sum(isinstance(item, HealBook) for item in self.out)

    def states(self):
        return [item.live for item in self.out if isinstance(item, BookState)]

    def best(self):
        return self.sync.book.best()


@pytest.fixture
def desk(start_ns):
    return Desk(start_ns)


@pytest.fixture
def live(desk, make_diff, make_snapshot):
    """A live book at id 20."""
    desk.diff(make_diff(11, 20, 10)).snapshot(make_snapshot(15, BIDS, ASKS))
    assert desk.sync.live
    desk.out.clear()
    return desk


def test_the_first_diff_asks_for_a_snapshot_once(desk, make_diff):
    desk.diff(make_diff(11, 20, 10)).diff(make_diff(21, 30, 20))
    assert desk.out == [HealBook(0, 1)]
    assert not desk.sync.live


@pytest.mark.parametrize("last_id", [11, 15, 20])
def test_a_snapshot_within_a_buffered_diff_starts_the_book(desk, make_diff, make_snapshot, last_id):
    # U <= lastUpdateId <= u. Diffs before it are dropped, those behind it applied.
    desk.diff(make_diff(1, 10, 0, [(100, 1)])).diff(make_diff(11, 20, 10, [(99, 3)]))
    desk.diff(make_diff(22, 30, 20, [], [(101, 0), (102, 2)]))
    desk.snapshot(make_snapshot(last_id, BIDS, ASKS))
    assert desk.states() == [True]
    assert desk.sync.book.last_id == 30
    bids, asks = desk.sync.book.top(9)
    assert bids.tolist() == [[100, 5], [99, 3]]
    assert asks.tolist() == [[102, 2]]


def test_a_diff_that_continues_the_snapshot_starts_the_book_too(desk, make_diff, make_snapshot):
    desk.diff(make_diff(1, 10, 0)).snapshot(make_snapshot(12, BIDS, ASKS))
    assert not desk.sync.live  # newer than the buffer: wait
    desk.diff(make_diff(14, 20, 12, [(100, 6)]))
    assert desk.sync.live
    assert desk.best() == (100, 6, 101, 7)


def test_a_snapshot_newer_than_the_buffer_waits_for_its_diff(desk, make_diff, make_snapshot):
    desk.diff(make_diff(1, 10, 0)).snapshot(make_snapshot(25, BIDS, ASKS))
    desk.diff(make_diff(11, 20, 10, [(100, 1)]))
    assert not desk.sync.live
    desk.diff(make_diff(21, 30, 20, [(99, 1)]))
    assert desk.sync.live
    assert desk.best()[:2] == (100, 5)
    assert desk.asked() == 1


def test_a_snapshot_older_than_the_buffer_is_fetched_anew_and_later(desk, make_diff, make_snapshot):
    desk.diff(make_diff(11, 20, 10))
    for attempt in range(2, 6):
        desk.snapshot(make_snapshot(5, BIDS, ASKS, recv_ns=desk.now))
        assert not desk.sync.live
        waited = 0
        while desk.asked() < attempt:
            desk.timer(0.1)
            waited += 1
            assert waited < 400, "it is never fetched again"
        assert 5 <= waited <= 300  # half a second to 30 s
    desk.snapshot(make_snapshot(11, BIDS, ASKS))
    assert desk.sync.live


def test_no_answer_and_a_failed_one_are_asked_again(desk, make_diff):
    desk.diff(make_diff(11, 20, 10))
    desk.timer(14)
    assert desk.asked() == 1
    desk.timer(2)
    assert desk.asked() == 2
    desk.sync.on_heal_failed(desk.now)
    desk.timer(0.1)
    assert desk.asked() == 2
    desk.timer(5)
    assert desk.asked() == 3


def test_diffs_follow_by_pu(live, make_diff):
    live.diff(make_diff(25, 30, 20, [(100, 0), (98, 2)], [(101, 1)]))
    assert live.best() == (98, 2, 101, 1)
    assert live.sync.live
    assert live.sync.chain_breaks == 0


def test_a_missing_diff_invalidates_at_once_and_resynchronises(live, make_diff, make_snapshot):
    live.diff(make_diff(31, 40, 30))
    assert not live.sync.live
    assert live.sync.chain_breaks == 1
    assert [type(item) for item in live.out] == [BookState, HealBook]
    assert live.out[0].reason == "diff 31 follows 30, not 20"
    live.diff(make_diff(41, 50, 40, [(97, 1)]))
    live.snapshot(make_snapshot(35, [(96, 1)], ASKS))
    assert live.sync.live
    assert live.best()[:2] == (97, 1)


def test_duplicates_and_old_diffs_change_nothing(live, make_diff):
    live.diff(make_diff(25, 30, 20, [(99, 9)]))
    before = live.best(), live.sync.book.last_id
    for _ in range(2):
        live.diff(make_diff(25, 30, 20, [(100, 0)])).diff(make_diff(11, 20, 10, [(100, 0)]))
        live.diff(make_diff(28, 30, 30, [(100, 0)]))
    assert (live.best(), live.sync.book.last_id) == before
    assert live.sync.duplicates == 6
    assert live.sync.live


def test_a_reordered_diff_is_a_break(live, make_diff):
    live.diff(make_diff(31, 40, 30)).diff(make_diff(21, 30, 20))
    assert not live.sync.live
    assert live.sync.chain_breaks == 1


def test_a_break_inside_the_buffer_is_seen_when_joining(desk, make_diff, make_snapshot):
    desk.diff(make_diff(11, 20, 10)).diff(make_diff(31, 40, 30)).snapshot(make_snapshot(15))
    assert desk.states() == [True, False]
    assert not desk.sync.live
    assert desk.asked() == 2


def test_a_stream_that_ends_leaves_nothing_to_continue(live, make_diff, make_snapshot):
    live.sync.on_down("closed", live.now, live.out)
    assert live.out == [BookState(0, False, "closed", live.now)]
    assert not live.sync.live
    live.timer(60)
    assert live.asked() == 0  # without diffs a snapshot would be of no use
    live.diff(make_diff(21, 30, 20))
    assert not live.sync.live
    live.snapshot(make_snapshot(25, BIDS, ASKS))
    assert live.sync.live


def test_a_snapshot_from_before_the_break_does_not_join(desk, make_diff, make_snapshot):
    desk.diff(make_diff(11, 20, 10))
    desk.sync.on_down("closed", desk.now, desk.out)
    desk.snapshot(make_snapshot(15, BIDS, ASKS))
    desk.diff(make_diff(41, 50, 40))
    assert not desk.sync.live


def test_a_live_book_ignores_late_snapshots(live, make_snapshot):
    live.snapshot(make_snapshot(20, [(1, 1)], [(2, 1)]))
    assert live.best() == (100, 5, 101, 7)
    assert live.out == []


def test_a_crossed_book_is_resynchronised_after_a_second(live, make_diff):
    live.diff(make_diff(21, 30, 20, [(102, 1)], recv_ns=live.now))
    live.timer(0.9)
    assert live.sync.live
    live.timer(0.2)
    assert not live.sync.live
    assert live.asked() == 1


def test_a_book_crossed_for_a_moment_stays(live, make_diff):
    live.diff(make_diff(21, 30, 20, [(101, 1)], recv_ns=live.now))  # locked counts as crossed
    live.timer(0.6)
    live.diff(make_diff(31, 40, 30, [(101, 0)], recv_ns=live.now))
    live.diff(make_diff(41, 50, 40, [(103, 1)], recv_ns=live.now))
    live.timer(0.6)
    assert live.sync.live


@pytest.mark.parametrize("quote_first", [True, False])
@pytest.mark.parametrize("wrong", [None, "bid", "ask", "bid_qty", "ask_qty"])
def test_the_quote_of_the_same_update_must_agree(live, make_diff, make_quote, quote_first, wrong):
    values = {"bid": 100, "ask": 101, "bid_qty": 4, "ask_qty": 7}
    if wrong:
        values[wrong] += 1
    quote, diff = make_quote(update_id=30, **values), make_diff(21, 30, 20, [(100, 4)])
    live.sync.on_quote(make_quote(update_id=29, bid=1, ask=2), live.out)  # no such book: no check
    if quote_first:
        live.sync.on_quote(quote, live.out)
    live.diff(diff)
    if not quote_first:
        live.sync.on_quote(quote, live.out)
    assert live.sync.checks == 1
    assert live.sync.mismatches == (wrong is not None)
    assert live.sync.live is (wrong is None)
    if wrong:
        assert [type(item) for item in live.out] == [Diagnostic, BookState, HealBook]
        assert live.out[0].code == "book_mismatch"
    else:
        assert live.out == []


def test_quotes_do_not_pile_up(live, make_quote):
    for update_id in range(21, 20_000):
        live.sync.on_quote(make_quote(1, 2, update_id=update_id), live.out)
    assert len(live.sync._quotes) <= 4_096


class Venue:
    """The true book with its chain of diffs."""

    def __init__(self, rng, make_diff, start_ns):
        self.rng, self.make, self.now = rng, make_diff, start_ns
        self.bids, self.asks = {90: 1}, {110: 1}
        self.last_id = 10
        self.history = {}

    def step(self):
        self.now += 100 * NS_PER_MS
        rows = {"b": [], "a": []}
        for key, side, low, high in (("b", self.bids, 80, 99), ("a", self.asks, 101, 120)):
            for _ in range(self.rng.randint(0, 3)):
                price, qty = self.rng.randint(low, high), self.rng.choice([0, 1, 2, 3])
                rows[key].append((price, qty))
                side.pop(price, None) if qty == 0 else side.update({price: qty})
        first = self.last_id + self.rng.randint(1, 3)
        last = first + self.rng.randint(0, 4)
        diff = self.make(first, last, self.last_id, rows["b"], rows["a"], recv_ns=self.now)
        self.last_id = last
        self.history[last] = (dict(self.bids), dict(self.asks))
        return diff


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), damage=st.sampled_from([0.0, 0.03, 0.15]))
def test_a_live_book_is_the_venue_s(seed, damage, make_diff, make_snapshot, start_ns):
    rng = random.Random(seed)
    venue, desk = Venue(rng, make_diff, start_ns), Desk(start_ns)
    held, snapshots, was_live = [], [], 0
    for _ in range(150):
        diff = venue.step()
        fate = rng.random()
        if fate < damage:
            held += rng.choice([[], [diff], [diff, diff]])  # lost, late, doubled and late
        else:
            desk.diff(diff)
            if fate < 2 * damage:
                desk.diff(diff)
        while held and rng.random() < 0.7:
            desk.diff(held.pop(0))
        if rng.random() < damage / 3:
            desk.sync.on_down("closed", venue.now, desk.out)
        desk.now = venue.now
        desk.timer(0)
        for wish in [item for item in desk.out if isinstance(item, HealBook)]:
            due = rng.randint(0, 4)
            snapshots.append((due, damage > 0 and rng.random() < 0.2))
            desk.out.remove(wish)
        snapshots = [(due - 1, lost) for due, lost in snapshots]
        for _, lost in [row for row in snapshots if row[0] <= 0]:
            if lost:
                desk.sync.on_heal_failed(venue.now)
            else:
                # REST may lag behind the stream by up to three diffs.
                at = rng.choice(list(venue.history)[-4 if damage else -1 :])
                bids, asks = venue.history[at]
                desk.snapshot(
                    make_snapshot(at, list(bids.items()), list(asks.items()), recv_ns=venue.now)
                )
        snapshots = [row for row in snapshots if row[0] > 0]
        if desk.sync.live:
            was_live += 1
            bids, asks = venue.history[desk.sync.book.last_id]
            top_bids, top_asks = desk.sync.book.top(99)
            assert dict(map(tuple, top_bids.tolist())) == bids
            assert dict(map(tuple, top_asks.tolist())) == asks
    if damage == 0.0:
        assert was_live > 140
        assert desk.sync.book.last_id == venue.last_id
