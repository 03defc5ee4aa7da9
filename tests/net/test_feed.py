"""Healing, calls and the clock, as the feed puts them together."""

import random

import pytest

from poise.core.errors import TransientError, VenueRejected
from poise.core.outputs import Diagnostic, HealBook, HealTrades
from poise.core.venue import RestRequest
from poise.net.actions import Close, Deliver, Fetch, HealLost, Open, Settle
from poise.net.desk import Priority
from poise.net.feed import Feed
from poise.net.settings import NEVER, NetSettings

SECOND = 1_000_000_000


@pytest.fixture
def feed(mini, instruments, start_ns):
    return Feed(mini(), instruments(2), NetSettings(), random.Random(1).random, start_ns)


def kinds(actions, kind):
    return [action for action in actions if isinstance(action, kind)]


def test_starting_opens_sockets_and_asks_for_the_time(feed, start_ns):
    actions = feed.start(start_ns)
    assert len(kinds(actions, Open)) == 1
    assert [fetch.request.path for fetch in kinds(actions, Fetch)] == ["/time"]


@pytest.mark.parametrize(
    ("wish", "source"),
    [(HealBook(1, 1), "rest:book:S1"), (HealTrades(0, "trade", 5, 9), "rest:trades:S0")],
)
def test_a_wish_is_granted_by_an_answer(feed, start_ns, wish, source):
    (fetch,) = feed.heal(wish, start_ns)
    actions = feed.answered(fetch.ticket, 200, {}, b"{}", start_ns)
    assert actions == [Deliver(source, b"{}")]


def test_the_same_wish_twice_is_asked_once(feed, start_ns):
    (fetch,) = feed.heal(HealBook(1, 1), start_ns)
    assert feed.heal(HealBook(1, 1), start_ns) == []
    feed.answered(fetch.ticket, 200, {}, b"{}", start_ns)
    assert len(feed.heal(HealBook(1, 1), start_ns)) == 1


@pytest.mark.parametrize(("status", "permanent"), [(400, True), (502, False)])
def test_a_failed_wish_says_whether_it_is_for_good(feed, start_ns, status, permanent):
    actions, now = feed.heal(HealTrades(0, "trade", 5, 9), start_ns), start_ns
    for _ in range(10):
        for fetch in kinds(actions, Fetch):
            actions = feed.answered(
                fetch.ticket, status, {}, b"<html>" if status == 502 else b"", now
            )
        lost = kinds(actions, HealLost)
        if lost:
            break
        now = max(now, feed.desk.next_due_ns(now))
        actions = feed.desk.start(now)
    assert [(each.instrument, each.channel, each.permanent) for each in lost] == [
        (0, "trade", permanent)
    ]


def test_a_wish_that_needs_a_missing_key_fails_for_good(feed, start_ns):
    (lost,) = feed.heal(HealTrades(99, "trade", 1, 2), start_ns)
    assert lost.permanent
    assert "needs an API key" in lost.reason


def test_callers_get_their_answers_and_errors(feed, start_ns):
    request = RestRequest(path="/x", query=(), weight=1, source="rest:x:S0")
    (good,) = feed.call(1, request, Priority.HISTORY, start_ns)
    (bad,) = feed.call(2, request, Priority.HISTORY, start_ns)
    assert feed.answered(good.ticket, 200, {}, b"yes", start_ns) == [Settle(1, b"yes", None)]
    (settle,) = feed.answered(bad.ticket, 404, {}, b"", start_ns)
    assert (settle.call, type(settle.error)) == (2, VenueRejected)


def test_a_rate_limit_is_an_alarm(feed, start_ns):
    (fetch,) = feed.heal(HealBook(1, 1), start_ns)
    actions = feed.answered(fetch.ticket, 429, {"retry-after": "5"}, b"{}", start_ns)
    assert [each.code for each in kinds(actions, Diagnostic)] == ["net.rate_limited"]
    assert feed.heal(HealBook(0, 1), start_ns + SECOND) == []
    again = feed.tick(start_ns + 8 * SECOND)
    assert {fetch.request.source for fetch in kinds(again, Fetch)} >= {"rest:book:S0"}


@pytest.mark.parametrize(
    ("ahead_s", "codes"), [(0.01, []), (-4.0, ["net.clock"]), (5.0, ["net.clock"])]
)
def test_a_clock_far_off_is_an_alarm(feed, start_ns, ahead_s, codes):
    (fetch,) = kinds(feed.start(start_ns), Fetch)
    server_ms = int((start_ns + ahead_s * SECOND) / 1e6)
    now = start_ns + 2_000_000
    actions = feed.answered(fetch.ticket, 200, {}, b"%d" % server_ms, now)
    assert [each.code for each in kinds(actions, Diagnostic)] == codes
    assert feed.clock.offset_ns(now) == pytest.approx(ahead_s * SECOND, abs=3_000_000)


def test_the_clock_is_asked_again(feed, start_ns):
    asked, now = [], start_ns
    actions = feed.start(now)
    while now < start_ns + 600 * SECOND:
        for fetch in kinds(actions, Fetch):
            if fetch.request.path == "/time":
                asked.append((now - start_ns) // SECOND)
            feed.answered(fetch.ticket, 200, {}, b"%d" % (now // 1_000_000), now)
        now = max(now + 1, feed.next_wake_ns(now))
        actions = feed.tick(now)
    assert len(asked) == 8  # four at first, then every two minutes
    assert asked[4] - asked[3] == 120


def test_stopping_closes_fails_and_sleeps(feed, start_ns):
    feed.start(start_ns)
    feed.heal(HealBook(1, 1), start_ns)
    feed.call(4, RestRequest(path="/x", query=(), weight=1, source="r"), Priority.POLL, start_ns)
    actions = feed.stop(start_ns)
    assert len(kinds(actions, Close)) == 1
    assert not kinds(actions, HealLost)[0].permanent
    assert isinstance(kinds(actions, Settle)[0].error, TransientError)
    assert feed.next_wake_ns(start_ns) == NEVER
    assert feed.tick(start_ns + 1000 * SECOND) == []
    (lost,) = feed.heal(HealBook(0, 1), start_ns)
    assert not lost.permanent
