"""The table of a subscription: total, and without a way around the first frame."""

import itertools

import pytest

from poise.net.states import DELIVERING, PENDING, TRANSITIONS, Input, Leg, after


def test_the_table_is_total():
    assert set(TRANSITIONS) == set(Input)
    for row in TRANSITIONS.values():
        assert set(row) == set(Leg)


def test_every_state_is_delivering_pending_or_silent():
    assert DELIVERING | PENDING | {Leg.SILENT} == set(Leg)
    assert not DELIVERING & PENDING


def test_only_a_frame_makes_a_stream_flow():
    for happened, state in itertools.product(Input, Leg):
        if after(state, happened) is Leg.FLOWING and state is not Leg.FLOWING:
            assert happened is Input.FRAME


def test_no_state_is_a_dead_end():
    for start in Leg:
        reached = {start}
        for _ in Leg:
            reached |= {after(state, happened) for state in reached for happened in Input}
        assert Leg.FLOWING in reached


@pytest.mark.parametrize(
    ("inputs", "end"),
    [
        ([Input.SENT, Input.ACKNOWLEDGED, Input.FRAME], Leg.FLOWING),
        ([Input.SENT, Input.FRAME, Input.ACKNOWLEDGED], Leg.FLOWING),
        ([Input.SENT, Input.RESEND, Input.SENT, Input.ACKNOWLEDGED], Leg.ACKED),
        ([Input.SENT, Input.ACKNOWLEDGED, Input.MISSED], Leg.SILENT),
        ([Input.SENT, Input.ACKNOWLEDGED, Input.MISSED, Input.FRAME], Leg.FLOWING),
        ([Input.SENT, Input.ACKNOWLEDGED, Input.MISSED, Input.ACKNOWLEDGED], Leg.SILENT),
        ([Input.SENT, Input.REFUSED, Input.REPAIR, Input.FRAME], Leg.QUEUED),
        ([Input.SENT, Input.ACKNOWLEDGED, Input.SETTLED, Input.FRAME], Leg.FLOWING),
        ([Input.SENT, Input.FRAME, Input.REFUSED], Leg.FLOWING),
    ],
)
def test_paths(inputs, end):
    state = Leg.QUEUED
    for happened in inputs:
        state = after(state, happened)
    assert state is end
