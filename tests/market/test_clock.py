"""The venue's clock from events, timeframes and their names."""

import random

import pytest

from poise.core.errors import UserError
from poise.market.clock import VenueClock
from poise.market.timeframes import timeframe_ns, timeframe_seconds

S = 1_000_000_000
MS = 1_000_000
START = 1_700_000_000 * S


def feed(clock, offset_ns, *, start_s=0.0, seconds=10.0, transit_ms=(1, 40), seed=0):
    """Twenty events a second from a venue that is `offset_ns` ahead of us."""
    rng = random.Random(seed)
    at = START + int(start_s * S)
    for _ in range(int(seconds * 20)):
        at += S // 20
        transit = int(rng.uniform(*transit_ms) * MS)
        clock.observe(at - transit + offset_ns, at)
    return at


@pytest.mark.parametrize("offset_s", [-3600.0, -5.0, -1.27, 0.0, 1.27, 5.0, 86_400.0])
def test_a_constant_error_of_our_clock_is_found(offset_s):
    clock = VenueClock()
    assert not clock.started
    now = feed(clock, int(offset_s * S))
    assert clock.started
    # Less the shortest transit, which is 1 ms or a little more.
    assert -3 * MS <= clock.offset_ns - int(offset_s * S) <= -1 * MS
    assert clock.now_ns(now) == now + clock.offset_ns


def test_it_never_runs_ahead_of_the_venue_within_two_minutes_of_truth():
    clock = VenueClock()
    for second in range(300):
        feed(clock, -(second * MS), start_s=second, seconds=1, seed=second)  # drifts 1 ms a second
        true_offset = -(second * MS)
        assert clock.offset_ns <= true_offset + 130 * MS  # forgets after two buckets of a minute


def test_one_event_from_the_future_is_not_believed():
    for wrong_s in (6, 3600, 10**8):
        clock = VenueClock()
        at = feed(clock, 0)
        clock.observe(at + wrong_s * S, at)
        assert clock.offset_ns <= 0


def test_a_future_event_on_the_minute_s_edge_is_not_believed_either():
    clock = VenueClock()
    at = feed(clock, 0, seconds=59)
    clock.observe(at + 3600 * S, START + 61 * S)
    assert clock.offset_ns <= 0


def test_a_step_of_our_clock_is_believed_after_a_while():
    clock = VenueClock()
    feed(clock, 0)
    feed(clock, 30 * S, start_s=10, seconds=5)
    assert 30 * S - 40 * MS <= clock.offset_ns <= 30 * S


def test_small_steps_count_at_once():
    clock = VenueClock()
    at = feed(clock, 0)
    clock.observe(at + 4 * S, at)
    assert clock.offset_ns == 4 * S


def test_after_a_long_pause_it_starts_anew():
    clock = VenueClock()
    feed(clock, 40 * S)
    feed(clock, 0, start_s=1000, seconds=1)
    assert -40 * MS <= clock.offset_ns <= -1 * MS


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("1s", 1), ("7s", 7), ("1m", 60), ("5m", 300), ("4h", 14_400), ("1d", 86_400),
     ("366d", 366 * 86_400)],
)  # fmt: skip
def test_timeframes(name, seconds):
    assert timeframe_seconds(name) == seconds
    assert timeframe_ns(name) == seconds * S


@pytest.mark.parametrize(
    "name",
    ["", "s", "m", "1", "0s", "-1m", "1.5m", "1M", "1 m", " 1m", "1w", "\u0661m", "\u00b2s",
     "1_0s", "367d", "99999999999d", "9" * 5_000 + "s"],
    ids=lambda name: name[:12],
)  # fmt: skip
def test_what_is_no_timeframe_is_refused(name):
    with pytest.raises(UserError, match="is not a timeframe"):
        timeframe_seconds(name)


def test_a_minute_that_begins_with_a_late_event_does_not_lose_the_time():
    clock = VenueClock()
    feed(clock, 0, seconds=59)
    clock.observe(START, START + 61 * S)  # a trade that was missing for a minute
    for second in range(62, 200):
        clock.observe(START + second * S - MS, START + second * S)
        assert clock.offset_ns >= -40 * MS
