"""The live table of pairs: statistics committed on closed bars, spreads re-priced on every tick.

A *row* is one pair at one timeframe. `params` (rows x `PARAMETERS`) changes in `commit_row` only,
when a bar of that timeframe closes; `outputs` (rows x `OUTPUTS`) changes in `reprice` only, with
the parameters of the last closed bar. The leg regressed is y, on x, both in log prices: beta is
dollars of x per dollar of y, spreads and sigma are log units (times 10,000: basis points).

Numbers of a row that is not ready are NaN, and so is all that is computed from them: nothing
shows a 0 for "not known yet". Instruments are dense integers, the positions in `log_mid`.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from poise.analytics.correlation import return_correlation
from poise.analytics.half_life import half_life_of, reversion_rate
from poise.analytics.kalman import (
    BETA,
    KALMAN_STATE,
    P_BETA,
    Z_VARIANCE,
    kalman_alpha,
    kalman_step,
    kalman_z,
)
from poise.analytics.kalman_noise import warm_up
from poise.analytics.kernel import kernel
from poise.analytics.regression import ols_window
from poise.analytics.series import FloatArray, IntArray

LEG_Y = 0
"""Instrument of y. Set by `new_rows`."""
LEG_X = 1
"""Instrument of x. Set by `new_rows`."""
WINDOW = 2
"""Closed bars per fit. Set by `new_rows`."""
BARS = 3
"""Closed bars offered at the last commit; the row warms up while this is below WINDOW."""
READY = 4
"""1.0 when all parameters below are numbers, else 0.0 and they are NaN."""
ALPHA_OLS = 5
"""Intercept of the window regression, log units: also the mean of the spread."""
BETA_OLS = 6
"""Slope of the window regression: dollars of x per dollar of y."""
SIGMA = 7
"""Standard deviation of its residuals, log units, ddof 2."""
KALMAN = 8
"""First column of the Kalman state, `kalman.KALMAN_STATE` wide."""
BETA_KALMAN = KALMAN + BETA
"""Filtered slope: dollars of x per dollar of y."""
ALPHA_KALMAN = KALMAN + KALMAN_STATE
"""Filtered raw intercept, log units."""
BETA_KALMAN_STDERR = ALPHA_KALMAN + 1
"""Standard error of BETA_KALMAN as predicted for the next bar."""
Z_KALMAN_CLOSE = ALPHA_KALMAN + 2
"""z_kalman of the last closed bar against the prediction made before it. NaN at a first fit."""
Z_KALMAN_STD = ALPHA_KALMAN + 3
"""Running standard deviation of z_kalman at closes: about 0, exponentially weighted with a span
of WINDOW bars, seeded by the first training window and carried across refits, so that it judges
each fit on bars the fit has not seen. Zones are drawn while it is within 0.8 to 1.25."""
CORRELATION = ALPHA_KALMAN + 4
"""Correlation of log returns over the window. NaN when a leg did not move, also when READY."""
HALF_LIFE = ALPHA_KALMAN + 5
"""Of the window's spread, bars. inf or NaN as `half_life.half_life_of`, also when READY."""
EPOCH = ALPHA_KALMAN + 6
"""``bar // WINDOW`` at the last Kalman fit."""
PARAMETERS = ALPHA_KALMAN + 7
"""Width of `params`."""

SPREAD = 0
"""``log_y - beta log_x`` with BETA_OLS, log units."""
Z_WINDOW = 1
"""``(spread - alpha) / sigma``, no unit."""
Z_KALMAN = 2
"""Innovation of the present mids over its standard deviation, no unit."""
UPDATES = 3
"""How often the row was re-priced, ready or not."""
OUTPUTS = 4
"""Width of `outputs`."""

SHORTEST_WINDOW = 20
"""Fewest bars per fit: below, the noise of the filter cannot be told from its drift."""
SMALLEST_SIGMA = 1e-9
"""Residuals below this (0.00001 bp) are the rounding of log prices: both legs are one price."""


