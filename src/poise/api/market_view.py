"""Instruments, quotes, books, tapes and bars in the contract's words."""

import time

import numpy as np
import numpy.typing as npt

from poise.api import contract as wire
from poise.api.errors import Refused, unknown
from poise.api.numbers import known, known_age, rounded
from poise.core.events import RunStarted, TimeframeSpec, Trade
from poise.core.instrument import Instrument
from poise.core.units import NS_PER_MS
from poise.market.timeframes import timeframe_ns, timeframe_seconds
from poise.runtime import messages as link
from poise.runtime.edge import Edge
from poise.runtime.edge_bars import CLOSE, VOLUME, BarSeries, Columns

BOOK_LEVELS = 20
STALE_MS = 30_000.0
DAY_S = 86_400
DAY_EVERY_S = 2.0


class DayChange:
    """Change and turnover of the last 24 hours, worked out every two seconds at most."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._due = 0.0
        self._values: list[tuple[float | None, float | None]] = []

    def rows(self) -> list[tuple[float | None, float | None]]:
        """(change as a fraction, turnover in the quote currency) by instrument."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + DAY_EVERY_S
            self._values = self._compute()
        return self._values

    def _compute(self) -> list[tuple[float | None, float | None]]:
        run, bars, present = self._edge.run, self._edge.bars, self._edge.present
        if run is None:
            return []
        empty: list[tuple[float | None, float | None]] = [(None, None)] * len(run.instruments)
        name = _day_timeframe(run)
        if bars is None or present is None or name is None:
            return empty
        count = DAY_S // timeframe_seconds(name)
        return [
            _day(series, count, float(last))
            for series, last in zip(bars.series[name], present.quotes[:, link.LAST], strict=True)
        ]


def _day_timeframe(run: RunStarted) -> str | None:
    """The longest timeframe of which a day is kept and that divides a day."""
    fitting = [
        item.name
        for item in run.timeframes
        if 60 <= timeframe_seconds(item.name) <= DAY_S and DAY_S % timeframe_seconds(item.name) == 0
    ]
    return max(fitting, key=timeframe_seconds, default=None)


def _day(series: BarSeries, count: int, last: float) -> tuple[float | None, float | None]:
    values = series.within(series.last - count, series.last)
    if len(values) < count + 1:
        return None, None
    change = known(last / values[0, CLOSE] - 1.0) if values[0, CLOSE] > 0.0 else None
    turnover = float(np.sum(values[1:, VOLUME] * values[1:, CLOSE]))
    return change, known(turnover)


def run_of(edge: Edge) -> RunStarted:
    """The run that is shown; refuses while there is none."""
    if edge.run is None:
        raise Refused(503, "The desk is starting: its core has not spoken yet.")
    return edge.run


def find_instrument(run: RunStarted, text: str) -> Instrument:
    """Instrument by row, symbol or id."""
    for item in run.instruments:
        if text in {str(int(item.ix)), item.symbol, item.id}:
            return item
    raise unknown("instrument", text, [item.symbol for item in run.instruments])


def find_timeframe(run: RunStarted, text: str) -> TimeframeSpec:
    """Timeframe of the run by name."""
    for item in run.timeframes:
        if item.name == text:
            return item
    raise unknown("timeframe", text, [item.name for item in run.timeframes])


def instrument_infos(run: RunStarted) -> list[wire.InstrumentInfo]:
    """All instruments of a run."""
    return [
        wire.InstrumentInfo(
            ix=item.ix,
            id=item.id,
            symbol=item.symbol,
            base=item.base,
            quote=item.quote,
            price_decimals=_decimals(item),
            qty_decimals=_trimmed(int(item.step), item.qty_scale),
            tick=item.tick / 10.0**item.price_scale,
        )
        for item in run.instruments
    ]


def _decimals(item: Instrument) -> int:
    return _trimmed(int(item.tick), item.price_scale)


def _trimmed(unit: int, scale: int) -> int:
    """Decimal places that a multiple of `unit` x 10^-scale can need."""
    while scale > 0 and unit > 0 and unit % 10 == 0:
        unit //= 10
        scale -= 1
    return scale


