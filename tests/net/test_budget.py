"""The REST budget: never above the limit in any minute, and silent when told to be."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.core.venue import WeightLimits
from poise.net.budget import BudgetState, WeightBudget
from poise.net.settings import NEVER

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
LIMITS = WeightLimits(weight_per_min=100, reserved=30, used_header="X-Used")

asks = st.lists(
    st.tuples(st.integers(0, 20 * SECOND), st.integers(1, 40), st.booleans()), max_size=150
)


@given(asks)
def test_no_minute_exceeds_the_limit_and_the_reserve_is_kept(steps):
    budget, now, spent = WeightBudget(LIMITS), 0, []
    for step, weight, reserved in steps:
        now += step
        free = budget.next_free_ns(weight, now, reserved=reserved)
        assert budget.take(weight, now, reserved=reserved) == (free <= now)
        if free <= now:
            spent.append((now, weight, reserved))
    for start, _, _ in spent:
        inside = [row for row in spent if start <= row[0] < start + MINUTE]
        assert sum(weight for _, weight, _ in inside) <= 100
        assert sum(weight for _, weight, reserved in inside if not reserved) <= 70


@given(asks)
def test_weight_is_free_at_the_time_named(steps):
    budget, now = WeightBudget(LIMITS), 0
    for step, weight, reserved in steps:
        now = budget.next_free_ns(weight, now + step, reserved=reserved)
        assert budget.take(weight, now, reserved=reserved)


def test_a_minute_is_a_whole_minute():
    budget = WeightBudget(LIMITS)
    assert budget.take(100, 0, reserved=True)
    assert not budget.take(1, MINUTE - 1, reserved=True)
    assert budget.take(100, MINUTE, reserved=True)


def test_what_exceeds_the_limit_is_never_free():
    budget = WeightBudget(LIMITS)
    assert budget.next_free_ns(101, 0, reserved=True) == NEVER
    assert budget.next_free_ns(71, 0, reserved=False) == NEVER
    assert not budget.take(71, 0, reserved=False)


def test_the_header_tells_of_other_programs_behind_the_address():
    budget = WeightBudget(LIMITS)
    assert budget.take(10, 0, reserved=False)
    budget.observe(65, 1 * SECOND)
    assert budget.used(1 * SECOND) == 65
    assert not budget.take(10, 2 * SECOND, reserved=False)
    budget.observe(20, 3 * SECOND)  # less than we know of: their minute turned over, ours has not
    assert budget.used(3 * SECOND) == 65
    assert budget.used(61 * SECOND) == 0


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"),
    [(429, None, 60), (429, 7, 7), (418, None, 120), (418, 3600, 3600), (429, 0, 0)],
)
def test_refusals_stop_everything_until_their_deadline(status, retry_after, expected):
    budget = WeightBudget(LIMITS)
    pause = None if retry_after is None else retry_after * SECOND
    until = budget.stop(status, pause, 0)
    assert until == expected * SECOND
    if expected:
        assert not budget.take(1, until - 1, reserved=True)
    assert budget.take(1, until, reserved=True)


def test_refusals_in_a_row_double_and_a_success_forgives():
    budget = WeightBudget(LIMITS)
    waits, now = [], 0
    for _ in range(4):
        until = budget.stop(418, None, now)
        waits.append((until - now) // SECOND)
        now = until
    assert waits == [120, 240, 480, 960]
    budget.succeed()
    assert budget.stop(429, None, now) - now == MINUTE


def test_refusals_of_requests_under_way_together_are_one():
    """Eight snapshots are asked for at once at start-up; eight 418 must not mean four hours."""
    budget = WeightBudget(LIMITS)
    for late in range(8):
        assert budget.stop(418, None, late * SECOND) == (120 + late) * SECOND
    assert budget.stop(418, None, 127 * SECOND) == (127 + 240) * SECOND


def test_a_stop_is_never_shortened_and_has_a_longest():
    budget = WeightBudget(LIMITS)
    until = budget.stop(418, 3600 * SECOND, 0)
    assert budget.stop(429, 1 * SECOND, 0) == until
    assert WeightBudget(LIMITS).stop(418, 10**9 * SECOND, 0) == 3 * 86_400 * SECOND


def test_stops_and_spending_survive_a_restart():
    budget = WeightBudget(LIMITS)
    assert budget.take(60, 5 * SECOND, reserved=False)
    budget.stop(418, None, 10 * SECOND)
    saved = msgspec.json.decode(msgspec.json.encode(budget.save()), type=BudgetState)
    again = WeightBudget(LIMITS, saved)
    assert again.used(20 * SECOND) == 60
    assert not again.take(1, 129 * SECOND, reserved=True)
    assert again.stop(418, None, 130 * SECOND) == 370 * SECOND
