"""The REST desk: order, bounds, retries, and one outcome for every request."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.core.errors import TransientError, VenueRejected
from poise.core.venue import RestRequest
from poise.net.budget import WeightBudget
from poise.net.desk import Answered, Desk, GivenUp, Priority
from poise.net.settings import NetSettings

SECOND = 1_000_000_000


@pytest.fixture
def desk_of(mini):
    def make(weight=1000, reserved=300, **changes):
        venue = mini(weight=weight, reserved=reserved)
        budget = WeightBudget(venue.weight_limits)
        return Desk(venue, NetSettings(**changes), random.Random(1).random, budget)

    return make


def request(path="/x", weight=1):
    return RestRequest(path=path, query=(), weight=weight, source=f"rest:{path}:S0")


def test_the_urgent_goes_first_and_equals_in_order(desk_of):
    desk = desk_of(requests_in_flight=1)
    order = [Priority.POLL, Priority.HISTORY, Priority.HEAL, Priority.CLOCK, Priority.SNAPSHOT]
    for tag, priority in enumerate([*order, Priority.HEAL]):
        assert desk.ask(tag, request(f"/{tag}"), priority, 0) == []
    done = []
    while desk.waiting:
        (fetch,) = desk.start(0)
        done += [each.tag for each in desk.answered(fetch.ticket, 200, {}, b"", 0)]
    assert done == [2, 5, 4, 3, 1, 0]


def test_flight_is_bounded(desk_of):
    desk = desk_of(requests_in_flight=3)
    for tag in range(10):
        desk.ask(tag, request(), Priority.HEAL, 0)
    first = desk.start(0)
    assert len(first) == 3
    assert desk.start(0) == []
    desk.answered(first[0].ticket, 200, {}, b"", 0)
    assert len(desk.start(0)) == 1


def test_a_full_queue_drops_the_least_urgent(desk_of):
    desk = desk_of(requests_queued=2)
    assert desk.ask(1, request(), Priority.POLL, 0) == []
    assert desk.ask(2, request(), Priority.HISTORY, 0) == []
    (lost,) = desk.ask(3, request(), Priority.HEAL, 0)
    assert lost.tag == 1
    (lost,) = desk.ask(4, request(), Priority.POLL, 0)
    assert (lost.tag, type(lost.error)) == (4, TransientError)


def test_the_reserve_is_for_healing(desk_of):
    desk = desk_of(weight=100, reserved=30)
    desk.ask(1, request(weight=70), Priority.HISTORY, 0)
    desk.ask(2, request(weight=20), Priority.HISTORY, 0)
    desk.ask(3, request(weight=30), Priority.HEAL, 0)
    assert [fetch.request.weight for fetch in desk.start(0)] == [30]
    assert desk.next_due_ns(0) == 60 * SECOND  # 70 fit only into an empty minute
    assert [fetch.request.weight for fetch in desk.start(60 * SECOND)] == [70]


def test_small_requests_do_not_starve_a_waiting_heal(desk_of):
    desk = desk_of(weight=100, reserved=0)
    desk.ask(1, request(weight=90), Priority.HEAL, 0)
    desk.start(0)
    desk.ask(2, request(weight=50), Priority.HEAL, 0)
    desk.ask(3, request(weight=5), Priority.POLL, 0)
    assert desk.start(1) == []
    assert [fetch.request.weight for fetch in desk.start(60 * SECOND)] == [50, 5]


def test_what_can_never_be_afforded_is_refused_at_once(desk_of):
    (lost,) = desk_of(weight=100, reserved=30).ask(1, request(weight=80), Priority.POLL, 0)
    assert isinstance(lost.error, VenueRejected)


def test_a_rejection_is_final(desk_of):
    desk = desk_of()
    desk.ask(1, request(), Priority.HEAL, 0)
    (fetch,) = desk.start(0)
    (result,) = desk.answered(fetch.ticket, 400, {}, b'{"code":-1}', 0)
    assert isinstance(result.error, VenueRejected)
    assert desk.waiting == 0


@pytest.mark.parametrize(("status", "body"), [(502, b"<html>"), (503, b"{}"), (500, b"")])
def test_failures_are_retried_with_pauses_and_then_given_up(desk_of, status, body):
    desk, now, tries = desk_of(request_attempts=4), 0, 0
    desk.ask(1, request(), Priority.HEAL, now)
    results = []
    while not results:
        now = max(now, desk.next_due_ns(now))
        for fetch in desk.start(now):
            tries += 1
            results = desk.answered(fetch.ticket, status, {}, body, now)
    assert tries == 4
    assert isinstance(results[0], GivenUp)
    assert isinstance(results[0].error, TransientError)
    assert "4 tries" in str(results[0].error)


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [(429, {"retry-after": "7"}, 7), (429, {}, 60), (418, {"retry-after": "soon"}, 120)],
)
def test_a_refusal_stops_every_request_and_then_tries_again(desk_of, status, headers, wait):
    desk = desk_of(request_wait_ns=600 * SECOND)
    for tag in (1, 2):
        desk.ask(tag, request(), Priority.HEAL, 0)
    first, second = desk.start(0)
    assert desk.answered(first.ticket, status, headers, b"{}", 0) == []
    desk.ask(3, request(), Priority.HEAL, 0)
    assert desk.start(wait * SECOND - 1) == []
    assert desk.next_due_ns(1) == wait * SECOND
    assert [r.tag for r in desk.answered(second.ticket, 200, {}, b"ok", SECOND)] == [2]
    assert len(desk.start(wait * SECOND)) == 2


def test_a_ban_longer_than_patience_fails_the_wish_at_once(desk_of):
    desk = desk_of()
    desk.ask(1, request(), Priority.HEAL, 0)
    (fetch,) = desk.start(0)
    (result,) = desk.answered(fetch.ticket, 418, {"retry-after": "3600"}, b"{}", 0)
    assert "3600 s" in str(result.error)


def test_waiting_has_an_end(desk_of):
    desk = desk_of(request_wait_ns=10 * SECOND)
    desk.budget.stop(418, None, 0)
    desk.ask(1, request(), Priority.HEAL, 0)
    assert desk.next_due_ns(0) == 10 * SECOND
    (result,) = desk.expire(10 * SECOND)
    assert isinstance(result.error, TransientError)


def test_the_used_weight_header_counts(desk_of):
    desk = desk_of(weight=100, reserved=0)
    desk.ask(1, request(), Priority.HEAL, 0)
    (fetch,) = desk.start(0)
    desk.answered(fetch.ticket, 200, {"x-used": "95"}, b"", 0)
    desk.ask(2, request(weight=10), Priority.HEAL, 0)
    assert desk.start(1) == []


@pytest.mark.parametrize("text", ["", "x", "-4", "1e3", "٣", "9" * 50])
def test_nonsense_in_headers_is_ignored(desk_of, text):
    desk = desk_of()
    desk.ask(1, request(), Priority.HEAL, 0)
    (fetch,) = desk.start(0)
    assert desk.answered(fetch.ticket, 429, {"x-used": text, "retry-after": text}, b"", 0) == []
    assert desk.budget.stopped_until_ns == 60 * SECOND


def test_answers_of_unknown_tickets_are_ignored(desk_of):
    desk = desk_of()
    assert desk.answered(7, 200, {}, b"", 0) == []
    assert desk.failed(7, "late", 0) == []


statuses = st.sampled_from([200, 200, 200, 400, 429, 418, 502, 0])


asks = st.tuples(
    st.sampled_from(Priority), st.integers(1, 60), st.integers(0, 3 * SECOND), statuses
)


@given(
    st.lists(
        asks,
        min_size=1,
        max_size=60,
    )
)  # fmt: skip
def test_every_request_has_exactly_one_outcome(mini_venue, steps):
    budget = WeightBudget(mini_venue.weight_limits)
    settings = NetSettings(requests_queued=20, requests_in_flight=3)
    desk = Desk(mini_venue, settings, random.Random(1).random, budget)
    now, outcomes = 0, []
    answers = [status for *_, status in steps]
    for tag, (priority, weight, pause, _) in enumerate(steps):
        now += pause
        outcomes += desk.ask(tag, request(weight=weight), priority, now)
        outcomes += _serve(desk, answers, now)
    for _ in range(2000):
        if not desk.waiting:
            break
        now = max(now, desk.next_due_ns(now))
        outcomes += desk.expire(now)
        outcomes += _serve(desk, answers, now)
    assert sorted(each.tag for each in outcomes) == list(range(len(steps)))
    assert all(isinstance(each, Answered | GivenUp) for each in outcomes)


@pytest.fixture(scope="module")
def mini_venue():
    from poise.core.venue import WeightLimits

    class OnlyRest:
        weight_limits = WeightLimits(weight_per_min=100, reserved=30, used_header="x-used")

        def failure(self, status, payload):
            return TransientError("try again") if status > 401 else VenueRejected("no", -1, status)

    return OnlyRest()


def _serve(desk, answers, now):
    results = []
    for fetch in desk.start(now):
        status = answers[fetch.ticket % len(answers)]
        if status:
            results += desk.answered(fetch.ticket, status, {}, b"{}", now)
        else:
            results += desk.failed(fetch.ticket, "reset", now)
    return results
