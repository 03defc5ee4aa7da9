"""Bars against a naive oracle made from the whole list of trades and quotes.

The oracle knows nothing of order of arrival: a bar holds the trades whose `venue_ns` lies in it, in
id order; a quiet bar is flat at the close before it; the mid is the last quote before the bar's
end. What the builder put out, with its corrections applied, must come to the same.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.core.events import BUY, SELL, RunStarted, TimeframeSpec, Timer
from poise.core.instrument import Instrument
from poise.core.outputs import Bar, BarCorrected, Diagnostic
from poise.market.bars import FLAT_MAX, BarBuilder
from poise.market.state import Market

S = 1_000_000_000
MS = 1_000_000
FRAMES = {"1s": 1, "5s": 5, "7s": 7, "1m": 60}
BASE = 1_700_000_040  # seconds; a whole minute


def make_run(frames=tuple(FRAMES)):
    item = Instrument(
        ix=0, venue="v", symbol="A", base="A", quote="T", kind="PERP", price_scale=0, qty_scale=0,
        tick=1, step=1,
    )  # fmt: skip
    return RunStarted(
        environment="replay", run_id="r", instruments=(item,),
        timeframes=tuple(TimeframeSpec(name, 20) for name in frames), pairs=(),
        trade_channel="trade", recv_ns=0,
    )  # fmt: skip


class Collected:
    """Final bars by (timeframe, number), and how they came to be."""

    def __init__(self):
        self.bars, self.closed_at, self.corrections = {}, {}, 0

    def take(self, outputs, now_ns):
        for item in outputs:
            if isinstance(item, Bar):
                key = (item.timeframe, item.start_ns // (FRAMES[item.timeframe] * S))
                assert key not in self.bars, "a bar closed twice"
                self.closed_at[key] = now_ns
                self.bars[key] = item
            elif isinstance(item, BarCorrected):
                bar = item.bar
                key = (bar.timeframe, bar.start_ns // (FRAMES[bar.timeframe] * S))
                assert self.bars[key] != bar, "a correction that corrects nothing"
                self.bars[key] = bar
                self.corrections += 1


def oracle(trades, quotes, seconds, number):
    """(open, high, low, close, volume, buy volume, trades, bid, ask) of a bar; None before any."""
    end = (number + 1) * seconds * S
    before = [trade for trade in trades if trade.venue_ns < end]
    inside = [trade for trade in before if trade.venue_ns >= end - seconds * S]
    if not before:
        return None
    shown = [quote for quote in quotes if quote.venue_ns < end]
    mid = (shown[-1].bid, shown[-1].ask) if shown else (0, 0)
    prices = [trade.price for trade in inside] or [before[-1].price]
    bought = sum(trade.qty for trade in inside if trade.aggressor_side == BUY)
    volume = sum(trade.qty for trade in inside)
    return (
        prices[0], max(prices), min(prices), prices[-1], volume, bought, len(inside), *mid
    )  # fmt: skip


def flat(bar):
    return (
        bar.open, bar.high, bar.low, bar.close, bar.volume, bar.buy_volume, bar.trades,
        bar.bid_close, bar.ask_close,
    )  # fmt: skip


def market_of(rng, make_trade, make_quote, seconds):
    """Trades and quotes in the order of the venue's clock, some seconds without any."""
    trades, quotes, price = [], [], 1_000
    at = BASE * S + rng.randrange(3 * S)
    while at < (BASE + seconds) * S:
        price = max(10, price + rng.randint(-5, 5))
        if rng.random() < 0.6:
            side = rng.choice([BUY, SELL])
            trades.append(make_trade(len(trades) + 1, price, rng.randint(1, 9), side, venue_ns=at))
        else:
            quotes.append(make_quote(price - 1, price + 1, at, update_id=len(quotes) + 1))
        at += int(rng.choice([0, 1, 50, 400, 900, 4_000]) * rng.random() * MS)
    return trades, quotes


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), late=st.sampled_from([0.0, 0.02, 0.2]))
def test_bars_are_those_of_the_naive_oracle(seed, late, make_trade, make_quote):
    rng = random.Random(seed)
    trades, quotes = market_of(rng, make_trade, make_quote, 80)
    if not trades:
        return
    end = (BASE + 130) * S
    for at in range((BASE + 80) * S, end, S):  # what tells the time while late trades come in
        quotes.append(make_quote(500, 501, at, update_id=len(quotes) + 1))
    # Arrival: 20 ms after the venue's time; with `late`, trades up to 40 s after it, ids in order.
    # (The first comes in time: before it there is no price, so no bar that it could correct.)
    arrivals, behind = [], 0
    for trade in trades:
        is_late = arrivals and rng.random() < late
        delay = 40 * S * rng.random() if is_late else 20 * MS
        behind = max(behind, trade.venue_ns + int(delay))
        arrivals.append((behind, 1, trade))
    arrivals += [(quote.venue_ns + 20 * MS, 0, quote) for quote in quotes]
    arrivals += [(at, 2, Timer(at)) for at in range(BASE * S, end, 100 * MS)]
    market, found = Market(make_run()), Collected()
    for now, kind, event in sorted(arrivals, key=lambda row: row[:2]):
        if kind == 1:
            event = make_trade(  # noqa: PLW2901 - the same trade, with the time it came
                event.trade_id, event.price, event.qty, event.aggressor_side, event.venue_ns, now
            )
        outputs = []
        market.on_event(event, outputs)
        found.take(outputs, now)
    first = min(item.venue_ns for item in [*trades[:1], *quotes[:1]]) // S
    checked = 0
    for name, seconds in FRAMES.items():
        for number in range(first // seconds, end // (seconds * S)):
            expected = oracle(trades, quotes, seconds, number)
            bar = found.bars.get((name, number))
            if expected is None:
                assert bar is None
            elif (number + 1) * seconds * S + 300 * MS <= end:
                assert bar is not None, (name, number)
                assert flat(bar) == expected, (name, number)
                assert bar.end_ns - bar.start_ns == seconds * S
                checked += 1
    assert checked > 60
    assert (found.corrections > 0) >= (late > 0.1 and len(trades) > 60)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_longer_bars_are_made_of_the_seconds(seed, make_trade, make_quote):
    """Whatever the order of arrival and whatever was too late: the timeframes agree."""
    rng = random.Random(seed)
    trades, quotes = market_of(rng, make_trade, make_quote, 130)
    builder, found = BarBuilder(0, tuple(FRAMES)), Collected()
    now, events = 0, sorted([*trades, *quotes], key=lambda item: item.venue_ns)
    for event in events:
        outputs = []
        if event in trades:
            builder.on_trade(event, outputs)
        else:
            builder.on_quote(event)
        now = max(now, event.venue_ns + rng.randint(0, 5 * S))  # a hasty clock makes trades late
        builder.settle(outputs)
        builder.on_clock(now, outputs)
        found.take(outputs, now)
    second = {number: bar for (name, number), bar in found.bars.items() if name == "1s"}
    if not second:
        return
    for (name, number), bar in found.bars.items():
        parts = [second[n] for n in range(number * FRAMES[name], (number + 1) * FRAMES[name])
                 if n in second]  # fmt: skip
        traded = [part for part in parts if part.trades] or parts[-1:]
        assert flat(bar) == (
            traded[0].open, max(part.high for part in traded), min(part.low for part in traded),
            parts[-1].close, *(sum(getattr(part, key) for part in parts)
                               for key in ("volume", "buy_volume", "trades")),
            parts[-1].bid_close, parts[-1].ask_close,
        )  # fmt: skip


@pytest.fixture
def builder():
    return BarBuilder(0, ("1s", "5s"))


def closed(outputs):
    return [(item.timeframe, item.start_ns // S - BASE) for item in outputs]


def test_a_bar_closes_at_the_first_later_trade(builder, make_trade):
    outputs = []
    builder.on_trade(make_trade(1, venue_ns=BASE * S), outputs)
    builder.on_trade(make_trade(2, venue_ns=BASE * S + S - 1), outputs)
    assert outputs == []
    builder.on_trade(make_trade(3, venue_ns=BASE * S + S), outputs)
    assert closed(outputs) == [("1s", 0)]
    assert outputs[0].trades == 2


@pytest.mark.parametrize("offset_ms", [-5_000, -1_270, 0, 3_000])
def test_the_clock_closes_a_bar_250_ms_after_its_end_by_the_venue_s_time(make_trade, offset_ms):
    """Whatever our own clock shows: the recordings' runs 1.27 s behind."""
    market, outputs = Market(make_run(("1s",))), []
    recv = BASE * S + 10 * MS - offset_ms * MS
    market.on_event(make_trade(1, venue_ns=BASE * S + 10 * MS, recv_ns=recv), outputs)
    for ms in range(0, 2_000, 10):
        market.on_event(Timer(recv + ms * MS), outputs)
        assert (len(outputs) > 0) is (10 + ms >= 1_250)


def test_a_quiet_bar_is_flat_at_the_close_before_it(builder, make_trade):
    outputs = []
    builder.on_trade(make_trade(1, 100, venue_ns=BASE * S), outputs)
    builder.on_trade(make_trade(2, 105, venue_ns=BASE * S + 9), outputs)
    builder.on_clock((BASE + 3) * S, outputs)
    assert [flat(item)[:7] for item in outputs[1:]] == [(105, 105, 105, 105, 0, 0, 0)] * 2


def test_nothing_is_put_out_before_the_first_trade(builder, make_quote, make_trade):
    outputs = []
    builder.on_quote(make_quote(99, 101, BASE * S))
    builder.on_clock((BASE + 3) * S, outputs)
    assert outputs == []
    builder.on_trade(make_trade(1, 100, venue_ns=(BASE + 3) * S), outputs)
    builder.on_clock((BASE + 4) * S, outputs)
    assert [flat(item)[-2:] for item in outputs] == [(99, 101)]


def test_a_known_price_makes_quiet_seconds_bars(builder, make_quote):
    outputs = []
    builder.on_quote(make_quote(99, 101, BASE * S))
    builder.seed(98)
    builder.seed(7)  # only the first counts
    builder.on_clock((BASE + 1) * S, outputs)
    assert flat(outputs[0]) == (98, 98, 98, 98, 0, 0, 0, 99, 101)


def test_a_quote_ahead_of_the_open_second_waits_for_its_own(builder, make_quote, make_trade):
    outputs = []
    builder.on_trade(make_trade(1, 100, venue_ns=BASE * S), outputs)
    builder.on_quote(make_quote(99, 101, BASE * S + 5))
    builder.on_quote(make_quote(199, 201, (BASE + 2) * S + 5))
    builder.on_quote(make_quote(9, 11, BASE * S - 5))  # older than the second: too late to count
    builder.on_clock((BASE + 3) * S, outputs)
    assert [flat(item)[-2:] for item in outputs] == [(99, 101), (99, 101), (199, 201)]


def test_quotes_of_a_stream_that_is_down_close_no_bar(builder, make_quote, make_trade):
    outputs = []
    builder.on_trade(make_trade(1, 100, venue_ns=BASE * S), outputs)
    builder.on_quote(make_quote(99, 101, BASE * S + 5))
    builder.on_quote(make_quote(99, 101, (BASE + 1) * S + 5))
    builder.forget_quotes()
    builder.on_clock((BASE + 2) * S, outputs)
    assert [flat(item)[-2:] for item in outputs] == [(0, 0), (0, 0)]


def test_a_late_trade_moves_the_flat_bars_behind_it_too(builder, make_trade):
    outputs = []
    builder.on_trade(make_trade(1, 100, 2, SELL, venue_ns=BASE * S), outputs)
    builder.on_clock((BASE + 6) * S, outputs)
    late = []
    builder.on_trade(make_trade(2, 90, 3, BUY, venue_ns=(BASE + 3) * S), late)
    assert late == []
    builder.settle(late)
    assert all(isinstance(item, BarCorrected) for item in late)
    rows = {
        (item.bar.timeframe, item.bar.start_ns // S - BASE): flat(item.bar)[:7] for item in late
    }
    assert rows == {
        ("1s", 3): (90, 90, 90, 90, 3, 3, 1),
        ("1s", 4): (90, 90, 90, 90, 0, 0, 0),
        ("1s", 5): (90, 90, 90, 90, 0, 0, 0),
        ("5s", 0): (100, 100, 90, 90, 5, 3, 2),
    }
    builder.on_clock((BASE + 7) * S, outputs)
    assert outputs[-1].close == 90


def test_the_forming_bar_holds_everything_up_to_now(builder, make_trade, make_quote):
    assert builder.forming("1s") is None
    outputs = []
    builder.on_trade(make_trade(1, 100, 2, BUY, venue_ns=BASE * S), outputs)
    builder.on_trade(make_trade(2, 120, 2, SELL, venue_ns=(BASE + 1) * S), outputs)
    builder.on_quote(make_quote(98, 99, (BASE + 1) * S))
    builder.on_trade(make_trade(3, 90, 5, SELL, venue_ns=(BASE + 2) * S), outputs)
    bar = builder.forming("5s")
    assert (bar.open, bar.high, bar.low, bar.close) == (100, 120, 90, 90)
    assert (bar.volume, bar.buy_volume, bar.trades, bar.bid, bar.ask) == (9, 2, 3, 98, 99)
    assert builder.forming("1s").trades == 1


def test_a_trade_dated_far_ahead_ends_no_bar(make_trade):
    market, outputs = Market(make_run(("1s",))), []
    market.on_event(make_trade(1, venue_ns=BASE * S), outputs)
    market.on_event(make_trade(2, venue_ns=(BASE + 10**9) * S, recv_ns=BASE * S + 1), outputs)
    assert [item.code for item in outputs] == ["trade_time"]
    market.on_event(make_trade(3, venue_ns=BASE * S + 2), outputs)
    market.on_event(Timer((BASE + 2) * S), outputs)
    assert [item.trades for item in outputs[1:]] == [2]


def test_a_pause_too_long_to_be_filled_begins_bars_anew(builder, make_trade):
    outputs = []
    builder.on_trade(make_trade(1, 100, venue_ns=BASE * S), outputs)
    builder.on_clock((BASE + FLAT_MAX) * S, outputs)
    assert len(outputs) == FLAT_MAX + FLAT_MAX // 5
    del outputs[:]
    builder.on_trade(make_trade(2, 110, venue_ns=(BASE + 10**8) * S), outputs)
    builder.on_clock((BASE + 10**8 + 1) * S, outputs)
    assert [type(item) for item in outputs] == [Bar, Diagnostic, Bar]
    assert flat(outputs[-1])[:4] == (110, 110, 110, 110)


def test_a_trade_too_late_for_its_bar_is_told(builder, make_trade):
    outputs = []
    builder.on_trade(make_trade(1, 100, venue_ns=BASE * S), outputs)
    builder.on_clock((BASE + 1_000) * S, outputs)
    del outputs[:]
    builder.on_trade(make_trade(2, 100, venue_ns=(BASE + 10) * S), outputs)
    assert [item.code for item in outputs if isinstance(item, Diagnostic)] == ["late_trade"]
