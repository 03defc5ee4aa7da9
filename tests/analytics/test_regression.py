import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.analytics.correlation import correlate_returns, return_correlation
from poise.analytics.regression import fit_line, ols_window

STATISTICS = ("alpha", "beta", "sigma", "stderr_alpha", "stderr_beta", "r_squared")


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 300), st.floats(-20.0, 20.0))
def test_fit_agrees_with_statsmodels(generator, seed, n, level):
    rng = generator(seed)
    x = level + np.cumsum(rng.normal(0.0, 0.01, n))
    y = 3.0 + 1.7 * x + rng.normal(0.0, 0.002, n)
    fit = fit_line(y, x)
    # The reference regresses centred legs: its own normal equations lose digits at level 20.
    reference = sm.OLS(y - y.mean(), sm.add_constant(x - x.mean())).fit()
    beta, scale = reference.params[1], math.sqrt(reference.scale)
    assert fit.beta == pytest.approx(beta, rel=1e-9)
    assert fit.alpha == pytest.approx(y.mean() - beta * x.mean(), rel=1e-9, abs=1e-9)
    assert fit.sigma == pytest.approx(scale, rel=1e-9)
    assert fit.stderr_beta == pytest.approx(reference.bse[1], rel=1e-9)
    at_zero = scale * math.sqrt(1 / n + x.mean() ** 2 / ((x - x.mean()) ** 2).sum())
    assert fit.stderr_alpha == pytest.approx(at_zero, rel=1e-9)
    assert fit.r_squared == pytest.approx(reference.rsquared, rel=1e-9)
    assert fit.last_residual == pytest.approx(reference.resid[-1], rel=1e-9, abs=1e-14)
    assert fit.n == n


def test_standard_error_of_alpha_agrees_with_statsmodels(generator):
    rng = generator(5)
    x = rng.normal(1.0, 2.0, 50)
    y = 1.0 - 0.5 * x + rng.normal(0.0, 1.0, 50)
    assert fit_line(y, x).stderr_alpha == pytest.approx(
        sm.OLS(y, sm.add_constant(x)).fit().bse[0], rel=1e-12
    )


def test_line_by_hand():
    # Means 4.5 and 1.5; sums 35, 13, 5; beta 13 / 5; residuals 0.4, -0.2, -0.8, 0.6.
    fit = fit_line([1.0, 3.0, 5.0, 9.0], [0.0, 1.0, 2.0, 3.0])
    assert fit.beta == pytest.approx(2.6)
    assert fit.alpha == pytest.approx(0.6)
    assert fit.last_residual == pytest.approx(0.6)
    assert fit.sigma**2 == pytest.approx((0.4**2 + 0.2**2 + 0.8**2 + 0.6**2) / 2)
    assert fit.r_squared == pytest.approx(1 - 1.2 / 35)


def test_large_levels_cost_no_digits():
    x = np.array([1.0, 2.0, 4.0, 7.0]) + 2.0**40
    y = np.array([2.0, 1.0, 3.0, 5.0])
    assert fit_line(y, x).beta == fit_line(y, x - 2.0**40).beta


def test_small_residuals_keep_their_digits():
    """R squared within 1e-13 of 1: the difference of sums would be noise."""
    t = np.arange(64.0)
    x = 11.0 + t / 64.0
    noise = np.where(t % 4 < 2, 1.0, -1.0) * 2.0**-24
    noise -= np.polyval(np.polyfit(x, noise, 1), x)
    assert fit_line(x + noise, x).sigma == pytest.approx(math.sqrt((noise**2).sum() / 62), rel=1e-6)


def test_constant_x_leaves_everything_undefined():
    fit = fit_line([1.0, 2.0, 4.0], [0.1, 0.1, 0.1])
    assert all(math.isnan(getattr(fit, name)) for name in (*STATISTICS, "last_residual"))


def test_constant_y_is_a_flat_line_without_r_squared():
    fit = fit_line([0.1, 0.1, 0.1], [1.0, 2.0, 4.0])
    assert (fit.alpha, fit.beta, fit.sigma) == (0.1, 0.0, 0.0)
    assert math.isnan(fit.r_squared)


@pytest.mark.filterwarnings("ignore:invalid value")  # inf - inf, where kernels are plain Python
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_kernels_turn_bad_observations_into_nan(bad):
    y, x = np.arange(100.0) ** 2, np.arange(100.0)
    y[30] = bad
    assert np.isnan(ols_window(y, x)[:6]).all()
    assert math.isnan(return_correlation(y, x))


@pytest.mark.parametrize(
    ("y", "x", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], "y needs at least 3 observations, got 2"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0], "got 3 and 4 values"),
        ([1.0, math.nan, 3.0], [1.0, 2.0, 3.0], "y must be finite, got nan at position 1"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, math.inf], "x must be finite, got inf at position 2"),
        ([[1.0, 2.0, 3.0]], [1.0, 2.0, 3.0], "y must be one-dimensional"),
    ],
)
@pytest.mark.parametrize("function", [fit_line, correlate_returns])
def test_bad_arguments_are_named(function, y, x, message):
    with pytest.raises(ValueError, match=message):
        function(y, x)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 300))
def test_return_correlation_agrees_with_numpy(generator, seed, n):
    rng = generator(seed)
    x = np.cumsum(rng.normal(0.0, 0.01, n))
    y = 0.5 * x + np.cumsum(rng.normal(0.0, 0.01, n))
    expected = np.corrcoef(np.diff(y), np.diff(x))[0, 1]
    assert correlate_returns(y, x) == pytest.approx(expected, abs=1e-12)


def test_return_correlation_by_hand():
    # Returns 1, 2, 3 and 1, 3, 2: deviations -1, 0, 1 and -1, 1, 0: 1 / 2.
    assert correlate_returns([0.0, 1.0, 3.0, 6.0], [0.0, 1.0, 4.0, 6.0]) == pytest.approx(0.5)
    assert correlate_returns([0.0, 1.0, 3.0, 6.0], [0.0, -1.0, -3.0, -6.0]) == pytest.approx(-1.0)


def test_return_correlation_of_a_leg_that_does_not_move_is_undefined():
    assert math.isnan(correlate_returns([0.1, 0.1, 0.1, 0.1], [0.0, 1.0, 4.0, 6.0]))
    assert math.isnan(correlate_returns([0.0, 1.0, 4.0, 6.0], [0.1, 0.1, 0.1, 0.1]))


@pytest.mark.real_data
def test_hedge_ratio_of_ewc_on_ewa(data_file):
    """The hedge behind Chan's printed CADF statistic (raw prices), by statsmodels."""
    data = np.genfromtxt(data_file("epchan_books/inputData_EWA_EWC.csv"), delimiter=",", names=True)
    fit = fit_line(data["EWC"], data["EWA"])
    reference = sm.OLS(data["EWC"], sm.add_constant(data["EWA"])).fit()
    assert fit.beta == pytest.approx(0.96243, abs=5e-6)
    assert fit.alpha == pytest.approx(reference.params[0], rel=1e-10)
    assert (fit.stderr_alpha, fit.stderr_beta) == pytest.approx(tuple(reference.bse), rel=1e-10)
