"""A pair's past on one timeframe: the live table's kernels run over the bars in memory."""

import math
from dataclasses import fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from poise.analytics.pair_history import PairHistory, pair_history
from poise.market.windows import CloseWindows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class PairPast(NamedTuple):
    """Statistics at each closed bar, oldest first; arrays of shape (n,).

    Attributes
    ----------
    number
        Bar numbers (end time = (number + 1) x length).
    log_y, log_x
        Log closes.
    beta_stderr
        Standard error of the window regression's slope.
    mids
        How many of the `closes` of both legs' newest window are mids; the rest are trades.
    closes
        How many closes that window holds, both legs together.
    """

    number: Ints
    log_y: Floats
    log_x: Floats
    history: PairHistory
    beta_stderr: Floats
    mids: int
    closes: int


def pair_past(closes: CloseWindows, y: int, x: int, window: int, row: int) -> PairPast | None:
    """Compute a pair's past over the bars that both legs have without a hole; None before one.

    Parameters
    ----------
    row
        The pair's row in the live table; it decides at which bars the filter is refitted.
    """
    newest = int(min(closes.last[y], closes.last[x]))
    if newest < 0:
        return None
    count = min(
        closes.run_length(y, newest, closes.capacity), closes.run_length(x, newest, closes.capacity)
    )
    if count == 0:
        return None
    number = np.arange(newest - count + 1, newest + 1, dtype=np.int64)
    log_y = closes.window(y, newest, count).copy()
    log_x = closes.window(x, newest, count).copy()
    history = pair_history(log_y, log_x, window, number + row)
    used = min(count, window)
    mids = closes.mids_in(y, newest, used) + closes.mids_in(x, newest, used)
    beta_stderr = _stderr(history.sigma, log_x, window)
    # Bars that only fill the first window have no statistics: charts begin behind them.
    shown = slice(window - 1 if count > window else 0, None)
    history = PairHistory(*(getattr(history, item.name)[shown] for item in fields(history)))
    return PairPast(
        number[shown], log_y[shown], log_x[shown], history, beta_stderr[shown], mids, 2 * used
    )


def _stderr(sigma: Floats, log_x: Floats, window: int) -> Floats:
    """``sigma / sqrt(sum((x - mean)^2))`` over each window; NaN before the first is full."""
    errors = np.full(log_x.size, math.nan)
    if log_x.size < window:
        return errors
    centred = log_x - log_x.mean()
    ones = np.concatenate(([0.0], np.cumsum(centred)))
    squares = np.concatenate(([0.0], np.cumsum(centred * centred)))
    sums = ones[window:] - ones[:-window]
    s_xx = squares[window:] - squares[:-window] - sums * sums / window
    s_xx = np.where(s_xx > 0.0, s_xx, math.nan)
    errors[window - 1 :] = sigma[window - 1 :] / np.sqrt(s_xx)
    return errors


def sum_of_squares(closes: CloseWindows, x: int, window: int) -> float:
    """``sum((x - mean)^2)`` over the window that ends with the newest bar of x; NaN before it."""
    newest = int(closes.last[x])
    if newest < 0 or closes.run_length(x, newest, window) < window:
        return math.nan
    leg = closes.window(x, newest, window)
    return float(np.sum(np.square(leg - leg.mean())))
