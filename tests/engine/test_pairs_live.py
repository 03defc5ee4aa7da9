"""At any tick the value equals batch(closed bars) applied to the present mids."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.analytics import kalman
from poise.analytics import pairs as table
from poise.analytics.pair_history import pair_history
from poise.core.errors import UserError
from poise.core.events import (
    BarsHistory,
    HistoryBar,
    PairAdded,
    PairSpec,
    StreamDown,
    Timer,
    Trade,
    TradesHistory,
)
from poise.core.outputs import PairState

S = 1_000_000_000
MS = 1_000_000


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_stream_of_events_gives_the_slow_way_s_numbers(seed, make_desk, make_walk, base_s):
    rng = random.Random(seed)
    desk, walk = make_desk([(0, 1), (2, 0)]), make_walk(seed, 140)
    checks = 0
    for second in range(130):
        start = (base_s + second) * S
        times = sorted(rng.sample(range(1_000), 8))
        for ms in times:
            ix, at = rng.randrange(3), start + ms * MS
            price = int(walk[ix][second]) + rng.randint(-9, 9)
            match rng.choice(["quote", "quote", "trade", "trade", "timer", "down"]):
                case "quote":
                    desk.quote(ix, at, price, rng.randint(1, 5))
                case "trade":
                    desk.trade(ix, at, price)
                case "timer":
                    desk.step(Timer(at))
                case "down" if rng.random() < 0.1:
                    desk.step(StreamDown(ix, "quote", "stale", at))
            if rng.random() < 0.2:
                checks += desk.check()
    assert checks > 100


def test_every_tick_is_repriced_and_no_parameter_moves_between_bars(make_desk, make_walk, base_s):
    desk, walk = make_desk([(0, 1)]), make_walk(1, 30)
    desk.play(walk, 0, 25)
    assert desk.check() == 1  # 20 bars of 1s, not yet of 5s
    frozen = desk.engine.pairs.params.tobytes()
    before = desk.engine.pairs.outputs[0].copy()
    for step in range(1, 5):
        desk.quote(0, (base_s + 24) * S + (800 + step) * MS, int(walk[0][24]) + 10 * step)
        assert desk.engine.pairs.params.tobytes() == frozen
        assert desk.engine.pairs.outputs[0, table.UPDATES] == before[table.UPDATES] + step
        assert desk.check() == 1
    assert desk.engine.pairs.outputs[0, table.Z_WINDOW] != before[table.Z_WINDOW]


def test_the_kalman_filter_is_that_of_the_batch_over_the_same_bars(make_desk, make_walk):
    desk, walk = make_desk([(0, 1), (2, 1)]), make_walk(2, 130)
    desk.play(walk, 0, 125)
    assert desk.check() == 4
    for row, pair, name in desk.rows():
        log_y, log_x, newest = desk.series(pair, name)
        numbers = np.arange(newest - log_y.size + 1, newest + 1)
        batch = pair_history(log_y, log_x, desk.window, numbers + row)
        params = desk.engine.pairs.params[row]
        assert params[table.BETA_KALMAN] == pytest.approx(batch.beta_kalman[-1], rel=1e-9)
        assert params[table.Z_KALMAN_CLOSE] == pytest.approx(batch.z_kalman[-1], rel=1e-6)
        assert params[table.Z_KALMAN_STD] == pytest.approx(batch.z_kalman_std[-1], rel=1e-6)
        # And z_kalman of the present mids is the innovation over its deviation, by matrices.
        state = params[table.KALMAN : table.KALMAN + kalman.KALMAN_STATE]
        y, x = (math.log(desk.mids[leg]) for leg in (pair.y, pair.x))
        h = np.array([1.0, x - state[kalman.CENTRE]])
        mean = state[[kalman.LEVEL, kalman.BETA]]
        covariance = state[[kalman.P_LEVEL, kalman.P_CROSS, kalman.P_CROSS, kalman.P_BETA]]
        variance = h @ covariance.reshape(2, 2) @ h + state[kalman.NOISE_OBSERVATION]
        z = (y - h @ mean) / math.sqrt(variance)
        assert desk.engine.pairs.outputs[row, table.Z_KALMAN] == pytest.approx(z, rel=1e-9)


def history(ix, walk, seconds, base_s, timeframe="5s"):
    """Past bars whose closes are the walk's mids at each bar's end."""
    length = {"1s": 1, "5s": 5}[timeframe]
    bars = []
    for start in range(-seconds * length, 0, length):
        close = int(walk[ix][start + length - 1])
        bars.append(HistoryBar((base_s + start) * S, close, close, close, close, 9, 3))
    return BarsHistory(ix, timeframe, tuple(bars), base_s * S)


def test_history_warms_a_pair_at_once_and_live_bars_continue_it(make_desk, make_walk, base_s):
    desk, walk = make_desk([(0, 1)]), make_walk(3, 200)
    past = [np.roll(row, 100) for row in walk]  # past[-k] is what came k seconds before
    desk.step(history(0, past, 30, base_s))
    assert desk.check() == 0
    desk.step(history(1, past, 30, base_s))
    assert [item for item in desk.outputs if isinstance(item, PairState)] == [PairState(1, True)]
    assert math.isnan(desk.shown(1)["z"])  # warm, but no mid is known yet
    desk.quote(0, base_s * S + MS, int(walk[0][0]))
    desk.quote(1, base_s * S + MS, int(walk[1][0]))
    assert desk.check() == 1
    assert math.isfinite(desk.shown(1)["z"])
    desk.play(walk, 0, 60)
    assert desk.check() == 2
    assert desk.engine.pairs.windows["5s"].mids_in(0, (base_s + 54) // 5, 20) == 11


def test_warm_from_history_equals_warm_from_live(make_desk, make_walk, base_s):
    walk = make_walk(4, 260)
    live, warmed = make_desk([(0, 1)]), make_desk([(0, 1)])
    live.play(walk, 0, 200)
    warmed.play(walk, 100, 105)
    for ix in (0, 1):
        bars = []
        for number in range((base_s + 0) // 5, (base_s + 100) // 5):
            cents = round(live.closes[ix, "5s", number] * 100)
            bars.append(HistoryBar(number * 5 * S, cents, cents, cents, cents, 1, 1))
        warmed.step(BarsHistory(ix, "5s", tuple(bars), (base_s + 105) * S))
    assert warmed.check() == 1
    warmed.play(walk, 105, 200)
    for row in (0, 1):
        assert warmed.shown(row) == pytest.approx(live.shown(row), rel=1e-9)
    # The filter was started at another bar, but a refit forgets that.
    for desk in (live, warmed):
        desk.play(walk, 200, 260)
    # (The refits are every 20 bars of the pair's own count, so the seconds have had one since.)
    ours, theirs = (desk.engine.pairs.params[0, table.BETA_KALMAN] for desk in (live, warmed))
    assert ours == theirs


def test_history_under_live_bars_does_not_replace_them(make_desk, make_walk, base_s):
    desk, walk = make_desk([(0, 1)]), make_walk(5, 80)
    desk.play(walk, 0, 30)
    kept = dict(desk.closes)
    wrong = tuple(HistoryBar((base_s + at) * S, 5, 5, 5, 5, 1, 1) for at in range(-100, 30, 5))
    desk.step(BarsHistory(0, "5s", wrong, (base_s + 30) * S))
    assert {key: desk.closes[key] for key in kept} == kept
    desk.check()


def test_the_bar_still_forming_at_the_venue_is_left_out(make_desk, make_walk, base_s):
    desk, walk = make_desk([(0, 1)]), make_walk(6, 60)
    desk.play(walk, 0, 7)  # the clock now shows 6.7 s
    bars = tuple(HistoryBar((base_s + at) * S, 5, 5, 5, 5, 1, 1) for at in (-5, 0, 5, 10))
    out = desk.step(BarsHistory(2, "5s", bars, (base_s + 7) * S))
    assert [item.start_ns // S - base_s for item in out] == [-5, 0]
    assert all(item.origin == "history" for item in out)


def past_trades(walk, base_s, first, last, ids):
    """Aggregate trades, two each second but none in every fourth."""
    trades = []
    for second in range(first, last):
        for ms in (100, 600) if second % 4 else ():
            key = next(ids)
            at = (base_s + second) * S + ms * MS
            price = int(walk[0][second]) + ms // 100
            trades.append(Trade(0, key, price, 2, 1, at, base_s * S, 2 * key, 2 * key + 1))
    return tuple(trades)


def test_past_trades_become_seconds_page_by_page(make_desk, make_walk, base_s):
    desk, walk = make_desk([(0, 1)]), make_walk(7, 100)
    trades = past_trades(walk, base_s - 100, 1, 90, iter(range(1_000)))
    for page in range(0, len(trades), 30):
        rows = trades[page : page + 30]
        desk.step(TradesHistory(0, rows, base_s * S, complete=len(rows) < 30))
        desk.step(TradesHistory(0, rows, base_s * S, complete=False))  # a page twice adds nothing
    seconds = {n - (base_s - 100): close for (_, name, n), close in desk.closes.items()
               if name == "1s"}  # fmt: skip
    # The first second may have begun before the page, the last may not be over.
    assert sorted(seconds) == list(range(2, 89))
    for second, close in seconds.items():
        traded = second if second % 4 else second - 1
        assert close == pytest.approx((walk[0][traded] + 6) / 100)


@pytest.mark.parametrize("first_live_id", [None, 60, 61, 62])
def test_past_seconds_join_live_ones_where_the_ids_prove_no_hole(
    make_desk, make_walk, base_s, first_live_id
):
    """Past raw ids end with 59, in second -5; the first live quote is of second 0."""
    desk, walk = make_desk([(0, 1)]), make_walk(8, 40)
    desk.quote(0, base_s * S + 5 * MS, 30_000)
    if first_live_id is not None:
        at = base_s * S + 9 * MS
        desk.step(Trade(0, first_live_id, 30_000, 1, 1, at, at, first_live_id, first_live_id))
    ids = iter(range(100))
    trades = past_trades(walk, base_s - 25, 1, 22, ids)[:30]
    assert trades[-1].last_raw_id == 59
    newest = trades[-1].venue_ns // S
    desk.step(TradesHistory(0, trades, base_s * S, complete=True))
    seconds = {number for _, name, number in desk.closes if name == "1s"}
    joined = first_live_id is None or first_live_id <= 60
    assert ((base_s - 1) in seconds) is joined
    assert max(seconds) == (base_s - 1 if joined else newest - 1)


def test_a_page_with_more_behind_it_is_not_taken_for_the_last(make_desk, make_walk, base_s):
    """Before the first live trade only a page that ends the past may be bridged to now."""
    desk, walk = make_desk([(0, 1)]), make_walk(9, 100)
    desk.quote(0, base_s * S + 5 * MS, 30_000)
    trades = past_trades(walk, base_s - 90, 1, 86, iter(range(1_000)))
    desk.step(TradesHistory(0, trades[:60], base_s * S, complete=False))
    desk.step(TradesHistory(0, trades[60:], base_s * S, complete=True))
    for second in range(2, 86):
        traded = second if second % 4 else second - 1
        close = desk.closes[0, "1s", base_s - 90 + second]
        assert close == pytest.approx((walk[0][traded] + 6) / 100), second
    # Quiet seconds go on at the last past price.
    desk.quote(0, (base_s + 2) * S, 30_000)
    desk.step(Timer((base_s + 3) * S))
    opened = [item for item in desk.outputs if getattr(item, "origin", "") == "live"]
    assert {item.close for item in opened} == {trades[-1].price}


def test_a_pair_added_while_running_is_warm_at_once(make_desk, make_walk, base_s):
    walk = make_walk(10, 140)
    late, early = make_desk([(0, 1)]), make_desk([(0, 1), (2, 1)])
    for desk in (late, early):
        desk.play(walk, 0, 115)
    outputs = late.step(PairAdded(PairSpec(2, 1), (base_s + 115) * S))
    assert outputs == [PairState(2, True), PairState(3, True)]
    assert late.check() == early.check() == 4
    for row in range(4):
        assert late.shown(row) == early.shown(row)
    assert late.step(PairAdded(PairSpec(2, 1), (base_s + 115) * S)) == []  # known already
    assert len(late.engine.pairs.pairs) == 2
    for desk in (late, early):
        desk.play(walk, 115, 140)
        assert desk.check() == 4
    for row in range(4):
        assert late.shown(row) == early.shown(row)


@pytest.mark.parametrize(("y", "x"), [(0, 0), (0, 3), (-1, 0), (3, 1)])
def test_what_is_no_pair_is_refused_and_changes_nothing(make_desk, y, x):
    desk = make_desk([(0, 1)])
    before = desk.engine.pairs.params.tobytes()
    with pytest.raises(UserError):
        desk.engine.pairs.check(PairSpec(y, x))
    with pytest.raises(UserError):
        desk.step(PairAdded(PairSpec(y, x), 1))
    assert desk.engine.pairs.params.tobytes() == before
    assert len(desk.engine.pairs.pairs) == 1


def test_a_quote_stream_that_is_down_makes_its_rows_unknown(make_desk, make_walk, base_s):
    desk, walk = make_desk([(0, 1), (2, 1)]), make_walk(11, 60)
    desk.play(walk, 0, 30)
    at = (base_s + 29) * S + 900 * MS
    for channel in ("trade", "depth", "mark"):
        desk.step(StreamDown(0, channel, "closed", at))
        assert math.isfinite(desk.shown(0)["z"])
    desk.step(StreamDown(0, "quote", "closed", at))
    outputs = desk.engine.pairs.outputs
    columns = [table.SPREAD, table.Z_WINDOW, table.Z_KALMAN]
    assert np.isnan(outputs[0, columns]).all()
    assert np.isfinite(outputs[2, columns]).all()
    assert np.isfinite(desk.engine.pairs.params[0, table.BETA_OLS])
    desk.check()
    desk.quote(0, at + MS, int(walk[0][29]))
    assert np.isfinite(outputs[0, columns]).all()
    desk.check()


def test_bars_go_on_as_trades_while_quotes_are_down(make_desk, make_walk, base_s):
    desk, walk = make_desk([(0, 1)]), make_walk(12, 80)
    desk.play(walk, 0, 30)
    desk.step(StreamDown(0, "quote", "closed", (base_s + 30) * S))
    desk.play(walk, 30, 60, quiet={0})
    desk.check()
    number = base_s + 58
    assert desk.closes[0, "1s", number] == pytest.approx((walk[0][58] + 7) / 100)
    assert desk.engine.pairs.windows["1s"].mids_in(0, number, 20) == 0


def test_a_hole_in_the_bars_makes_a_row_warm_up_again(make_desk, make_walk):
    desk, walk = make_desk([(0, 1)]), make_walk(13, 5_100)
    desk.play(walk, 0, 25)
    assert desk.check() == 1
    desk.play(walk, 5_000, 5_010)  # longer than bars are filled flat
    assert desk.check() == 0
    states = [item for item in desk.outputs if isinstance(item, PairState)]
    assert states == [PairState(0, True), PairState(0, False)]
    desk.play(walk, 5_010, 5_030)
    assert desk.check() == 1
