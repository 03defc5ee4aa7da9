"""The market's fold: which quotes count, when time closes bars, and who is told what."""

import numpy as np
import pytest

from poise.core.events import (
    DepthDiff,
    DepthSnapshot,
    HealFailed,
    MarkPrice,
    Quote,
    RunStarted,
    StreamDown,
    StreamUp,
    TimeframeSpec,
    Timer,
    Trade,
    TradesBackfill,
)
from poise.core.instrument import Instrument
from poise.core.outputs import Bar, BookState, Gap, HealTrades
from poise.market.state import Market

S = 1_000_000_000
MS = 1_000_000
BASE = 1_700_000_040


@pytest.fixture
def market():
    items = tuple(
        Instrument(
            ix=ix, venue="v", symbol=f"S{ix}", base="S", quote="T", kind="PERP", price_scale=0,
            qty_scale=0, tick=1, step=1,
        )
        for ix in range(2)
    )  # fmt: skip
    return Market(
        RunStarted(
            environment="replay", run_id="r", instruments=items,
            timeframes=(TimeframeSpec("1s", 20),), pairs=(), trade_channel="trade", recv_ns=0,
        )
    )  # fmt: skip


def send(market, event):
    outputs = []
    market.on_event(event, outputs)
    return outputs


def at(seconds):
    return int((BASE + seconds) * S)


def quote(update_id, seconds, bid=100, ix=0):
    return Quote(ix, update_id, bid, 1, bid + 1, 1, at(seconds), at(seconds))


def trade(key, seconds, price=100, ix=0, recv=None):
    return Trade(ix, key, price, 1, 1, at(seconds), at(recv or seconds), key, key)


def test_older_quotes_are_passed_over(market):
    assert send(market, quote(10, 1.0)) == []
    for update_id, bid, taken in ((9, 90, False), (10, 91, True), (12, 92, True), (11, 93, False),
                                  (0, 94, True)):  # fmt: skip
        send(market, quote(update_id, 1.5, bid))
        assert (market.quote is not None) is taken, update_id
        assert (market.instruments[0].quote.bid == bid) is taken
    send(market, quote(5, 1.6, 95, ix=1))  # ids of one instrument say nothing of another's
    assert market.quote.bid == 95


def test_ids_that_begin_anew_are_believed_after_five_seconds(market):
    send(market, quote(10**6, 1.0))
    send(market, quote(3, 5.9, 90))
    assert market.quote is None
    send(market, quote(4, 6.1, 91))
    assert market.quote.bid == 91


def test_a_quote_stream_that_ended_forgets_its_ids(market):
    send(market, quote(10**6, 1.0))
    send(market, StreamDown(0, "quote", "closed", at(1.1)))
    assert market.instruments[0].quote is None
    send(market, quote(3, 1.2, 91))
    assert market.quote.bid == 91


def test_time_closes_no_bar_while_trades_are_missing_or_down(market):
    send(market, trade(1, 0.1))
    assert send(market, trade(4, 0.2)) == [HealTrades(0, "trade", 2, 3)]
    assert [item.code for item in send(market, Timer(at(1.5)))] == ["trade_gap"]  # and no bar
    rows = (trade(2, 0.15, 7, recv=1.6), trade(3, 0.15, 5, recv=1.6))
    outputs = send(market, TradesBackfill(0, "trade", rows, at(1.6)))
    assert [type(item) for item in outputs] == [Gap]
    assert [item.trade_id for item in market.accepted] == [2, 3, 4]
    (bar,) = send(market, Timer(at(1.7)))
    assert (bar.trades, bar.low, bar.close) == (4, 5, 100)

    send(market, StreamDown(0, "trade", "closed", at(2.0)))
    assert send(market, Timer(at(9.0))) == []
    send(market, StreamUp(0, "trade", "socket", at(9.1)))
    assert all(isinstance(item, Bar) for item in send(market, Timer(at(9.2))))


def test_one_instrument_s_gap_holds_no_other_s_bars(market):
    for ix in (0, 1):
        send(market, trade(1, 0.1, ix=ix))
    send(market, trade(5, 0.2, ix=0))
    (bar,) = [item for item in send(market, Timer(at(1.9))) if isinstance(item, Bar)]
    assert bar.instrument == 1


def test_heal_failures_go_to_the_stream_that_asked(market):
    empty = np.empty((0, 2), dtype=np.int64)
    send(market, DepthDiff(0, 11, 20, 10, empty, empty, at(0), at(0)))
    send(market, trade(1, 0.1))
    send(market, trade(4, 0.2))
    assert send(market, HealFailed(0, "depth", "HTTP 502", True, at(0.3))) == []
    assert market.instruments[0].trades.healing
    (gap,) = send(market, HealFailed(0, "trade", "gone", True, at(0.4)))
    assert (gap.first_id, gap.last_id, gap.healed) == (2, 3, False)
    assert market.instruments[0].last_trade.trade_id == 4


def test_depth_goes_to_the_book_and_its_end_invalidates_it(market):
    levels = np.array([[100, 1]], dtype=np.int64)
    asks = np.array([[101, 1]], dtype=np.int64)
    send(market, DepthDiff(1, 11, 20, 10, levels, asks, at(0), at(0)))
    outputs = send(market, DepthSnapshot(1, 15, levels, asks, at(0), at(0)))
    assert outputs == [BookState(1, True, "synchronised", at(0))]
    assert market.instruments[1].book.live
    assert not market.instruments[0].book.live
    for channel in ("trade", "quote", "mark"):
        assert send(market, StreamDown(1, channel, "closed", at(1))) == []
    outputs = send(market, StreamDown(1, "depth", "stale", at(1)))
    assert outputs == [BookState(1, False, "stale", at(1))]


def test_a_quote_that_contradicts_the_book_invalidates_it(market):
    levels = np.array([[100, 1]], dtype=np.int64)
    asks = np.array([[101, 1]], dtype=np.int64)
    send(market, DepthDiff(0, 11, 20, 10, levels, asks, at(0), at(0)))
    send(market, DepthSnapshot(0, 15, levels, asks, at(0), at(0)))
    assert send(market, quote(20, 0.5)) == []
    outputs = send(market, quote(20, 0.6, bid=99))
    assert [type(item).__name__ for item in outputs] == ["Diagnostic", "BookState", "HealBook"]


def test_marks_are_kept(market):
    mark = MarkPrice(1, 5, 6, 7, at(9), at(0), at(0))
    send(market, mark)
    assert market.instruments[1].mark == mark
    assert market.instruments[0].mark is None
