"""Rings of log closes against a dictionary."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.core.instrument import Instrument
from poise.core.outputs import Bar
from poise.market.windows import CloseWindows

S = 1_000_000_000
CAPACITY = 8


def windows():
    items = tuple(
        Instrument(
            ix=ix, venue="v", symbol=f"S{ix}", base="S", quote="T", kind="PERP",
            price_scale=scale, qty_scale=0, tick=1, step=1,
        )
        for ix, scale in enumerate((0, 2))
    )  # fmt: skip
    return CloseWindows(items, "5s", CAPACITY)


def bar(number, close=100, bid=0, ask=0, instrument=0):
    return Bar(
        instrument, "5s", number * 5 * S, (number + 1) * 5 * S, close, close, close, close, 0, 0, 0,
        bid, ask,
    )  # fmt: skip


def test_the_close_is_the_mid_or_else_the_trade():
    ring = windows()
    ring.put(bar(10, close=90, bid=100, ask=103, instrument=1))
    ring.put(bar(11, close=90, bid=100, ask=0, instrument=1))
    expected = [math.log(1.015), math.log(0.9)]
    np.testing.assert_allclose(ring.window(1, 11, 2), expected, rtol=0, atol=1e-15)
    assert ring.mids_in(1, 11, 2) == 1
    assert ring.mids_in(1, 10, 1) == 1


PUTS = st.lists(
    st.tuples(st.integers(100, 130), st.integers(1, 10**6), st.booleans()), min_size=1, max_size=60
)


@settings(max_examples=60)
@given(puts=PUTS)
def test_rings_are_a_dictionary_of_the_newest(puts):
    ring, known = windows(), {}
    for number, close, history in puts:
        newest = max(known, default=-1)
        fits = number > newest - CAPACITY
        taken = (ring.put_history if history else ring.put)(bar(number, close))
        assert taken is (fits and not (history and number in known))
        if taken:
            known[number] = math.log(close)
        newest = max(known, default=-1)
        known = {key: value for key, value in known.items() if key > newest - CAPACITY}
        assert ring.last[0] == newest
        assert ring.last[1] == -1
        for at in range(newest - CAPACITY + 1, newest + 2):
            assert ring.has(0, at) is (at in known)
            run = next(n for n in range(CAPACITY + 1) if at - n not in known)
            for limit in (1, 3, CAPACITY, 99):
                length = min(run, limit)
                assert ring.run_length(0, at, limit) == length
                expected = [known[key] for key in range(at - length + 1, at + 1)]
                window = ring.window(0, at, length)
                np.testing.assert_allclose(window, expected, rtol=1e-15)
                assert window.flags.c_contiguous


def test_nothing_is_there_before_the_first_bar():
    ring = windows()
    assert ring.last.tolist() == [-1, -1]
    for number in (0, 5, 7, 10**9):
        assert not ring.has(0, number)
        assert ring.run_length(0, number, 5) == 0


@pytest.mark.parametrize("number", [10, 13, 17])
def test_bars_older_than_the_ring_do_not_overwrite_newer_ones(number):
    ring = windows()
    ring.put(bar(20, 500))
    ring.put(bar(number, 7))
    assert ring.has(0, number) is (number > 20 - CAPACITY)
    assert ring.window(0, 20, 1).tolist() == [pytest.approx(math.log(500))]
