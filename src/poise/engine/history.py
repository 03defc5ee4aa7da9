"""Bars of the time before a run: from the venue's klines, and from past trades for seconds."""

from poise.core.events import BUY, BarsHistory, Trade
from poise.core.outputs import Bar
from poise.core.units import NS_PER_S, InstrumentIx, Ns, Price, Qty
from poise.market.timeframes import timeframe_ns

BRIDGE_MAX = 3_600
"""Longest stretch of seconds without a trade that is filled flat; seconds begin anew behind it."""


def history_bars(history: BarsHistory, venue_now_ns: int) -> list[Bar]:
    """Finished bars of an answer; the one still forming at `venue_now_ns` is left out."""
    length = timeframe_ns(history.timeframe)
    return [
        Bar(
            history.instrument,
            history.timeframe,
            bar.start_ns,
            Ns(bar.start_ns + length),
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            Qty(0),
            bar.trades,
            Price(0),
            Price(0),
            "history",
        )
        for bar in history.bars
        if bar.start_ns + length <= venue_now_ns
    ]


class PastSeconds:
    """One-second bars of one instrument from pages of its past trades, oldest page first.

    The very first second may have begun before the first page and is left out; the last second of
    a page is finished by the page after it, or by `bridge`.
    """

    def __init__(self, instrument: InstrumentIx) -> None:
        self._instrument = instrument
        self._open: list[Trade] = []
        self._number = -1
        self._close = Price(0)
        self.last_raw_id = 0
        """Newest raw trade id seen; 0 before the first page."""

    @property
    def close(self) -> Price:
        """Last price seen; 0 before the first page."""
        return self._open[-1].price if self._open else self._close

    def add(self, trades: tuple[Trade, ...]) -> list[Bar]:
        """Take a page; returns the seconds it completes, those without a trade flat."""
        bars: list[Bar] = []
        for trade in trades:
            if trade.last_raw_id <= self.last_raw_id:
                continue
            number = trade.venue_ns // NS_PER_S
            if self._number < 0 or number - self._number > BRIDGE_MAX:
                self._number = number
                self._close = Price(0)
                self._open = []
            elif number > self._number:
                self._finish(number, bars)
            self._open.append(trade)
            self.last_raw_id = trade.last_raw_id
        return bars

    def bridge(self, first_live_number: int) -> list[Bar]:
        """Complete seconds up to the first live one; call it when no trade lies between."""
        bars: list[Bar] = []
        if self._number >= 0 and first_live_number - self._number <= BRIDGE_MAX:
            self._finish(first_live_number, bars)
        return bars

    def _finish(self, upto: int, bars: list[Bar]) -> None:
        """Close every second before `upto`."""
        first = self._close == 0
        while self._number < upto:
            rows, self._open = self._open, []
            if rows:
                self._close = rows[-1].price
            if not first:
                bars.append(self._bar(rows))
            first = False
            self._number += 1

    def _bar(self, rows: list[Trade]) -> Bar:
        prices = [trade.price for trade in rows] or [self._close]
        return Bar(
            self._instrument,
            "1s",
            Ns(self._number * NS_PER_S),
            Ns((self._number + 1) * NS_PER_S),
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            Qty(sum(trade.qty for trade in rows)),
            Qty(sum(trade.qty for trade in rows if trade.aggressor_side == BUY)),
            len(rows),
            Price(0),
            Price(0),
            "history",
        )
