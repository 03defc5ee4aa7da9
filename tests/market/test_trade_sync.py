"""Trades: each true one exactly once, or inside exactly one permanent gap record.

The property test is a small world: a venue with a true list of trades, a socket that loses,
doubles and reorders them, and a REST that answers in part, empty, late, twice or not at all.
"""

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.core.outputs import Diagnostic, Gap, HealTrades
from poise.core.units import NS_PER_S
from poise.market import trade_sync
from poise.market.trade_sync import ATTEMPTS_MAX, TradeSync

FIRST = 1_000
PLAN = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "count": st.integers(1, 150),
        "loss": st.sampled_from([0.0, 0.05, 0.3]),
        "burst": st.sampled_from([0.0, 0.03]),
        "double": st.sampled_from([0.0, 0.2]),
        "reorder": st.sampled_from([0.0, 0.2]),
        "placeholder": st.sampled_from([0.0, 0.1, 0.4]),
        "rest": st.sampled_from(
            ["full", "partial", "empty", "failed", "permanent", "silent", "mix"]
        ),
        "page": st.sampled_from([1, 7, 500]),
        "polls": st.booleans(),
        "timer_every": st.sampled_from([1, 5, 40]),
    }
)  # fmt: skip


class World:
    def __init__(self, plan, make_trade, start_ns):
        self.plan = plan
        self.rng = random.Random(plan["seed"])
        self.make = make_trade
        self.now = start_ns
        self.sync = TradeSync(0, "trade")
        self.accepted = []
        self.outputs = []
        self.asked = []
        ids = range(FIRST, FIRST + plan["count"])
        self.placeholders = {key for key in ids if self.chance("placeholder")}
        self.true = [key for key in ids if key not in self.placeholders]

    def chance(self, name):
        return self.rng.random() < self.plan[name]

    def trade(self, key):
        zero = key in self.placeholders
        return self.make(key, 0 if zero else key, 0 if zero else 1, recv_ns=self.now)

    def wire(self):
        """Ids as the socket delivers them: the first and last arrive, and everything between may
        be lost, doubled or late by up to five places."""
        ids, lost = [], 0
        for key in sorted([*self.true, *self.placeholders]):
            lost = self.rng.randint(5, 30) if self.chance("burst") else max(0, lost - 1)
            if key not in self.placeholders and (lost or self.chance("loss")):
                continue
            ids += [key] * (1 + self.chance("double"))
        places = [at + self.rng.uniform(0, 5) * self.chance("reorder") for at in range(len(ids))]
        return [key for _, key in sorted(zip(places, ids, strict=True))]

    def rest(self, first, limit):
        page = [key for key in self.true if key >= first][:limit]
        return tuple(self.trade(key) for key in page)

    def answer(self, wish):
        """What the shell hands in for one wish."""
        kind = self.plan["rest"]
        if kind == "mix":
            kind = self.rng.choice(["full", "partial", "empty", "failed", "silent"])
        if kind in {"failed", "permanent"}:
            self.call("on_heal_failed", "no", permanent=kind == "permanent")
        elif kind != "silent":
            # By id, as the venue pages: `limit` rows from the first missing on.
            limit = min(wish.last_id - wish.first_id + 1, self.plan["page"])
            trades = self.rest(wish.first_id, limit)
            if kind == "partial":
                trades = trades[self.rng.randint(0, len(trades)) :]
            self.call("on_backfill", () if kind == "empty" else trades)

    def call(self, name, *args, **options):
        outputs = []
        if name == "on_trade":
            self.sync.on_trade(*args, self.accepted, outputs)
        elif name == "on_timer":
            self.sync.on_timer(self.now, self.accepted, outputs)
        else:
            getattr(self.sync, name)(*args, self.now, self.accepted, outputs, **options)
        self.outputs += outputs
        self.asked += [wish for wish in outputs if isinstance(wish, HealTrades)]

    def run(self):
        for place, key in enumerate(self.wire()):
            self.now += self.rng.randint(0, NS_PER_S // 2)
            self.call("on_trade", self.trade(key))
            if place % self.plan["timer_every"] == 0:
                self.call("on_timer")
            while self.asked and self.rng.random() < 0.5:
                self.answer(self.asked.pop(self.rng.randrange(len(self.asked))))
            if self.plan["polls"] and self.rng.random() < 0.1:
                newest = [item for item in self.true if item <= key]
                self.call("on_backfill", tuple(self.trade(item) for item in newest[-20:]))
        self.finish()

    def finish(self):
        """Nothing comes any more but time: every open gap must end by itself."""
        for _ in range(20_000):
            if not self.sync.healing:
                return
            self.now += NS_PER_S
            while self.asked:
                self.answer(self.asked.pop())
            self.call("on_timer")
        pytest.fail("a gap stays open for ever")


@settings(max_examples=250, deadline=None)
@given(plan=PLAN)
def test_each_true_trade_exactly_once_or_in_one_permanent_gap(plan, make_trade, start_ns):
    world = World(plan, make_trade, start_ns)
    world.run()
    ids = [trade.trade_id for trade in world.accepted]
    assert ids == sorted(set(ids))
    assert world.sync.count == len(ids)
    assert all(trade.price == trade.trade_id for trade in world.accepted)

    gaps = [item for item in world.outputs if isinstance(item, Gap)]
    lost = Counter(
        key for gap in gaps if not gap.healed for key in range(gap.first_id, gap.last_id + 1)
    )
    if ids:
        # The stream begins with its first trade and is judged up to the last one it showed.
        for key in world.true:
            if ids[0] <= key <= ids[-1]:
                assert (key in ids) + lost[key] == 1, key
    assert not set(lost) & set(ids)
    assert all(count == 1 for count in lost.values())
    for gap in gaps:
        assert gap.first_id <= gap.last_id
        assert gap.from_ns <= gap.to_ns
        assert bool(gap.reason) is not gap.healed
    if plan["rest"] == "full" and plan["page"] > 1:
        # Whatever the socket lost was there to be fetched, in so many pages; only what a
        # placeholder stood for is declared and not asked for.
        declared = {
            key for gap in gaps if "placeholder" in gap.reason
            for key in range(gap.first_id, gap.last_id + 1)
        }  # fmt: skip
        assert set(lost) == declared <= world.placeholders


def run_wire(make_trade, *keys):
    sync, accepted, outputs = TradeSync(0, "trade"), [], []
    for key in keys:
        zero = key < 0
        sync.on_trade(make_trade(abs(key), 0 if zero else 9, 0 if zero else 1), accepted, outputs)
    return sync, [trade.trade_id for trade in accepted], outputs


def test_trades_in_order_pass_at_once(make_trade):
    sync, ids, outputs = run_wire(make_trade, 5, 6, 7)
    assert (ids, outputs, sync.healing) == ([5, 6, 7], [], False)


def test_duplicates_are_dropped_and_counted_from_the_first_id_on(make_trade):
    for first in (0, 1, 17):  # a new listing may begin its ids at 0
        sync, ids, outputs = run_wire(make_trade, first, first, first + 1, first, first + 1)
        assert (ids, outputs) == ([first, first + 1], [])
        assert sync.duplicates == 3


def test_a_hole_asks_for_exactly_what_is_missing_and_holds_back(make_trade):
    sync, ids, outputs = run_wire(make_trade, 5, 9, 10)
    assert ids == [5]
    assert outputs == [HealTrades(0, "trade", 6, 8)]
    assert (sync.healing, sync.oldest_pending) == (True, 9)


def test_an_answer_joins_and_the_gap_is_recorded_as_healed(make_trade, start_ns):
    sync, _, _ = run_wire(make_trade, 5, 9, 10)
    accepted, outputs = [], []
    sync.on_backfill(
        tuple(make_trade(key) for key in (6, 7, 8)), start_ns + 5, accepted, outputs
    )  # fmt: skip
    assert [trade.trade_id for trade in accepted] == [6, 7, 8, 9, 10]
    assert outputs == [Gap(0, "trade", 6, 8, start_ns, start_ns + 5, "", True)]
    assert not sync.healing


def test_reordered_trades_need_no_answer(make_trade):
    sync, ids, outputs = run_wire(make_trade, 5, 7, 6, 8)
    assert ids == [5, 6, 7, 8]
    assert [type(item) for item in outputs] == [HealTrades, Gap]
    assert not sync.healing


def test_ids_of_placeholders_are_no_hole(make_trade):
    sync, ids, outputs = run_wire(make_trade, 5, -6, -7, 8)
    assert ids == [5, 8]
    # No request and no wait; but a lost trade may have borne the id, so it is on record.
    assert [(type(item), item.first_id, item.last_id, item.healed) for item in outputs] == [
        (Gap, 6, 7, False)
    ]
    assert "placeholder" in outputs[0].reason
    assert sync.dropped_zero == 2
    _, ids, outputs = run_wire(make_trade, 5, -7, 8, -6)  # the placeholder itself came late
    assert ids == [5, 8]
    assert [type(item) for item in outputs] == [HealTrades, Gap]


def test_a_real_trade_with_a_placeholder_s_id_is_kept(make_trade):
    for keys in ((5, -6, 6, 7), (5, 7, -7, 6, 8), (5, -7, 7, 6, 8)):
        assert run_wire(make_trade, *keys)[1] == sorted({abs(key) for key in keys})


def test_many_placeholders_do_not_wear_the_memory_out(make_trade):
    keys = [1]
    for key in range(2, 6_000, 2):
        keys += [-key, key, key + 1]  # these share the id of the real trade
    keys += [-6_000, 6_001]  # this one owns its id
    sync, ids, outputs = run_wire(make_trade, *keys)
    assert ids == [*range(1, 6_000), 6_001]
    assert [(type(item), item.first_id, item.last_id) for item in outputs] == [(Gap, 6_000, 6_000)]
    assert not sync.healing


def test_without_answers_the_gap_is_given_up_after_so_many_requests(make_trade, start_ns):
    sync, _, outputs = run_wire(make_trade, 5, 9)
    accepted, now = [], start_ns
    for _ in range(10_000):
        now += NS_PER_S // 10
        sync.on_timer(now, accepted, outputs)
        if not sync.healing:
            break
    assert outputs.count(HealTrades(0, "trade", 6, 8)) == ATTEMPTS_MAX
    (gap,) = [item for item in outputs if isinstance(item, Gap)]
    assert (gap.first_id, gap.last_id, gap.healed) == (6, 8, False)
    assert gap.reason == "no answer to the heal request"
    assert [trade.trade_id for trade in accepted] == [9]


def test_failures_are_retried_as_often_and_ever_later(make_trade, start_ns):
    sync, _, outputs = run_wire(make_trade, 5, 9)
    asked_at, now, failed = [start_ns], start_ns, 1
    sync.on_heal_failed("HTTP 502", now, [], outputs)
    while sync.healing:
        now += NS_PER_S // 100
        before = len(outputs)
        sync.on_timer(now, [], outputs)
        if any(isinstance(item, HealTrades) for item in outputs[before:]):
            asked_at.append(now)
            failed += 1
            sync.on_heal_failed("HTTP 502", now, [], outputs)
    assert failed == len(asked_at) == ATTEMPTS_MAX
    waits = [later - sooner for sooner, later in itertools.pairwise(asked_at)]
    assert waits == sorted(waits)
    assert waits[-1] > 3 * waits[0] > 0


def test_what_the_venue_no_longer_has_is_given_up_at_once(make_trade, start_ns):
    sync, _, outputs = run_wire(make_trade, 5, 9)
    accepted = []
    sync.on_heal_failed("older than 48 h", start_ns, accepted, outputs, permanent=True)
    assert outputs[-1] == Gap(0, "trade", 6, 8, start_ns, start_ns, "older than 48 h", False)
    assert [trade.trade_id for trade in accepted] == [9]
    assert not sync.healing


def test_polls_do_not_put_a_retry_off(make_trade, start_ns):
    sync, _, outputs = run_wire(make_trade, 5, 9)
    now = start_ns
    sync.on_heal_failed("HTTP 502", now, [], outputs)
    for _ in range(200):  # a poll every 100 ms that brings nothing new
        now += NS_PER_S // 10
        sync.on_backfill((make_trade(9),), now, [], outputs)
        sync.on_timer(now, [], outputs)
    assert not sync.healing
    assert outputs.count(HealTrades(0, "trade", 6, 8)) == ATTEMPTS_MAX


def test_a_part_that_was_healed_is_recorded_apart_from_the_part_that_was_not(make_trade, start_ns):
    sync, _, _ = run_wire(make_trade, 5, 10)
    accepted, outputs = [], []
    sync.on_backfill((make_trade(6), make_trade(7)), start_ns, accepted, outputs)
    assert outputs == [HealTrades(0, "trade", 8, 9)]
    sync.on_heal_failed("gone", start_ns, accepted, outputs, permanent=True)
    rows = [(gap.first_id, gap.last_id, gap.healed) for gap in outputs if isinstance(gap, Gap)]
    assert rows == [(6, 7, True), (8, 9, False)]
    assert [trade.trade_id for trade in accepted] == [6, 7, 10]


def test_pages_are_bounded(make_trade, start_ns):
    sync, _, outputs = run_wire(make_trade, 1, 5_000)
    accepted = []
    for key in range(2, 5_000):
        if not sync.healing:
            break
        sync.on_backfill((make_trade(key),), start_ns, accepted, outputs)
    assert sum(isinstance(item, HealTrades) for item in outputs) == trade_sync.PAGES_MAX
    assert not sync.healing
    assert accepted[-1].trade_id == 5_000


def test_a_hole_too_long_to_be_fetched_is_recorded_with_the_next_trade(make_trade):
    most = trade_sync.MISSING_MAX["trade"]
    assert run_wire(make_trade, 1, most + 2)[2] == [HealTrades(0, "trade", 2, most + 1)]
    sync, ids, outputs = run_wire(make_trade, 1, most + 3, most + 4)
    (gap,) = outputs
    assert (gap.first_id, gap.last_id, gap.healed) == (2, most + 2, False)
    assert ids == [1, most + 3, most + 4]
    assert not sync.healing


def test_such_a_hole_is_recorded_by_time_where_no_trade_follows(make_trade, start_ns):
    sync, _, outputs = run_wire(make_trade, 1, 1_000_000)
    accepted = []
    sync.on_timer(start_ns + 60 * NS_PER_S, accepted, outputs)
    (gap,) = [item for item in outputs if isinstance(item, Gap)]
    assert (gap.first_id, gap.last_id, gap.healed) == (2, 999_999, False)
    assert [trade.trade_id for trade in accepted] == [1_000_000]


def test_one_wrong_id_far_ahead_does_not_end_the_stream(make_trade):
    sync, ids, outputs = run_wire(make_trade, 1, 2, 900_000_003, 3, 4, 5)
    assert ids == [1, 2, 3, 4, 5]
    assert [type(item) for item in outputs] == [Diagnostic]
    assert not sync.healing
    _, ids, outputs = run_wire(make_trade, 1, 2, 900_000_003, 4, 3, 5)
    assert ids == [1, 2, 3, 4, 5]
    assert [type(item) for item in outputs] == [Diagnostic, HealTrades, Gap]


def test_a_run_goes_on_behind_the_last_trade_of_the_run_before(make_trade, start_ns):
    sync, accepted, outputs = TradeSync(0, "trade", 5), [], []
    sync.on_backfill((make_trade(4), make_trade(5)), start_ns, accepted, outputs)
    assert not accepted
    sync.on_trade(make_trade(9), accepted, outputs)
    assert outputs == [HealTrades(0, "trade", 6, 8)]
    sync.on_backfill(tuple(make_trade(key) for key in (6, 7, 8)), start_ns, accepted, outputs)
    assert [trade.trade_id for trade in accepted] == [6, 7, 8, 9]


def test_too_many_waiting_trades_are_let_through(make_trade, monkeypatch):
    monkeypatch.setattr(trade_sync, "PENDING_MAX", 50)
    sync, ids, outputs = run_wire(make_trade, 1, *range(3, 54))
    assert ids == [1, *range(3, 54)]
    (gap,) = [item for item in outputs if isinstance(item, Gap)]
    assert (gap.first_id, gap.last_id, gap.healed) == (2, 2, False)
    assert not sync.healing


def test_an_open_gap_alarms_once_when_older_than_a_second(make_trade, start_ns):
    sync, _, _ = run_wire(make_trade, 5, 9)
    outputs = []
    for tenths in range(30):
        sync.on_timer(start_ns + tenths * NS_PER_S // 10, [], outputs)
        alarms = [item for item in outputs if isinstance(item, Diagnostic)]
        assert len(alarms) == (tenths > 10)
    assert (alarms[0].level, alarms[0].code) == ("alarm", "trade_gap")


def test_a_poll_that_jumps_ahead_opens_a_gap(make_trade, start_ns):
    sync, _, _ = run_wire(make_trade, 5)
    accepted, outputs = [], []
    sync.on_backfill((make_trade(8), make_trade(9)), start_ns, accepted, outputs)
    assert outputs == [HealTrades(0, "trade", 6, 7)]
    assert not accepted
    # And over ids that placeholders owned it asks for nothing.
    sync, _, _ = run_wire(make_trade, 5, -6, -7)
    sync.on_backfill((make_trade(8),), start_ns, accepted, later := [])
    assert [trade.trade_id for trade in accepted] == [8]
    assert [(type(item), item.first_id, item.last_id) for item in later] == [(Gap, 6, 7)]
