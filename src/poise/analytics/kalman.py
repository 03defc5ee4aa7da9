r"""Hedge ratio by a Kalman filter: alpha and beta as random walks, one update a closed bar.

.. math:: y_t = a_t + b_t (x_t - c) + \epsilon_t, \quad \epsilon_t \sim N(0, R), \qquad
          a_{t+1} = a_t + \eta_t, \quad b_{t+1} = b_t + \zeta_t

`c` is a centre near the mean of x, so that level and slope are almost uncorrelated and the
covariance loses no digits (log prices sit far from 0 and move little). The raw intercept is
``alpha = a - b c``. Nothing here smooths: a value of bar t uses bars up to t.

One filter is a vector of `KALMAN_STATE` float64, indexed by the constants below. Level, beta and
covariance are *predictions for the next bar*: after bar t they are a, b and P of t+1 given t.

References
----------
Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, chapter 3,
doi:10.1017/CBO9781107049994
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from poise.analytics.kernel import kernel
from poise.analytics.series import FloatArray, finite_series, paired_series

CENTRE = 0
"""c, units of x."""
LEVEL = 1
"""a, units of y: the fitted y at the centre."""
BETA = 2
"""b, units of y per unit of x."""
P_LEVEL = 3
"""Variance of the level."""
P_CROSS = 4
"""Covariance of level and beta."""
P_BETA = 5
"""Variance of beta; its square root is the standard error shown."""
NOISE_LEVEL = 6
"""Variance the level gains a bar."""
NOISE_BETA = 7
"""Variance beta gains a bar."""
NOISE_OBSERVATION = 8
"""R, variance of y about the line; greater than 0."""
Z_VARIANCE = 9
"""Exponentially weighted mean of z squared, about the 0 that the model predicts (no ddof)."""
Z_WEIGHT = 10
"""Weight of the newest z squared: ``2 / (span + 1)`` for a span in bars."""
KALMAN_STATE = 11
"""Length of a state vector."""

_PATH_INNOVATION, _PATH_VARIANCE, _PATH_LEVEL, _PATH_BETA, _PATH_P_BETA, _PATH_Z_VARIANCE = range(6)
_PATH_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class KalmanPath:
    """What the filter knew at each bar; arrays of shape (n,), float64.

    Attributes
    ----------
    innovation : ndarray
        ``e_t = y_t - alpha_{t|t-1} - beta_{t|t-1} x_t``, units of y.
    variance : ndarray
        Variance of that innovation, units of y squared.
    z : ndarray
        ``z_kalman = innovation / sqrt(variance)``, no unit.
    alpha, beta : ndarray
        Raw intercept and slope given bars up to and including t.
    beta_stderr : ndarray
        Standard error of beta as predicted for bar t+1.
    z_std : ndarray
        Running standard deviation of z up to and including t, exponentially weighted, about 0.
    state : ndarray of shape (KALMAN_STATE,)
        The filter after the last bar: pass it on to continue.
    """

    innovation: FloatArray
    variance: FloatArray
    z: FloatArray
    alpha: FloatArray
    beta: FloatArray
    beta_stderr: FloatArray
    z_std: FloatArray
    state: FloatArray


@kernel
def _measure(state: FloatArray, y: float, x: float) -> tuple[float, float, float, float]:
    """Innovation of one observation, its variance, and P H' for level and beta."""
    d = x - state[CENTRE]
    cross_level = state[P_LEVEL] + state[P_CROSS] * d
    cross_beta = state[P_CROSS] + state[P_BETA] * d
    innovation = y - state[LEVEL] - state[BETA] * d
    variance = cross_level + cross_beta * d + state[NOISE_OBSERVATION]
    return innovation, variance, cross_level, cross_beta