def quote_rows(
    edge: Edge, day: DayChange, which: npt.NDArray[np.int64], now_ns: int
) -> list[wire.QuoteRow]:
    """Rows of the given instruments at `now_ns`."""
    present = edge.present
    if present is None:
        return []
    days = day.rows()
    connected = edge.core.connected
    rows = []
    for ix, values in zip(which.tolist(), present.quotes[which].tolist(), strict=True):
        age_ms = now_ns / NS_PER_MS - values[link.RECV_MS]
        change, turnover = days[ix] if ix < len(days) else (None, None)
        funding_ms = values[link.NEXT_FUNDING_MS]
        rows.append(
            wire.QuoteRow(
                ix=ix,
                bid=known(values[link.BID]),
                bid_qty=known(values[link.BID_QTY]),
                ask=known(values[link.ASK]),
                ask_qty=known(values[link.ASK_QTY]),
                last=known(values[link.LAST]),
                change_24h=change,
                volume_24h_quote=turnover,
                mark=known(values[link.MARK]),
                funding_rate=known(values[link.FUNDING]),
                next_funding_ms=int(funding_ms) if funding_ms > 0 else None,
                age_ms=known_age(age_ms),
                state=_feed_state(values, age_ms, connected=connected),
            )
        )
    return rows


def _feed_state(values: list[float], age_ms: float, *, connected: bool) -> wire.FeedState:
    if not connected or values[link.BID] != values[link.BID]:
        return "offline"
    if age_ms > STALE_MS:
        return "stale"
    if values[link.BOOK_LIVE] == 1.0 and values[link.TRADES_UP] == 1.0:
        return "live"
    return "lagging"


def book_top(edge: Edge, ix: int) -> wire.BookTop:
    """Best levels of one book."""
    market = edge.replica.market
    if market is None or edge.bars is None:
        return wire.BookTop(False, [], [])
    state = market.instruments[ix]
    item = state.instrument
    sides = []
    for side in state.book.book.top(BOOK_LEVELS):
        prices = (side[:, 0] / 10.0**item.price_scale).tolist()
        quantities = (side[:, 1] / 10.0**item.qty_scale).tolist()
        sides.append(list(zip(prices, quantities, strict=True)))
    return wire.BookTop(state.book.live and edge.core.connected, sides[0], sides[1])


def tape_rows(item: Instrument, trades: list[Trade]) -> list[wire.TapeRow]:
    """Trades in the contract's words."""
    price, qty = 10.0**item.price_scale, 10.0**item.qty_scale
    return [
        wire.TapeRow(
            trade_id=str(trade.trade_id),
            price=trade.price / price,
            qty=trade.qty / qty,
            side=trade.aggressor_side,
            venue_ms=trade.venue_ns // NS_PER_MS,
        )
        for trade in trades
    ]


def candle_rows(item: Instrument, found: Columns) -> list[wire.CandleRow]:
    """Closed bars."""
    return [
        wire.CandleRow(start, first, high, low, last, round(volume, item.qty_scale), closed=True)
        for start, (first, high, low, last, volume) in zip(
            found.start_ms, found.values.tolist(), strict=True
        )
    ]


def forming_row(edge: Edge, item: Instrument, timeframe: str) -> wire.CandleRow | None:
    """The bar in the making, from closed seconds and the open one; None before there is any.

    Closed seconds stand first, so that a bar which began before this process is whole too.
    """
    bars, market = edge.bars, edge.replica.market
    if bars is None or market is None:
        return None
    builder = market.instruments[item.ix].bars
    seconds = bars.series.get("1s")
    open_bar = builder.forming("1s" if seconds is not None else timeframe)
    if open_bar is None or open_bar.close == 0:
        return None
    series = bars.series[timeframe][item.ix]
    if seconds is None or timeframe == "1s":
        number, parts = open_bar.number, series.open_columns(open_bar)[np.newaxis]
    else:
        per_bar = timeframe_seconds(timeframe)
        number = open_bar.number // per_bar
        second = seconds[item.ix]
        before = second.within(number * per_bar, open_bar.number - 1)
        parts = np.concatenate((before, second.open_columns(open_bar)[np.newaxis]))
    if number <= series.last:
        return None
    return wire.CandleRow(
        number * (timeframe_ns(timeframe) // NS_PER_MS),
        float(parts[0, 0]),
        float(parts[:, 1].max()),
        float(parts[:, 2].min()),
        float(parts[-1, CLOSE]),
        round(float(parts[:, VOLUME].sum()), item.qty_scale),
        False,
    )


def candles(item: Instrument, timeframe: str, found: Columns, *, has_older: bool) -> wire.Candles:
    """A page of closed bars as columns."""
    columns = found.values.T.tolist() if found.start_ms else [[], [], [], [], []]
    return wire.Candles(
        instrument=item.ix,
        timeframe=timeframe,
        start_ms=found.start_ms,
        open=columns[0],
        high=columns[1],
        low=columns[2],
        close=columns[3],
        volume=rounded(columns[4], item.qty_scale),
        has_older=has_older,
    )
