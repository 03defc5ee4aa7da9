"""A pair over history, for charts: the live table run bar by bar over recorded closes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from poise.analytics.kernel import kernel
from poise.analytics.pairs import (
    ALPHA_OLS,
    BETA_KALMAN,
    BETA_KALMAN_STDERR,
    BETA_OLS,
    CORRELATION,
    SIGMA,
    SPREAD,
    Z_KALMAN_CLOSE,
    Z_KALMAN_STD,
    Z_WINDOW,
    commit_row,
    new_rows,
    reprice_row,
)
from poise.analytics.series import FloatArray, IntArray, paired_series

_COLUMNS = 10


@dataclass(frozen=True, slots=True)
class PairHistory:
    """Series of shape (n,), float64: what the live row held once each bar had closed.

    All NaN before the window is full, and at bars where the row was not ready.

    Attributes
    ----------
    bar : ndarray, int64
        Bar numbers.
    alpha, beta, sigma : ndarray
        Window regression: intercept and residual standard deviation (ddof 2) in log units, slope
        in dollars of x per dollar of y.
    spread : ndarray
        ``log_y - beta log_x`` at the close, log units. Each value has its own beta.
    z_window : ndarray
        Last residual of that window's regression over its sigma.
    correlation : ndarray
        Of log returns over the window.
    beta_kalman, beta_kalman_stderr : ndarray
        Filtered slope given this bar, and its standard error predicted for the next.
    z_kalman : ndarray
        Innovation of this bar against the prediction made before it, over its standard
        deviation. NaN also at the first fit.
    z_kalman_std : ndarray
        Running standard deviation of z_kalman (see `pairs.Z_KALMAN_STD`).
    """

    bar: IntArray
    alpha: FloatArray
    beta: FloatArray
    sigma: FloatArray
    spread: FloatArray
    z_window: FloatArray
    correlation: FloatArray
    beta_kalman: FloatArray
    beta_kalman_stderr: FloatArray
    z_kalman: FloatArray
    z_kalman_std: FloatArray


@kernel
def _run_history(
    series: FloatArray,
    params: FloatArray,
    outputs: FloatArray,
    log_y: FloatArray,
    log_x: FloatArray,
    bar: IntArray,
) -> None:
    log_mid = np.empty(2)
    for t in range(log_y.shape[0]):
        commit_row(params, 0, log_y[: t + 1], log_x[: t + 1], bar[t])
        log_mid[0], log_mid[1] = log_y[t], log_x[t]
        reprice_row(outputs, params, log_mid, 0)
        series[0, t] = params[0, ALPHA_OLS]
        series[1, t] = params[0, BETA_OLS]
        series[2, t] = params[0, SIGMA]
        series[3, t] = outputs[0, SPREAD]
        series[4, t] = outputs[0, Z_WINDOW]
        series[5, t] = params[0, CORRELATION]
        series[6, t] = params[0, BETA_KALMAN]
        series[7, t] = params[0, BETA_KALMAN_STDERR]
        series[8, t] = params[0, Z_KALMAN_CLOSE]
        series[9, t] = params[0, Z_KALMAN_STD]


def pair_history(
    log_y: ArrayLike, log_x: ArrayLike, window: int, bar: ArrayLike | None = None
) -> PairHistory:
    """Compute what the live row of a pair would have shown at every bar, by the same kernels.

    The values at bar t use bars up to t, and equal bit for bit those of a live row that saw the
    same bars: spread and z_window re-priced at the closes of t after the commit of t; z_kalman
    re-priced at the closes of t *before* it, which is the innovation.

    Parameters
    ----------
    log_y, log_x : array_like of shape (n,)
        Log closes, bar by bar, oldest first, finite, n >= 1.
    window : int
        Closed bars per fit, >= `pairs.SHORTEST_WINDOW`.
    bar : array_like of shape (n,), int, optional
        Bar numbers, increasing, as the live row counts them (they decide when the filter is
        refitted); 0, 1, 2, ... if not given.

    Returns
    -------
    PairHistory

    Raises
    ------
    ValueError
        If a leg is not a finite vector, the lengths differ, the window is too short, or the bar
        numbers do not increase.

    Notes
    -----
    A live row that started later than the history agrees from its first refit on, except for
    z_kalman_std, whose older bars fade with a span of one window. Measured at 10,000 bars and a
    window of 300: 35 ms.
    """
    leg_y, leg_x = paired_series(log_y, log_x, shortest=1)
    bars = np.arange(leg_y.size) if bar is None else np.ascontiguousarray(bar, dtype=np.int64)
    if bars.shape != leg_y.shape or (np.diff(bars) <= 0).any():
        raise ValueError(f"bar must hold {leg_y.size} increasing numbers")
    params, outputs = new_rows([0], [1], [window])
    series = np.full((_COLUMNS, leg_y.size), math.nan)
    _run_history(series, params, outputs, leg_y, leg_x, bars)
    return PairHistory(bars, *series)