@kernel
def kalman_step(state: FloatArray, y: float, x: float) -> tuple[float, float]:
    """Take in one closed bar: update the state with it, then predict the next.

    Parameters
    ----------
    state : ndarray of shape (KALMAN_STATE,), float64
        C-contiguous; changed in place.
    y, x : float
        The legs at the close. A NaN spoils the state for good: leave such bars out.

    Returns
    -------
    innovation, variance : float
        Of this bar against the prediction made before it.

    Notes
    -----
    About 22 ns. The covariance update ``P - K S K'`` is symmetric by construction; it needs no
    Joseph form because P starts at the size of R (see `kalman_noise.warm_up`).
    """
    innovation, variance, cross_level, cross_beta = _measure(state, y, x)
    gain_level = cross_level / variance
    gain_beta = cross_beta / variance
    state[LEVEL] += gain_level * innovation
    state[BETA] += gain_beta * innovation
    state[P_LEVEL] += state[NOISE_LEVEL] - gain_level * cross_level
    state[P_CROSS] -= gain_level * cross_beta
    state[P_BETA] += state[NOISE_BETA] - gain_beta * cross_beta
    z_square = innovation * innovation / variance
    state[Z_VARIANCE] += state[Z_WEIGHT] * (z_square - state[Z_VARIANCE])
    return innovation, variance


@kernel
def _filter_path(state: FloatArray, y: FloatArray, x: FloatArray, path: FloatArray) -> None:
    for t in range(y.shape[0]):
        innovation, variance = kalman_step(state, y[t], x[t])
        path[_PATH_INNOVATION, t] = innovation
        path[_PATH_VARIANCE, t] = variance
        path[_PATH_LEVEL, t] = state[LEVEL]
        path[_PATH_BETA, t] = state[BETA]
        path[_PATH_P_BETA, t] = state[P_BETA]
        path[_PATH_Z_VARIANCE, t] = state[Z_VARIANCE]


def kalman_filter(y: ArrayLike, x: ArrayLike, state: ArrayLike) -> KalmanPath:
    """Run the filter over a series by `kalman_step`, from a state that is not changed.

    Parameters
    ----------
    y, x : array_like of shape (n,)
        The legs, log prices by convention, oldest first, n >= 1, finite.
    state : array_like of shape (KALMAN_STATE,)
        Where to start: from `kalman_noise.fit_kalman`, from an earlier path, or filled by hand.

    Returns
    -------
    KalmanPath

    Raises
    ------
    ValueError
        If a leg or the state is not finite or has the wrong shape, or R is not positive.

    Notes
    -----
    About 25 ns an observation.
    """
    leg_y, leg_x = paired_series(y, x, shortest=1)
    filtered = finite_series("state", state, shortest=KALMAN_STATE).copy()
    if filtered.size != KALMAN_STATE:
        raise ValueError(f"state must have {KALMAN_STATE} values, got {filtered.size}")
    if not filtered[NOISE_OBSERVATION] > 0.0:
        raise ValueError(f"observation noise must be positive, got {filtered[NOISE_OBSERVATION]}")
    path = np.empty((_PATH_COLUMNS, leg_y.size))
    _filter_path(filtered, leg_y, leg_x, path)
    innovation, variance, level, beta, p_beta, z_variance = path
    return KalmanPath(
        innovation=innovation,
        variance=variance,
        z=innovation / np.sqrt(variance),
        alpha=level - beta * filtered[CENTRE],
        beta=beta,
        beta_stderr=np.sqrt(p_beta),
        z_std=np.sqrt(z_variance),
        state=filtered,
    )


@kernel
def kalman_alpha(state: FloatArray) -> float:
    """Raw intercept of the predicted line, ``a - b c``, units of y.

    Parameters
    ----------
    state : ndarray of shape (KALMAN_STATE,), float64

    Returns
    -------
    float
    """
    return float(state[LEVEL] - state[BETA] * state[CENTRE])


@kernel
def kalman_z(state: FloatArray, y: float, x: float) -> float:
    """z_kalman of the present legs: their innovation in units of its standard deviation.

    Parameters
    ----------
    state : ndarray of shape (KALMAN_STATE,), float64
        C-contiguous; not changed. NaN makes the result NaN.
    y, x : float
        The legs now. NaN makes the result NaN.

    Returns
    -------
    float
        z_kalman, no unit.
    """
    innovation, variance, _, _ = _measure(state, y, x)
    return innovation / math.sqrt(variance)
