import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from statsmodels.tsa.statespace.mlemodel import MLEModel

from poise.analytics import kalman as k
from poise.analytics.kalman import kalman_filter
from poise.analytics.kalman_noise import (
    concentrated_likelihood,
    fit_kalman,
    fit_noise_ratio,
    noise_ratio_bound,
    warm_up,
)

R = 4e-6
SCALE_X = 0.05


@pytest.fixture(scope="session")
def simulate(generator):
    def draw(seed: int, n: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
        """Draw from the model itself, with x of known deviation."""
        rng = generator(seed)
        x = 11.0 + rng.normal(0.0, SCALE_X, n)
        level = 10.0 + np.cumsum(rng.normal(0.0, math.sqrt(ratio * R), n))
        beta = 0.9 + np.cumsum(rng.normal(0.0, math.sqrt(ratio * R) / SCALE_X, n))
        return level + beta * (x - 11.0) + rng.normal(0.0, math.sqrt(R), n), x

    return draw


def reference_likelihood(y, x, ratio, noise) -> float:
    """Log likelihood by statsmodels, in x of zero mean and unit variance."""
    scaled = (x - x.mean()) / x.std()
    model = MLEModel(y, k_states=2, k_posdef=2)
    model["design"] = np.stack([np.ones_like(x), scaled])[None]
    model["transition"] = model["selection"] = np.eye(2)
    model["state_cov"] = ratio * noise * np.eye(2)
    model["obs_cov"] = [[noise]]
    slope = (scaled * (y - y.mean())).mean()
    model.initialize_known(np.array([y.mean(), slope]), noise * np.eye(2))
    return model.ssm.loglike()


@pytest.mark.parametrize("ratio", [0.0, 1e-5, 1e-3, 0.05])
def test_likelihood_agrees_with_statsmodels(simulate, ratio):
    y, x = simulate(1, 200, 1e-3)
    likelihood, noise = concentrated_likelihood(y, x, ratio)
    assert likelihood == pytest.approx(reference_likelihood(y, x, ratio, noise), rel=1e-9)
    for other in (0.9 * noise, 1.1 * noise):
        assert reference_likelihood(y, x, ratio, other) < likelihood


def test_likelihood_survives_a_long_window(simulate):
    """The product of variances would overflow a float without its renewals."""
    y, x = simulate(2, 4000, 0.05)
    likelihood, noise = concentrated_likelihood(y, x, 0.5)
    assert likelihood == pytest.approx(reference_likelihood(y, x, 0.5, noise), rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-5, 1e-3, 1e-2, 0.5]))
def test_search_finds_the_greatest_likelihood_within_the_bound(simulate, seed, ratio):
    y, x = simulate(seed, 150, ratio)
    bound = 0.02
    found = fit_noise_ratio(y, x, bound)
    assert 0.0 <= found <= bound

    def loss(u: float) -> float:
        return -concentrated_likelihood(y, x, math.exp(u))[0]

    best = min(
        -concentrated_likelihood(y, x, 0.0)[0],
        loss(math.log(bound)),
        minimize_scalar(loss, bounds=(math.log(1e-9), math.log(bound)), method="bounded").fun,
    )
    assert -concentrated_likelihood(y, x, found)[0] <= best + 1e-3


@pytest.mark.parametrize("ratio", [1e-2, 1e-3])
def test_noise_is_recovered_from_data_of_the_model(simulate, ratio):
    found = []
    for seed in range(5):
        y, x = simulate(seed, 4000, ratio)
        fitted = fit_noise_ratio(y, x, 0.05)
        assert concentrated_likelihood(y, x, fitted)[1] == pytest.approx(R, rel=0.08)
        found.append(fitted)
    assert np.median(found) == pytest.approx(ratio, rel=0.25)


