"""Trades by id and the aggregation rule, against a naive oracle."""

from array import array
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.loopback.trades import Trade, TradeColumns, TradeLog

trade_lists = st.lists(
    st.tuples(st.integers(0, 120), st.integers(1, 3), st.integers(1, 5), st.booleans()),
    max_size=40,
)


def make(rows, first_id=100):
    time_ms = 1_000
    trades = []
    for place, (gap, price, qty, maker) in enumerate(rows):
        time_ms += gap
        trades.append(Trade(first_id + place, time_ms, price, qty, maker))
    return trades


def oracle(trades):
    groups = groupby(trades, key=lambda t: (t.price, t.buyer_is_maker, t.time_ms // 100))
    return [
        (group[0].id, group[-1].id, group[0].time_ms, group[0].price, sum(t.qty for t in group))
        for group in (list(each) for _, each in groups)
    ]


def rows_of(aggs):
    return [(a.first_id, a.last_id, a.time_ms, a.price, a.qty) for a in aggs]


@given(trade_lists)
def test_aggregates_are_runs_of_one_price_side_and_slot(rows):
    trades = make(rows)
    log = TradeLog(100, 7)
    streamed = [closed for trade in trades if (closed := log.append(trade))]
    last = log.close_last()
    streamed += [last] if last else []
    assert rows_of(streamed) == oracle(trades)
    assert [a.id for a in streamed] == list(range(7, 7 + len(streamed)))
    assert log.aggs_from_id(0, 1000) == streamed
    assert log.all() == trades


@given(trade_lists, trade_lists)
def test_older_trades_take_the_ids_below(older, newer):
    live = [
        Trade(t.id, t.time_ms + 100_000, t.price, t.qty, t.buyer_is_maker) for t in make(newer, 500)
    ]
    log = TradeLog(500, 50)
    for trade in live:
        log.append(trade)
    past = make(older, 500 - len(older))
    log.prepend(
        TradeColumns(
            array("q", [t.time_ms for t in past]),
            array("q", [t.price for t in past]),
            array("q", [t.qty for t in past]),
            bytearray(t.buyer_is_maker for t in past),
        )
    )
    log.close_last()
    assert log.all() == past + live
    aggs = log.latest_aggs(10_000)
    assert rows_of(aggs) == oracle(past) + oracle(live)
    assert all(b.id == a.id + 1 for a, b in pairwise(aggs))
    assert not live or next(a for a in aggs if a.first_id == 500).id == 50


def test_forgetting_keeps_ids_and_whole_aggregates():
    log = TradeLog(1, 1)
    for trade in make([(60, 1 + n % 2, 1, False) for n in range(100)], 1):
        log.append(trade)
    before = log.aggs_from_id(0, 1000)
    log.forget_before(4_000)
    assert 1 < log.first_id <= 60
    assert log.all()[0].id == log.first_id
    after = log.aggs_from_id(0, 1000)
    assert after == before[-len(after) :]


def test_a_trade_that_does_not_follow_is_refused():
    log = TradeLog(5, 1)
    with pytest.raises(ValueError, match="does not follow"):
        log.append(Trade(7, 0, 1, 1, buyer_is_maker=False))


def test_between_times_is_inclusive_on_both_ends():
    log = TradeLog(1, 1)
    for trade in make([(100, 1, 1, False)] * 10, 1):
        log.append(trade)
    log.close_last()
    assert [a.time_ms for a in log.aggs_between(1_200, 1_400, 10)] == [1_200, 1_300, 1_400]
    assert [a.time_ms for a in log.latest_aggs(2, 1_500)] == [1_400, 1_500]
    assert log.ids_between(1_200, 1_250) == (2, 2)
    assert log.ids_between(5_000, 6_000) == (-1, -1)