def new_rows(
    leg_y: ArrayLike, leg_x: ArrayLike, window: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Allocate the table for R rows, all warming up.

    Parameters
    ----------
    leg_y, leg_x : array_like of shape (R,), int
        Instruments of each row, >= 0 and different.
    window : array_like of shape (R,), int
        Closed bars per fit of each row, >= `SHORTEST_WINDOW`.

    Returns
    -------
    params : ndarray of shape (R, PARAMETERS), float64
    outputs : ndarray of shape (R, OUTPUTS), float64

    Raises
    ------
    ValueError
        If the arguments are not integer vectors of one length, or a value is out of range.
    """
    columns = {"leg_y": leg_y, "leg_x": leg_x, "window": window}
    checked = {name: np.asarray(column) for name, column in columns.items()}
    rows = checked["leg_y"].size
    for name, column in checked.items():
        if column.shape != (rows,) or (rows and column.dtype.kind not in "iu"):
            raise ValueError(
                f"{name} must hold {rows} integers, got {column.dtype} of shape {column.shape}"
            )
    if rows and min(checked["leg_y"].min(), checked["leg_x"].min()) < 0:
        raise ValueError("instruments must be 0 or greater")
    if (checked["leg_y"] == checked["leg_x"]).any():
        row = int(np.flatnonzero(checked["leg_y"] == checked["leg_x"])[0])
        raise ValueError(f"row {row} pairs instrument {checked['leg_y'][row]} with itself")
    if rows and checked["window"].min() < SHORTEST_WINDOW:
        raise ValueError(f"window must be at least {SHORTEST_WINDOW} bars")
    params = np.full((rows, PARAMETERS), math.nan)
    params[:, LEG_Y] = checked["leg_y"]
    params[:, LEG_X] = checked["leg_x"]
    params[:, WINDOW] = checked["window"]
    params[:, [BARS, READY]] = 0.0
    outputs = np.full((rows, OUTPUTS), math.nan)
    outputs[:, UPDATES] = 0.0
    return params, outputs


def index_rows(params: FloatArray, instruments: int) -> IntArray:
    """Which rows hold each instrument, packed into one vector for `reprice`.

    Parameters
    ----------
    params : ndarray of shape (R, PARAMETERS), float64
    instruments : int
        How many instruments there are, the length of `log_mid`.

    Returns
    -------
    ndarray of shape (instruments + 1 + 2 R,), int64
        Rows of instrument i, ascending, are ``index[index[i]:index[i + 1]]``. (Compressed sparse
        rows; starts and rows share a vector because each array argument costs a call 0.1 us.)

    Raises
    ------
    ValueError
        If a leg is not below `instruments`.
    """
    legs = params[:, [LEG_Y, LEG_X]].astype(np.int64)
    if legs.size and legs.max() >= instruments:
        raise ValueError(f"a leg is instrument {legs.max()}, but there are {instruments}")
    held: list[list[int]] = [[] for _ in range(instruments)]
    for row, (y, x) in enumerate(legs.tolist()):
        held[y].append(row)
        held[x].append(row)
    starts = instruments + 1 + np.cumsum([0, *map(len, held)])
    return np.concatenate([starts, [row for rows in held for row in rows]]).astype(np.int64)


@kernel
def _drop(p: FloatArray) -> None:
    p[READY] = 0.0
    p[READY + 1 :] = math.nan


@kernel
def commit_row(
    params: FloatArray, row: int, log_y: FloatArray, log_x: FloatArray, bar: int
) -> None:
    """Take in a closed bar: refit the window, step the filter, renew the parameters of a row.

    The window regression, correlation and half-life are recomputed from the last WINDOW bars.
    The Kalman filter takes in the newest bar. It is fitted on the window (`warm_up`) when the
    row first has WINDOW bars, and again whenever ``bar // WINDOW`` has changed since: after such
    a refit it depends on the bar numbers and the last window only, not on when the process
    started. The outputs of the row keep the old parameters until it is re-priced.

    Parameters
    ----------
    params : ndarray of shape (R, PARAMETERS), float64
        C-contiguous; one row is changed in place.
    row : int
    log_y, log_x : ndarray of shape (n,), float64
        Log closes of both legs, bar by bar, C-contiguous, oldest first, newest the bar just
        closed. With n below WINDOW the row warms up; beyond WINDOW older bars are not read.
    bar : int
        Number of the bar just closed on its timeframe, such as end time // timeframe: grows by 1
        a bar. An offset per pair spreads the refits of many rows over different bars.

    Notes
    -----
    A window with NaN or inf in it, a constant x, or residuals below `SMALLEST_SIGMA` make the
    row not ready; it starts again by a fit once a window is sound.
    Measured with the call from Python: 4 us at 300 bars, 7 us at 864; with a refit 0.16 and
    0.5 ms.
    """
    p = params[row]
    n = log_y.shape[0]
    window = int(p[WINDOW])
    p[BARS] = n
    if n < window:
        _drop(p)
        return
    y, x = log_y[n - window :], log_x[n - window :]
    alpha, beta, sigma, _, _, _, _ = ols_window(y, x)
    if not sigma > SMALLEST_SIGMA:
        _drop(p)
        return
    p[ALPHA_OLS], p[BETA_OLS], p[SIGMA] = alpha, beta, sigma
    p[CORRELATION] = return_correlation(y, x)
    p[HALF_LIFE] = half_life_of(reversion_rate(y - beta * x))
    state = p[KALMAN : KALMAN + KALMAN_STATE]
    epoch = bar // window
    ready = p[READY] == 1.0
    p[Z_KALMAN_CLOSE] = math.nan
    if ready:
        innovation, variance = kalman_step(state, y[window - 1], x[window - 1])
        p[Z_KALMAN_CLOSE] = innovation / math.sqrt(variance)
    if not ready or p[EPOCH] != epoch:
        z_variance = state[Z_VARIANCE]
        warm_up(state, y, x, p[HALF_LIFE])
        if ready:
            state[Z_VARIANCE] = z_variance
        p[EPOCH] = epoch
    p[ALPHA_KALMAN] = kalman_alpha(state)
    p[BETA_KALMAN_STDERR] = math.sqrt(state[P_BETA])
    p[Z_KALMAN_STD] = math.sqrt(state[Z_VARIANCE])
    p[READY] = 1.0


@kernel
def reprice_row(outputs: FloatArray, params: FloatArray, log_mid: FloatArray, row: int) -> None:
    """Re-price one row with the present mids and its present parameters.

    Parameters
    ----------
    outputs : ndarray of shape (R, OUTPUTS), float64
        C-contiguous; one row is changed in place.
    params : ndarray of shape (R, PARAMETERS), float64
    log_mid : ndarray of shape (instruments,), float64
        Log mid of each instrument, NaN where there is none.
    row : int

    Notes
    -----
    SPREAD, Z_WINDOW and Z_KALMAN are NaN while the row warms up or a leg has no mid.
    """
    p = params[row]
    y, x = log_mid[int(p[LEG_Y])], log_mid[int(p[LEG_X])]
    spread = y - p[BETA_OLS] * x
    outputs[row, SPREAD] = spread
    outputs[row, Z_WINDOW] = (spread - p[ALPHA_OLS]) / p[SIGMA]
    outputs[row, Z_KALMAN] = kalman_z(p[KALMAN : KALMAN + KALMAN_STATE], y, x)
    outputs[row, UPDATES] += 1.0


@kernel
def reprice(
    outputs: FloatArray, params: FloatArray, index: IntArray, log_mid: FloatArray, instrument: int
) -> int:
    """Re-price every row that holds an instrument, after its mid has changed.

    Parameters
    ----------
    outputs, params, log_mid
        As `reprice_row`.
    index : ndarray of int64
        From `index_rows`.
    instrument : int
        The one whose entry of `log_mid` is new.

    Returns
    -------
    int
        Rows re-priced: ``index[index[instrument]:index[instrument + 1]]``.

    Notes
    -----
    Bounds are not checked. Measured with 12 rows: 0.8 us, the call from Python included.
    """
    first, last = index[instrument], index[instrument + 1]
    for position in range(first, last):
        reprice_row(outputs, params, log_mid, index[position])
    return int(last - first)