def test_z_has_unit_deviation_on_new_data_of_the_model(simulate):
    y, x = simulate(7, 6000, 1e-3)
    state = fit_kalman(y[:1000], x[:1000], half_life=1.0)
    path = kalman_filter(y[1000:], x[1000:], state)
    assert path.z.std(ddof=0) == pytest.approx(1.0, abs=0.06)
    assert ((path.z_std > 0.8) & (path.z_std < 1.25)).all()


def test_z_squared_has_mean_one_over_the_training_window(simulate):
    y, x = simulate(8, 300, 1e-3)
    ratio = fit_noise_ratio(y, x, noise_ratio_bound(2.0))
    noise = concentrated_likelihood(y, x, ratio)[1]
    start = np.zeros(k.KALMAN_STATE)
    start[[k.CENTRE, k.LEVEL, k.BETA]] = x.mean(), y.mean(), np.polyfit(x, y, 1)[0]
    start[[k.P_LEVEL, k.P_BETA]] = noise, noise / x.var()
    start[[k.NOISE_LEVEL, k.NOISE_BETA]] = ratio * noise, ratio * noise / x.var()
    start[[k.NOISE_OBSERVATION, k.Z_VARIANCE, k.Z_WEIGHT]] = noise, 1.0, 2.0 / 301.0
    path = kalman_filter(y, x, start)
    assert (path.z**2).mean() == pytest.approx(1.0, rel=1e-9)
    np.testing.assert_allclose(fit_kalman(y, x, 2.0), path.state, rtol=1e-6)


def test_memory_of_beta_is_five_half_lives(generator):
    """Mean age of what beta has learned: the summed response to a unit step of the true beta."""
    rng = generator(11)
    for half_life in (1.0, 4.0, 8.0):
        memory = 5.0 * half_life
        ratio = noise_ratio_bound(half_life)
        start = np.zeros(k.KALMAN_STATE)
        start[[k.P_LEVEL, k.P_BETA, k.NOISE_LEVEL, k.NOISE_BETA]] = 1.0, 1.0, ratio, ratio
        start[[k.NOISE_OBSERVATION, k.Z_VARIANCE]] = 1.0, 1.0
        ages = []
        for _ in range(150):
            x = rng.choice([-1.0, 1.0], int(20 * memory))
            step = x.size // 2
            y = np.where(np.arange(x.size) >= step, x, 0.0)
            ages.append(1.0 + (1.0 - kalman_filter(y, x, start).beta[step:]).sum())
        assert memory <= np.mean(ages) <= 1.15 * memory


def test_bound_by_hand_and_at_its_edges():
    assert noise_ratio_bound(2.0) == pytest.approx(1.0 / 90.0)
    assert noise_ratio_bound(0.2) == noise_ratio_bound(1.0) == pytest.approx(0.05)
    assert noise_ratio_bound(math.nan) == pytest.approx(0.05)
    assert noise_ratio_bound(math.inf) == 0.0


def test_spread_that_does_not_revert_gets_a_constant_beta(simulate):
    y, x = simulate(9, 200, 1e-2)
    state = fit_kalman(y, x, math.inf)
    assert state[k.NOISE_LEVEL] == state[k.NOISE_BETA] == 0.0
    # Recursive least squares with the prior worth one observation at the OLS line itself.
    assert state[k.BETA] == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-9)


def test_refit_overwrites_the_whole_state(simulate):
    y, x = simulate(10, 60, 1e-3)
    used = np.full(k.KALMAN_STATE, math.nan)
    warm_up(used, y, x, 3.0)
    assert used.tobytes() == fit_kalman(y, x, 3.0).tobytes()


def test_training_windows_without_noise_are_refused():
    with pytest.raises(ValueError, match="x is constant"):
        fit_kalman(np.arange(10.0), np.full(10, 0.1), 2.0)
    with pytest.raises(ValueError, match="y is exactly a line in x"):
        fit_kalman(np.arange(16.0) * 2, np.arange(16.0), 2.0)
    with pytest.raises(ValueError, match="y needs at least 10 observations, got 9"):
        fit_kalman(np.arange(9.0), np.arange(9.0), 2.0)
