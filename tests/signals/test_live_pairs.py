"""The table's bookkeeping: when a row commits, and on which bars."""

import functools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.analytics import pairs as table
from poise.core.events import PairSpec, RunStarted, TimeframeSpec
from poise.core.instrument import Instrument
from poise.core.outputs import Bar, PairState
from poise.signals.pairs import SPARE_BARS, LivePairs

S = 1_000_000_000
WINDOW = 20


def live_pairs(pairs, count=3):
    items = tuple(
        Instrument(
            ix=ix, venue="v", symbol=f"S{ix}", base="S", quote="T", kind="PERP", price_scale=1,
            qty_scale=0, tick=1, step=1,
        )
        for ix in range(count)
    )  # fmt: skip
    return LivePairs(
        RunStarted(
            environment="replay", run_id="r", instruments=items,
            timeframes=(TimeframeSpec("1s", WINDOW),),
            pairs=tuple(PairSpec(y, x) for y, x in pairs), trade_channel="trade", recv_ns=0,
        )
    )  # fmt: skip


@functools.cache
def price(ix, number):
    """A fixed wavy price, in tenths."""
    rng = random.Random(ix * 1_000_003 + number)
    return 10_000 + 900 * ix + int(200 * math.sin(number / 7 + ix)) + rng.randint(-30, 30)


def bar(ix, number, timeframe="1s"):
    close = price(ix, number)
    return Bar(
        ix, timeframe, number * S, (number + 1) * S, close, close, close, close, 1, 1, 1, 0, 0
    )


@functools.cache
def slow_beta(y, x, newest):
    numbers = range(newest - WINDOW + 1, newest + 1)
    log_y, log_x = (np.log([price(ix, n) / 10 for n in numbers]) for ix in (y, x))
    return np.polyfit(log_x - log_x.mean(), log_y, 1)[0]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_row_stands_on_the_newest_bars_that_both_legs_have(seed):
    """Legs run ahead of each other by up to the spare bars; bars may be missing or come again."""
    rng = random.Random(seed)
    live, have = live_pairs([(1, 0), (0, 2)]), [set(), set(), set()]
    at = [1_000, 1_000, 1_000]
    for _ in range(250):
        ix = rng.randrange(3)
        if at[ix] - min(at) >= SPARE_BARS - 2:
            continue
        number, again = at[ix], rng.random() < 0.1 and have[ix]
        if again:
            number = max(have[ix])  # a correction of the newest bar
        else:
            at[ix] += 1
            if rng.random() < 0.01:
                continue
        have[ix].add(number)
        live.on_bar(bar(ix, number), [])
        for row, pair in enumerate(live.pairs):
            common = have[pair.y] & have[pair.x]
            if not common:
                continue
            newest = max(common)
            full = all(newest - n in common for n in range(WINDOW))
            assert bool(live.params[row, table.READY] == 1.0) is full
            if full:
                beta = live.params[row, table.BETA_OLS]
                assert beta == pytest.approx(slow_beta(pair.y, pair.x, newest), rel=1e-7)


def test_states_are_told_when_they_change():
    live, outputs = live_pairs([(0, 1)]), []
    for number in range(1_000, 1_030):
        for ix in (0, 1):
            live.on_bar(bar(ix, number), outputs)
    assert outputs == [PairState(0, True)]
    for ix in (0, 1):
        live.on_bar(bar(ix, 1_031), outputs)  # 1030 is missing
    assert outputs == [PairState(0, True), PairState(0, False)]


def test_bars_of_other_timeframes_and_instruments_pass_by():
    live = live_pairs([(0, 1)])
    before = live.params.tobytes()
    live.on_bar(bar(0, 5, "7s"), [])
    live.on_bar(bar(2, 5), [])
    assert live.params.tobytes() == before


def test_mids_are_logs_of_the_middle_and_are_forgotten():
    live = live_pairs([(0, 1)])
    live.on_mid(0, 1_000, 1_003)
    assert live.log_mid[0] == pytest.approx(math.log(100.15), rel=1e-15)
    assert live.outputs[0, table.UPDATES] == 1
    live.on_mid(2, 5, 6)
    assert live.outputs[0, table.UPDATES] == 1
    live.forget_mid(0)
    assert math.isnan(live.log_mid[0])
    assert np.isnan(live.outputs[0, [table.SPREAD, table.Z_WINDOW, table.Z_KALMAN]]).all()


def test_rows_keep_their_numbers_when_pairs_are_added():
    live, outputs = live_pairs([(0, 1)]), []
    for number in range(1_000, 1_025):
        for ix in range(3):
            live.on_bar(bar(ix, number), outputs)
    first = live.params[0].copy()
    live.add(PairSpec(2, 0), outputs)
    live.add(PairSpec(1, 0), outputs)  # the other way round is another pair
    assert live.params[0].tolist() == first.tolist()
    assert [(pair.y, pair.x) for pair in live.pairs] == [(0, 1), (2, 0), (1, 0)]
    assert live.params[:, [table.LEG_Y, table.LEG_X]].tolist() == [[0, 1], [2, 0], [1, 0]]
    assert (live.params[:, table.READY] == 1.0).all()
    for ix in range(3):
        live.on_mid(ix, price(ix, 1_024), price(ix, 1_024))
    for row, pair in enumerate(live.pairs):
        beta = slow_beta(pair.y, pair.x, 1_024)
        spread = math.log(price(pair.y, 1_024) / 10) - beta * math.log(price(pair.x, 1_024) / 10)
        assert live.outputs[row, table.SPREAD] == pytest.approx(spread, rel=1e-7)
