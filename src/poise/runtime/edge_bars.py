"""Recent bars of every instrument and timeframe, in memory, for charts and pair histories."""

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from poise.core.events import RunStarted
from poise.core.instrument import Instrument
from poise.core.outputs import Bar
from poise.core.units import NS_PER_MS
from poise.market.bars import OpenBar
from poise.market.timeframes import timeframe_ns
from poise.market.windows import CloseWindows

CAPACITY = 2_500
"""Bars kept of each series: the longest window twice, and a page of history."""
LOG_LENGTH = 512
"""Changes remembered for clients that are behind."""
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
Floats = npt.NDArray[np.float64]


class Columns(NamedTuple):
    """Bars oldest first: open times in ms UTC, and prices and volume in a float64 (n, 5) array."""

    start_ms: list[int]
    values: Floats


class BarSeries:
    """Bars of one instrument and timeframe, in a ring by bar number.

    Attributes
    ----------
    last
        Number (start time / length) of the newest bar; -1 before the first.
    epoch
        Rises when history came in: what a client has may have holes now.
    changes
        Live bars put so far, corrections included.
    """

    def __init__(self, item: Instrument, length_ns: int) -> None:
        self.length_ns = length_ns
        self.last = -1
        self.epoch = 0
        self.changes = 0
        self._price = 10.0**item.price_scale
        self._qty = 10.0**item.qty_scale
        self._numbers = np.full(CAPACITY, -1, np.int64)
        self._values = np.zeros((CAPACITY, 5))
        self._live = np.zeros(CAPACITY, np.bool_)
        self._log: deque[int] = deque(maxlen=LOG_LENGTH)

    def put(self, bar: Bar) -> bool:
        """Store a bar; of two with one start the later counts. False when it is too old."""
        number = bar.start_ns // self.length_ns
        if number <= self.last - CAPACITY:
            return False
        slot = number % CAPACITY
        price = self._price
        self._numbers[slot] = number
        self._values[slot] = (
            bar.open / price,
            bar.high / price,
            bar.low / price,
            bar.close / price,
            bar.volume / self._qty,
        )
        self.last = max(self.last, number)
        if bar.origin == "live":
            self.changes += 1
            self._log.append(number)
        else:
            self.epoch += 1
        return True

    def before(self, number: int, limit: int) -> Columns:
        """The newest `limit` bars with numbers below `number`."""
        wanted = np.arange(max(self.last - CAPACITY + 1, 0), min(number, self.last + 1))
        slots = wanted % CAPACITY
        known = np.flatnonzero(self._numbers[slots] == wanted)[-limit:]
        return self._columns(wanted[known], slots[known])

    def changed_since(self, changes: int) -> Columns | None:
        """Bars put after the first `changes`, in order of time; None when forgotten already."""
        count = self.changes - changes
        if count > len(self._log):
            return None
        numbers = np.array(sorted(set(list(self._log)[len(self._log) - count :])), np.int64)
        slots = numbers % CAPACITY
        known = self._numbers[slots] == numbers
        return self._columns(numbers[known], slots[known])

    def within(self, first: int, last: int) -> Floats:
        """Values of the bars ``first <= number <= last`` that are there, oldest first."""
        wanted = np.arange(first, min(last, self.last) + 1)
        slots = wanted % CAPACITY
        rows: Floats = self._values[slots[self._numbers[slots] == wanted]]
        return rows

    def open_columns(self, bar: OpenBar) -> Floats:
        """An open bar as a row; the close before it stands in for prices without a trade."""
        flat = bar.trades == 0
        prices = (
            bar.close if flat else bar.open,
            bar.close if flat else bar.high,
            bar.close if flat else bar.low,
            bar.close,
        )
        return np.array([*(price / self._price for price in prices), bar.volume / self._qty])

    def _columns(self, numbers: npt.NDArray[np.int64], slots: npt.NDArray[np.int64]) -> Columns:
        starts = numbers * (self.length_ns // NS_PER_MS)
        return Columns(starts.tolist(), self._values[slots])


class BarTable:
    """All series of a run, and the closes of its pairs.

    Attributes
    ----------
    series
        By timeframe, then by instrument row.
    closes
        Log closes by timeframe, as the core's windows hold them, but longer.
    """

    def __init__(self, run: RunStarted) -> None:
        names = [item.name for item in run.timeframes]
        self.series: dict[str, list[BarSeries]] = {
            name: [BarSeries(item, timeframe_ns(name)) for item in run.instruments]
            for name in names
        }
        self.closes = {name: CloseWindows(run.instruments, name, CAPACITY) for name in names}

    def put(self, bar: Bar) -> None:
        """Store a bar of the journal; a timeframe that the run does not name is passed over."""
        series = self.series.get(bar.timeframe)
        if series is None:
            return
        series[bar.instrument].put(bar)
        closes = self.closes[bar.timeframe]
        if bar.origin == "live":
            closes.put(bar)
        else:
            closes.put_history(bar)
