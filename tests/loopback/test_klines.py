"""Candles against sums written naively."""

from hypothesis import given
from hypothesis import strategies as st

from poise.loopback.klines import MINUTE_MS, Minutes, select
from poise.loopback.trades import Trade

trades_of_hours = st.lists(
    st.tuples(st.integers(0, 200_000), st.integers(90, 110), st.integers(1, 9), st.booleans()),
    min_size=1,
    max_size=60,
)


def make(rows):
    time_ms, trades = 25_000_000 * MINUTE_MS, []
    for place, (gap, price, qty, maker) in enumerate(rows):
        time_ms += gap
        trades.append(Trade(place, time_ms, price, qty, maker))
    return trades


def naive(trades, width_ms, now_ms):
    """Candles by going through all trades for each frame; empty ones repeat the close."""
    frame, close, found = trades[0].time_ms // width_ms, None, []
    while frame * width_ms <= now_ms:
        own = [t for t in trades if t.time_ms // width_ms == frame]
        prices = [t.price for t in own] or [close]
        close = prices[-1]
        takers = [t for t in own if not t.buyer_is_maker]
        found.append(
            (
                frame * width_ms,
                (
                    *(prices[0], max(prices), min(prices), close, sum(t.qty for t in own)),
                    *(len(own), sum(t.qty * t.price for t in own), sum(t.qty for t in takers)),
                    sum(t.qty * t.price for t in takers),
                ),
            )
        )
        frame += 1
    return found


@given(trades_of_hours, st.integers(0, 300_000))
def test_minutes_are_the_naive_candles(rows, later):
    trades = make(rows)
    now = trades[-1].time_ms + later
    minutes = Minutes()
    for trade in trades:
        minutes.add(trade)
    minutes.fill(now // MINUTE_MS)
    got = select(minutes, "1m", now, None, None, 10_000)
    assert [(c.open_ms, c.values) for c in got] == naive(trades, MINUTE_MS, now)
    assert [c.closed for c in got[:-1]] == [True] * (len(got) - 1)
    assert got[-1].closed is False


@given(trades_of_hours, st.integers(0, 59))
def test_joining_two_parts_is_as_if_there_had_been_one(rows, cut):
    trades = make(rows)
    cut = min(cut, len(trades))
    whole, older, newer = Minutes(), Minutes(), Minutes()
    for place, trade in enumerate(trades):
        whole.add(trade)
        (older if place < cut else newer).add(trade)
    newer.prepend(older)
    last = trades[-1].time_ms // MINUTE_MS
    whole.fill(last)
    newer.fill(last)
    assert newer.first == whole.first
    assert newer.table == whole.table


@given(trades_of_hours)
def test_a_query_ahead_of_the_trades_changes_nothing(rows):
    trades = make(rows)
    asked, quiet = Minutes(), Minutes()
    for trade in trades:
        asked.fill(trade.time_ms // MINUTE_MS)
        asked.add(trade)
        quiet.add(trade)
    assert asked.table == quiet.table


def test_windows_by_start_by_end_and_by_limit():
    minutes = Minutes()
    for trade in make([(60_000, 100, 1, False)] * 30):
        minutes.add(trade)
    first = minutes.first * MINUTE_MS
    now = first + 29 * MINUTE_MS + 5
    opens = lambda *window: [c.open_ms // MINUTE_MS for c in select(minutes, *window)]
    base = minutes.first
    assert opens("1m", now, first + 1, None, 3) == [base + 1, base + 2, base + 3]
    assert opens("1m", now, None, first + 5 * MINUTE_MS, 2) == [base + 4, base + 5]
    assert opens("1m", now, None, None, 2) == [base + 28, base + 29]
    assert opens("1m", now, now + MINUTE_MS, None, 5) == []
    fives = select(minutes, "5m", now, None, None, 100)
    assert all(c.open_ms % (5 * MINUTE_MS) == 0 for c in fives)
    assert sum(c.values[5] for c in fives) == 30
