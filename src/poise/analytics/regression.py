"""Ordinary least squares of one leg on the other over a full window."""

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from poise.analytics.kernel import kernel
from poise.analytics.moments import centred_moments, residual_square_sum
from poise.analytics.series import FloatArray, paired_series


@dataclass(frozen=True, slots=True)
class LineFit:
    """The line ``y = alpha + beta x`` fitted to a window.

    Attributes
    ----------
    n : int
        Observations in the window.
    alpha : float
        Intercept, units of y. In log prices it is also the mean of the spread ``y - beta x``.
    beta : float
        Slope, units of y per unit of x. In log prices: dollars of x per dollar of y.
    sigma : float
        Standard deviation of the residuals, units of y, ddof 2.
    stderr_alpha, stderr_beta : float
        Classical standard errors, which assume independent residuals of equal variance. The
        residuals of a pair are neither: read them as lower bounds.
    r_squared : float
        Share of the variance of y explained. NaN when y is constant.
    last_residual : float
        Residual of the newest observation, units of y.
    """

    n: int
    alpha: float
    beta: float
    sigma: float
    stderr_alpha: float
    stderr_beta: float
    r_squared: float
    last_residual: float


@kernel
def ols_window(
    y: FloatArray, x: FloatArray
) -> tuple[float, float, float, float, float, float, float]:
    """Regress y on x and a constant over the whole window; see `fit_line`.

    Recomputed from the window at every call: no running sum that could drift.

    Parameters
    ----------
    y, x : ndarray of shape (n,), float64
        C-contiguous, oldest first, n >= 3. NaN or inf anywhere makes everything NaN.

    Returns
    -------
    alpha, beta, sigma, stderr_alpha, stderr_beta, r_squared, last_residual : float
        All NaN when x is constant; `r_squared` is NaN when y is constant.

    Notes
    -----
    About 2 ns an observation.
    """
    n = y.shape[0]
    mean_y, mean_x, s_yy, s_xy, s_xx = centred_moments(y, x)
    if not s_xx > 0.0:
        return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan
    beta = s_xy / s_xx
    alpha = mean_y - beta * mean_x
    ssr = residual_square_sum(y, x, mean_y, mean_x, beta)
    sigma = math.sqrt(ssr / (n - 2))
    stderr_beta = sigma / math.sqrt(s_xx)
    stderr_alpha = sigma * math.sqrt(1.0 / n + mean_x * mean_x / s_xx)
    r_squared = 1.0 - ssr / s_yy if s_yy > 0.0 else math.nan
    last_residual = (y[n - 1] - mean_y) - beta * (x[n - 1] - mean_x)
    return alpha, beta, sigma, stderr_alpha, stderr_beta, r_squared, last_residual


def fit_line(y: ArrayLike, x: ArrayLike) -> LineFit:
    r"""Regress y on x and a constant by ordinary least squares.

    .. math:: \beta = S_{xy} / S_{xx}, \quad \alpha = \bar y - \beta \bar x, \quad
              \sigma^2 = \frac{1}{n - 2} \sum_t (y_t - \alpha - \beta x_t)^2

    Parameters
    ----------
    y, x : array_like of shape (n,)
        The legs, log prices by convention, oldest first, n >= 3, finite.

    Returns
    -------
    LineFit
        All statistics NaN when x is constant.

    Raises
    ------
    ValueError
        If a leg is not a finite vector of at least 3 values, or the lengths differ.

    Examples
    --------
    >>> fit_line([1.0, 3.0, 5.0, 9.0], [0.0, 1.0, 2.0, 3.0]).beta
    2.6
    """
    leg_y, leg_x = paired_series(y, x, shortest=3)
    return LineFit(leg_y.size, *map(float, ols_window(leg_y, leg_x)))
