import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.analytics import kalman as k
from poise.analytics.kalman import kalman_alpha, kalman_filter, kalman_step, kalman_z


def make_state(**values: float) -> np.ndarray:
    state = np.zeros(k.KALMAN_STATE)
    state[[k.NOISE_OBSERVATION, k.Z_VARIANCE, k.Z_WEIGHT]] = 1.0, 1.0, 0.1
    for name, value in values.items():
        state[getattr(k, name)] = value
    return state


def naive_filter(y, x, state):
    """Textbook matrices, Joseph form: per bar e, S, alpha, beta, P of the next bar."""
    mean = state[[k.LEVEL, k.BETA]]
    covariance = np.array(
        [[state[k.P_LEVEL], state[k.P_CROSS]], [state[k.P_CROSS], state[k.P_BETA]]]
    )
    noise = np.diag(state[[k.NOISE_LEVEL, k.NOISE_BETA]])
    r = state[k.NOISE_OBSERVATION]
    rows = []
    for y_t, x_t in zip(y, x, strict=True):
        h = np.array([1.0, x_t - state[k.CENTRE]])
        innovation, variance = y_t - h @ mean, h @ covariance @ h + r
        gain = covariance @ h / variance
        mean = mean + gain * innovation
        keep = np.eye(2) - np.outer(gain, h)
        covariance = keep @ covariance @ keep.T + r * np.outer(gain, gain) + noise
        alpha = mean[0] - mean[1] * state[k.CENTRE]
        rows.append((innovation, variance, alpha, mean[1], covariance[1, 1]))
    return np.array(rows).T


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 200),
    st.floats(0.0, 0.1),
    st.floats(0.0, 10.0),
    st.floats(-0.9, 0.9),
)
def test_filter_agrees_with_matrices(generator, seed, n, ratio, prior, rho):
    rng = generator(seed)
    x = 11.0 + np.cumsum(rng.normal(0.0, 0.01, n))
    y = 0.3 + 0.8 * x + rng.normal(0.0, 0.002, n)
    r = 4e-6
    state = make_state(
        CENTRE=11.0,
        LEVEL=9.0,
        BETA=0.7,
        P_LEVEL=prior * r,
        P_BETA=prior * r / 1e-3,
        P_CROSS=rho * prior * r / math.sqrt(1e-3),
        NOISE_LEVEL=ratio * r,
        NOISE_BETA=ratio * r / 1e-3,
        NOISE_OBSERVATION=r,
    )
    path = kalman_filter(y, x, state)
    innovation, variance, alpha, beta, p_beta = naive_filter(y, x, state)
    np.testing.assert_allclose(path.innovation, innovation, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(path.variance, variance, rtol=1e-8)
    np.testing.assert_allclose(path.alpha, alpha, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(path.beta, beta, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(path.beta_stderr, np.sqrt(p_beta), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(path.z, innovation / np.sqrt(variance), rtol=1e-7, atol=1e-8)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_steps_equal_the_filter_bit_for_bit(generator, seed, n):
    rng = generator(seed)
    x, y = rng.normal(size=n), rng.normal(size=n)
    start = make_state(P_LEVEL=1.0, P_BETA=1.0, NOISE_LEVEL=0.01, NOISE_BETA=0.02)
    path = kalman_filter(y, x, start)
    state = start.copy()
    for t in range(n):
        assert kalman_z(state, y[t], x[t]) == pytest.approx(path.z[t], rel=1e-15)
        assert kalman_step(state, y[t], x[t]) == (path.innovation[t], path.variance[t])
        assert (kalman_alpha(state), state[k.BETA]) == (path.alpha[t], path.beta[t])
    assert state.tobytes() == path.state.tobytes()
    assert np.array_equal(
        start, make_state(P_LEVEL=1.0, P_BETA=1.0, NOISE_LEVEL=0.01, NOISE_BETA=0.02)
    )


def test_one_step_by_hand():
    # d = 1: P H' = (2, 1), S = 2 + 1 + 1, e = 4, gain (1/2, 1/4).
    state = make_state(
        CENTRE=2.0, LEVEL=1.0, BETA=1.0, P_LEVEL=2.0, P_BETA=1.0, NOISE_LEVEL=0.5, NOISE_BETA=0.25
    )
    assert kalman_z(state, 6.0, 3.0) == 2.0
    assert kalman_step(state, 6.0, 3.0) == (4.0, 4.0)
    assert state[[k.LEVEL, k.BETA]].tolist() == [3.0, 2.0]
    assert state[[k.P_LEVEL, k.P_CROSS, k.P_BETA]].tolist() == [1.5, -0.5, 1.0]
    assert kalman_alpha(state) == -1.0
    assert state[k.Z_VARIANCE] == pytest.approx(1.0 + 0.1 * (4.0 - 1.0))


def test_running_deviation_is_exponentially_weighted(generator):
    rng = generator(3)
    path = kalman_filter(rng.normal(size=50), rng.normal(size=50), make_state(P_LEVEL=1.0))
    weights = 0.1 * 0.9 ** np.arange(50)[::-1]
    expected = math.sqrt(weights @ path.z**2 + 0.9**50)
    assert path.z_std[-1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (np.zeros(k.KALMAN_STATE + 1), "state must have 11 values, got 12"),
        (np.zeros(3), "state needs at least 11 observations, got 3"),
        (np.zeros(k.KALMAN_STATE), "observation noise must be positive"),
        (make_state(BETA=math.nan), "state must be finite"),
    ],
)
def test_bad_states_are_named(state, message):
    with pytest.raises(ValueError, match=message):
        kalman_filter([1.0], [1.0], state)


@pytest.mark.real_data
def test_filter_reproduces_chans_printed_kalman_backtest(data_file):
    """EWC on EWA, delta 1e-4, Ve 1e-3, raw prices, 252 days, ddof 1: 26.2252 % and 2.361162."""
    data = np.genfromtxt(data_file("epchan_books/inputData_EWA_EWC.csv"), delimiter=",", names=True)
    x, y = data["EWA"], data["EWC"]
    drift = 1e-4 / (1 - 1e-4)
    path = kalman_filter(
        y, x, make_state(NOISE_LEVEL=drift, NOISE_BETA=drift, NOISE_OBSERVATION=1e-3)
    )
    deviation = np.sqrt(path.variance)

    def hold(enter, leave, units):
        held, now = np.zeros(y.size), 0.0
        for t in range(y.size):
            now = 0.0 if leave[t] else units if enter[t] else now
            held[t] = now
        return held

    error = path.innovation
    units = hold(error < -deviation, error > -deviation, 1.0)
    units += hold(error > deviation, error < deviation, -1.0)
    prices = np.column_stack([x, y])
    dollars = (units[:, None] * np.column_stack([-path.beta, np.ones(y.size)]) * prices)[:-1]
    profit = (dollars * np.diff(prices, axis=0) / prices[:-1]).sum(axis=1)
    gross = np.abs(dollars).sum(axis=1)
    returns = np.zeros(y.size)
    returns[1:] = np.divide(profit, gross, out=np.zeros_like(profit), where=gross > 0)
    assert np.prod(1 + returns) ** (252 / y.size) - 1 == pytest.approx(0.262252, abs=5e-7)
    sharpe = math.sqrt(252) * returns.mean() / returns.std(ddof=1)
    assert sharpe == pytest.approx(2.361162, abs=5e-7)
