"""The clock offset: error bounded by half the shortest round trip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.net.clock import ClockOffset

SECOND = 1_000_000_000


@given(
    st.integers(-5 * SECOND, 5 * SECOND),
    st.lists(st.tuples(st.integers(1, SECOND), st.integers(1, SECOND)), min_size=1, max_size=16),
)
def test_the_error_is_at_most_half_the_shortest_round_trip(truth, ways):
    clock, now = ClockOffset(), 0
    for there, back in ways:
        clock.add(now, now + there + back, now + there + truth)
        now += there + back
    shortest = min(there + back for there, back in ways)
    assert abs(clock.offset_ns(now) - truth) <= shortest / 2 + 1


def test_old_samples_are_forgotten():
    clock = ClockOffset()
    clock.add(0, 10, 1_000_005)
    clock.add(1000 * SECOND, 1000 * SECOND + 500, 1000 * SECOND + 250 + 7)
    assert clock.offset_ns(1000 * SECOND + 500) == 7
    assert clock.offset_ns(3000 * SECOND) is None
    assert ClockOffset().offset_ns(0) is None


def test_a_tie_goes_to_the_later_sample():
    clock = ClockOffset()
    clock.add(0, 10, 5)
    clock.add(100, 110, 105 + 9)
    assert clock.offset_ns(110) == 9


def test_time_does_not_run_backwards():
    with pytest.raises(ValueError, match="before it was sent"):
        ClockOffset().add(10, 9, 0)
