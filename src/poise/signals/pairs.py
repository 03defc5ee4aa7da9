"""Live pairs: statistics committed on closed bars, spreads and z re-priced on every quote."""

import math

import numpy as np

from poise.analytics import pairs as table
from poise.analytics.kernel import kernel, portable_log
from poise.core.errors import UserError
from poise.core.events import PairSpec, RunStarted
from poise.core.outputs import Bar, Output, PairState
from poise.market.windows import CloseWindows

SPARE_BARS = 64
"""Bars kept beyond a window, for history that arrives while live bars already close."""


@kernel
def _on_mid(
    outputs: np.ndarray,
    params: np.ndarray,
    index: np.ndarray,
    log_mid: np.ndarray,
    instrument: int,
    mid: float,
) -> int:
    """Store one instrument's mid and re-price every row that holds it, in one call."""
    log_mid[instrument] = portable_log(mid)
    return table.reprice(outputs, params, index, log_mid, instrument)


class LivePairs:
    """Every configured pair on every timeframe.

    Row ``p * T + t`` is pair `p` (in the order added) on timeframe `t` of the run.

    Attributes
    ----------
    params, outputs
        Arrays of `poise.analytics.pairs`, one row each.
    log_mid
        Log of each instrument's present mid; NaN when its quote is unknown or its stream down.
    """

    def __init__(self, run: RunStarted) -> None:
        self.timeframes = run.timeframes
        self.pairs: list[PairSpec] = []
        self.windows = {
            item.name: CloseWindows(run.instruments, item.name, item.window + SPARE_BARS)
            for item in run.timeframes
        }
        self._place = {item.name: place for place, item in enumerate(run.timeframes)}
        self._instruments = len(run.instruments)
        self._unit = [0.5 * 10.0**-item.price_scale for item in run.instruments]
        self.log_mid = np.full(self._instruments, math.nan)
        self.params, self.outputs = table.new_rows([], [], [])
        self._index = table.index_rows(self.params, self._instruments)
        self._holding: list[list[int]] = [[] for _ in range(self._instruments)]
        self._last_committed: list[int] = []
        self._add_rows(run.pairs)

    def check(self, pair: PairSpec) -> None:
        """Refuse what cannot be a pair, before it is journalled.

        Raises
        ------
        UserError
            When a leg is no instrument of the run, or both are the same.
        """
        for leg in (pair.y, pair.x):
            if not 0 <= leg < self._instruments:
                raise UserError(f"instrument {leg} is not one of the run's {self._instruments}")
        if pair.y == pair.x:
            raise UserError("a pair needs two different instruments")

    def add(self, pair: PairSpec, outputs: list[Output]) -> None:
        """Follow one more pair; its windows are there already, so it is warm at once."""
        if pair in self.pairs:
            return
        self.check(pair)
        self._add_rows((pair,))
        place = len(self.pairs) - 1
        for timeframe in self.timeframes:
            self._commit_latest(place, timeframe.name, outputs)

    def on_mid(self, instrument: int, bid: int, ask: int) -> None:
        """Re-price every row that holds the instrument at the mid of a new quote."""
        mid = (bid + ask) * self._unit[instrument]
        _on_mid(self.outputs, self.params, self._index, self.log_mid, instrument, mid)

    def forget_mid(self, instrument: int) -> None:
        """The quote is no longer known: spreads of its rows become NaN."""
        self.log_mid[instrument] = math.nan
        table.reprice(self.outputs, self.params, self._index, self.log_mid, instrument)

    def on_bar(self, bar: Bar, outputs: list[Output]) -> None:
        """Store a close; commit the rows whose other leg has that bar too."""
        windows = self.windows.get(bar.timeframe)
        if windows is None or not windows.put(bar):
            return
        number = bar.start_ns // windows.length_ns
        for place in self._holding[bar.instrument]:
            pair = self.pairs[place]
            other = pair.x if pair.y == bar.instrument else pair.y
            row = place * len(self.timeframes) + self._place[bar.timeframe]
            if windows.has(other, number) and number > self._last_committed[row]:
                self._commit(row, pair, windows, number, outputs)

    def on_history(self, instrument: int, timeframe: str, outputs: list[Output]) -> None:
        """History was put under the newest bar: commit the rows again on the longer windows."""
        for place in self._holding[instrument]:
            self._commit_latest(place, timeframe, outputs)

    def _commit_latest(self, place: int, timeframe: str, outputs: list[Output]) -> None:
        pair = self.pairs[place]
        windows = self.windows[timeframe]
        number = int(min(windows.last[pair.y], windows.last[pair.x]))
        if number < 0 or not (windows.has(pair.y, number) and windows.has(pair.x, number)):
            return
        row = place * len(self.timeframes) + self._place[timeframe]
        if self.params[row, table.READY] != 1.0:
            self._commit(row, pair, windows, number, outputs)

    def _commit(
        self, row: int, pair: PairSpec, windows: CloseWindows, number: int, outputs: list[Output]
    ) -> None:
        limit = int(self.params[row, table.WINDOW])
        count = min(
            windows.run_length(pair.y, number, limit), windows.run_length(pair.x, number, limit)
        )
        was_ready = self.params[row, table.READY] == 1.0
        log_y = windows.window(pair.y, number, count)
        log_x = windows.window(pair.x, number, count)
        # The row number as offset spreads the Kalman refits of many rows over different bars.
        table.commit_row(self.params, row, log_y, log_x, number + row)
        table.reprice_row(self.outputs, self.params, self.log_mid, row)
        self._last_committed[row] = number
        ready = self.params[row, table.READY] == 1.0
        if ready != was_ready:
            outputs.append(PairState(row, bool(ready)))

    def _add_rows(self, pairs: tuple[PairSpec, ...]) -> None:
        specs = [(pair.y, pair.x, item.window) for pair in pairs for item in self.timeframes]
        params, outputs = table.new_rows(
            [y for y, _, _ in specs], [x for _, x, _ in specs], [window for _, _, window in specs]
        )
        self.params = np.ascontiguousarray(np.concatenate((self.params, params)))
        self.outputs = np.ascontiguousarray(np.concatenate((self.outputs, outputs)))
        self._last_committed.extend([-1] * len(specs))
        for pair in pairs:
            self._holding[pair.y].append(len(self.pairs))
            self._holding[pair.x].append(len(self.pairs))
            self.pairs.append(pair)
        self._index = table.index_rows(self.params, self._instruments)
