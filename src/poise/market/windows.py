"""Closing prices of the last bars of every instrument, as contiguous windows without copying."""

import math

import numpy as np
import numpy.typing as npt

from poise.analytics.kernel import kernel, portable_log
from poise.core.instrument import Instrument
from poise.core.outputs import Bar
from poise.market.timeframes import timeframe_ns


@kernel
def _run_length(numbers: np.ndarray, ix: int, number: int, limit: int) -> int:
    """Bars without a hole, from the slot of bar `number` backwards round the ring."""
    capacity = numbers.shape[1]
    slot = number % capacity
    for length in range(limit):
        if numbers[ix, slot] != number - length:
            return length
        slot = slot - 1 if slot > 0 else capacity - 1
    return limit


class CloseWindows:
    """Natural logarithms of closes, one ring per instrument, for one timeframe.

    The close is the mid of the last quote before the bar's end; where no quote was seen (the
    venue's own history) it is the last trade, and `source` says so.

    Parameters
    ----------
    instruments
        All instruments of the run, by row.
    timeframe
        Name of the bar length.
    capacity
        Bars kept.

    Notes
    -----
    Each value is written twice, `capacity` apart, so that any window up to `capacity` long is one
    contiguous slice.
    """

    def __init__(self, instruments: tuple[Instrument, ...], timeframe: str, capacity: int) -> None:
        self.length_ns = timeframe_ns(timeframe)
        self.capacity = capacity
        count = len(instruments)
        self._unit = [10.0**-item.price_scale for item in instruments]
        self._logs = np.full((count, 2 * capacity), math.nan)
        self._numbers = np.full((count, capacity), -1, dtype=np.int64)
        self._mids = np.zeros((count, capacity), dtype=np.bool_)
        self.last = np.full(count, -1, dtype=np.int64)
        """Number (start time / length) of each instrument's newest bar; -1 before the first."""

    def put(self, bar: Bar) -> bool:
        """Store one bar's close; false when it is older than everything kept."""
        ix = bar.instrument
        number = bar.start_ns // self.length_ns
        if number <= self.last[ix] - self.capacity:
            return False
        two_sided = bar.bid_close > 0 and bar.ask_close > 0
        close = 0.5 * (bar.bid_close + bar.ask_close) if two_sided else float(bar.close)
        slot = number % self.capacity
        value = portable_log(close * self._unit[ix])
        self._logs[ix, slot] = value
        self._logs[ix, slot + self.capacity] = value
        self._numbers[ix, slot] = number
        self._mids[ix, slot] = two_sided
        self.last[ix] = max(self.last[ix], number)
        return True

    def put_history(self, bar: Bar) -> bool:
        """Store a close of the venue's history, unless this run's own is there."""
        return not self.has(bar.instrument, bar.start_ns // self.length_ns) and self.put(bar)

    def has(self, ix: int, number: int) -> bool:
        """Whether that bar of that instrument is stored."""
        return bool(self._numbers[ix, number % self.capacity] == number)

    def run_length(self, ix: int, number: int, limit: int) -> int:
        """Bars without a hole that end with bar `number`, at most `limit`."""
        return _run_length(self._numbers, ix, number, min(limit, self.capacity))

    def window(self, ix: int, number: int, count: int) -> npt.NDArray[np.float64]:
        """View of `count` log closes ending with bar `number`, oldest first."""
        end = number % self.capacity + self.capacity + 1
        return self._logs[ix, end - count : end]

    def mids_in(self, ix: int, number: int, count: int) -> int:
        """How many of those closes are mids rather than trades."""
        wanted = np.arange(number, number - count, -1)
        return int(np.count_nonzero(self._mids[ix, wanted % self.capacity]))
