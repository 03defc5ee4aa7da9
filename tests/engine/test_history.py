"""Bars from before the run: klines without the forming one, seconds from paged trades."""

from hypothesis import given
from hypothesis import strategies as st

from poise.core.events import BarsHistory, HistoryBar, Trade
from poise.engine.history import PastSeconds, history_bars

SECOND = 1_000_000_000
START = 1_700_000_000


def trade(raw_id: int, at_ms: int, price: int, qty: int = 1, side: int = 1) -> Trade:
    at = START * SECOND + at_ms * 1_000_000
    return Trade(0, raw_id, price, qty, side, at, at, raw_id, raw_id)


def test_the_forming_kline_is_left_out() -> None:
    rows = tuple(HistoryBar(i * 60 * SECOND, 1, 2, 1, 2, 5, 3) for i in range(4))
    history = BarsHistory(0, "1m", rows, 0)
    assert [bar.start_ns for bar in history_bars(history, 3 * 60 * SECOND)] == [
        0,
        60 * SECOND,
        120 * SECOND,
    ]
    assert len(history_bars(history, 4 * 60 * SECOND)) == 4


def test_seconds_by_hand() -> None:
    past = PastSeconds(0)
    page = (
        trade(1, 900, 100),
        trade(2, 1_100, 103, 2, 1),
        trade(3, 1_900, 101, 3, -1),
        trade(4, 3_500, 99, 1, -1),
    )
    bars = past.add(page)
    # Second 0 may have begun before the page; second 2 is quiet; second 3 is still open.
    assert [
        (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.buy_volume) for bar in bars
    ] == [
        (103, 103, 101, 101, 5, 2),
        (101, 101, 101, 101, 0, 0),
    ]
    assert [bar.start_ns // SECOND - START for bar in bars] == [1, 2]
    bridged = past.bridge(START + 6)
    assert [(bar.start_ns // SECOND - START, bar.close, bar.trades) for bar in bridged] == [
        (3, 99, 1),
        (4, 99, 0),
        (5, 99, 0),
    ]


@given(
    st.lists(st.tuples(st.integers(0, 700), st.integers(1, 50), st.integers(1, 9)), min_size=1),
    st.lists(st.integers(1, 5), max_size=40),
)
def test_paging_changes_nothing(steps: list[tuple[int, int, int]], cuts: list[int]) -> None:
    at, trades = 0, []
    for number, (gap, price, qty) in enumerate(steps, 1):
        at += gap
        trades.append(trade(number, at, price, qty))
    whole = PastSeconds(0)
    expected = whole.add(tuple(trades))
    paged, got, place = PastSeconds(0), [], 0
    for size in [*cuts, len(trades)]:
        # Pages overlap by one row, as pages by id may.
        got += paged.add(tuple(trades[max(0, place - 1) : place + size]))
        place += size
    assert got == expected
    assert paged.close == whole.close == trades[-1].price
