"""Windows and spacing are never exceeded, whatever the times of asking."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.net.pacing import Spacing, Window, backoff_ns

pauses = st.lists(st.integers(0, 400), min_size=1, max_size=200)


@given(st.integers(1, 12), st.integers(1, 1000), pauses)
def test_no_span_holds_more_than_the_limit(limit, span, steps):
    window, now, taken = Window(limit, span), 0, []
    for step in steps:
        now += step
        free = window.next_free_ns(now)
        assert window.take(now) == (free <= now)
        if free <= now:
            taken.append(now)
    for start in taken:
        assert sum(start <= at < start + span for at in taken) <= limit


@given(st.integers(1, 12), st.integers(1, 1000), pauses)
def test_a_window_lets_through_at_the_time_it_names(limit, span, steps):
    window, now = Window(limit, span), 0
    for step in steps:
        now = window.next_free_ns(now + step)
        assert window.take(now)


@given(st.floats(0.1, 100.0), st.lists(st.integers(0, 10**10), min_size=1, max_size=100))
def test_spacing_never_exceeds_its_rate_in_any_second(rate, steps):
    spacing, now, taken = Spacing(rate), 0, []
    for step in steps:
        now += step
        if spacing.take(now):
            taken.append(now)
        else:
            assert spacing.next_free_ns(now) > now
    for start in taken:
        within = sum(start <= at < start + 1_000_000_000 for at in taken)
        assert within <= max(1.0, rate)


@given(st.integers(0, 200), st.integers(0, 2**32))
def test_back_off_stays_within_its_ceiling(failures, seed):
    pause = backoff_ns(100, 5000, failures, random.Random(seed).random)
    assert 0 <= pause <= min(5000, 100 * 2**failures)


def test_back_off_uses_the_whole_range():
    jitter = random.Random(5).random
    drawn = [backoff_ns(1000, 64_000, 20, jitter) for _ in range(500)]
    assert min(drawn) < 2000
    assert max(drawn) > 62_000


@pytest.mark.parametrize("make", [lambda: Window(0, 1), lambda: Window(1, 0), lambda: Spacing(0.0)])
def test_nonsense_is_refused(make):
    with pytest.raises(ValueError, match=r"window|rate"):
        make()
