import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.analytics import kalman as k
from poise.analytics import pairs as p
from poise.analytics.kalman import kalman_z
from poise.analytics.kalman_noise import fit_kalman

COMMITTED = slice(p.ALPHA_OLS, p.PARAMETERS)


def kalman_by_matrices(y, x, start, ratio):
    """Prediction after the last bar: fit on the window that ends at `start`, filter to the end.

    Works in x of zero mean and unit variance of that window, unlike the kernel.
    """
    window_y, window_x = y[: start + 1], x[: start + 1]
    centre, scale = window_x.mean(), window_x.std()
    slope = np.polyfit((window_x - centre) / scale, window_y, 1)[0]

    def run(noise):
        mean, covariance = np.array([window_y.mean(), slope]), noise * np.eye(2)
        z = []
        for y_t, x_t in zip(y, x, strict=True):
            h = np.array([1.0, (x_t - centre) / scale])
            variance = h @ covariance @ h + noise
            gain = covariance @ h / variance
            z.append((y_t - h @ mean) / math.sqrt(variance))
            mean = mean + gain * (y_t - h @ mean)
            covariance = covariance - np.outer(gain, gain) * variance + ratio * noise * np.eye(2)
        return mean, covariance, np.array(z)

    noise = (run(1.0)[2][: start + 1] ** 2).mean()
    mean, covariance, z = run(noise)
    return mean, covariance, z, noise, centre, scale


def batch_row(log_y, log_x, window, first_bar, ratio, present_y, present_x):
    """All numbers of a row from its closed bars, the slow way."""
    y, x = log_y[-window:], log_x[-window:]
    beta, alpha = np.polyfit(x - x.mean(), y, 1)
    alpha -= beta * x.mean()
    residual = y - alpha - beta * x
    lagged = np.column_stack([np.ones(window - 1), residual[:-1]])
    rate = np.linalg.lstsq(lagged, np.diff(residual), rcond=None)[0][1]
    sigma = math.sqrt((residual**2).sum() / (window - 2))
    # The last fit: the latest bar whose epoch is new, or the bar that filled the window.
    ends = np.arange(window - 1, log_y.size)
    epoch = (first_bar + ends) // window
    fit = ends[np.flatnonzero(epoch == epoch[-1])[0]]
    begin = fit - window + 1
    mean, covariance, z, noise, centre, scale = kalman_by_matrices(
        log_y[begin:], log_x[begin:], window - 1, ratio
    )
    h = np.array([1.0, (present_x - centre) / scale])
    spread = present_y - beta * present_x
    return {
        "parameters": [alpha, beta, sigma, np.corrcoef(np.diff(y), np.diff(x))[0, 1]],
        "phi": 1 + rate,
        "beta_kalman": mean[1] / scale,
        "stderr": math.sqrt(covariance[1, 1]) / scale,
        "alpha_kalman": mean[0] - mean[1] / scale * centre,
        "z_close": z[-1] if fit < log_y.size - 1 else None,
        "outputs": [
            spread,
            (spread - alpha) / sigma,
            (present_y - h @ mean) / math.sqrt(h @ covariance @ h + noise),
        ],
    }


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    window=st.integers(p.SHORTEST_WINDOW, 60),
    extra=st.integers(0, 130),
    first_bar=st.integers(0, 10**7),
    ticks=st.lists(
        st.tuples(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02)), min_size=1, max_size=3
    ),
)
def test_at_any_tick_the_row_equals_the_batch(generator, seed, window, extra, first_bar, ticks):
    rng = generator(seed)
    n = window + extra
    x = 11.0 + np.cumsum(rng.normal(0.0, 0.003, n))
    y = 0.5 + 0.9 * x + rng.normal(0.0, 0.002, n) + 0.3 * np.cumsum(rng.normal(0.0, 0.001, n))
    params, outputs = p.new_rows([1], [0], [window])
    for t in range(n):
        p.commit_row(params, 0, y[: t + 1], x[: t + 1], first_bar + t)
    row = params[0]
    state = row[p.KALMAN : p.KALMAN + k.KALMAN_STATE]
    ratio = state[k.NOISE_LEVEL] / state[k.NOISE_OBSERVATION]
    index = p.index_rows(params, 2)
    log_mid = np.empty(2)
    for dy, dx in ticks:
        log_mid[:] = x[-1] + dx, y[-1] + dy
        assert p.reprice(outputs, params, index, log_mid, 0) == 1
        batch = batch_row(y, x, window, first_bar, ratio, y[-1] + dy, x[-1] + dx)
        np.testing.assert_allclose(outputs[0, :3], batch["outputs"], rtol=1e-6, atol=1e-7)
    assert outputs[0, p.UPDATES] == len(ticks)
    committed = row[[p.ALPHA_OLS, p.BETA_OLS, p.SIGMA, p.CORRELATION]]
    np.testing.assert_allclose(committed, batch["parameters"], rtol=1e-7, atol=1e-8)
    if batch["phi"] > 0:
        phi = math.exp(-math.log(2) / row[p.HALF_LIFE])
        assert phi == pytest.approx(min(batch["phi"], 1.0), abs=1e-7)
    else:
        assert math.isnan(row[p.HALF_LIFE])
    assert row[p.BETA_KALMAN] == pytest.approx(batch["beta_kalman"], rel=1e-7)
    assert row[p.BETA_KALMAN_STDERR] == pytest.approx(batch["stderr"], rel=1e-6)
    assert row[p.ALPHA_KALMAN] == pytest.approx(batch["alpha_kalman"], rel=1e-6, abs=1e-6)
    assert math.isnan(row[p.Z_KALMAN_CLOSE]) == (extra == 0)
    if batch["z_close"] is not None:  # else that bar was judged by the fit before
        assert row[p.Z_KALMAN_CLOSE] == pytest.approx(batch["z_close"], rel=1e-6, abs=1e-7)


def committed_row(y, x, window, bar=0):
    params, outputs = p.new_rows([0], [1], [window])
    p.commit_row(params, 0, y, x, bar)
    return params, outputs


def test_row_warms_up_in_nan(simulate_pair):
    y, x = simulate_pair(1, 30)
    params, outputs = p.new_rows([0], [1], [30])
    index, log_mid = p.index_rows(params, 2), np.array([y[-1], x[-1]])
    for n in range(1, 30):
        p.commit_row(params, 0, y[:n], x[:n], n)
        p.reprice(outputs, params, index, log_mid, 0)
        assert params[0, [p.BARS, p.READY]].tolist() == [n, 0.0]
        assert np.isnan(params[0, COMMITTED]).all()
        assert np.isnan(outputs[0, : p.UPDATES]).all()
    p.commit_row(params, 0, y, x, 30)
    p.reprice(outputs, params, index, log_mid, 1)
    assert params[0, p.READY] == 1.0
    assert np.isfinite(outputs[0]).all()
    assert outputs[0, p.UPDATES] == 30


def test_first_fit_is_the_training_of_the_filter(simulate_pair):
    y, x = simulate_pair(2, 50)
    params, _ = committed_row(y, x, 50)
    state = fit_kalman(y, x, params[0, p.HALF_LIFE])
    assert params[0, p.KALMAN : p.ALPHA_KALMAN].tobytes() == state.tobytes()


def test_only_the_last_window_counts(simulate_pair):
    y, x = simulate_pair(3, 80)
    whole, _ = committed_row(y, x, 50)
    window, _ = committed_row(y[30:].copy(), x[30:].copy(), 50)
    assert whole[0, COMMITTED].tobytes() == window[0, COMMITTED].tobytes()


def test_filter_is_refitted_when_the_epoch_changes(simulate_pair):
    y, x = simulate_pair(4, 200)
    params, _ = p.new_rows([0], [1], [40])
    noise = []
    for t in range(39, 200):
        before = params[0, p.Z_KALMAN_STD] ** 2
        p.commit_row(params, 0, y[: t + 1], x[: t + 1], 1000 + t)
        row = params[0]
        noise.append(row[p.KALMAN + k.NOISE_OBSERVATION])
        assert row[p.EPOCH] == (1000 + t) // 40
        if t > 39:  # the running deviation goes on across refits
            z = row[p.Z_KALMAN_CLOSE]
            assert row[p.Z_KALMAN_STD] ** 2 == pytest.approx(before + 2 / 41 * (z * z - before))
    refits = [39, *(t for t in range(40, 200) if (1000 + t) % 40 == 0)]
    changes = [39, *(39 + i for i in range(1, 161) if noise[i] != noise[i - 1])]
    assert changes == refits


def test_missing_bar_at_a_boundary_does_not_skip_the_refit(simulate_pair):
    y, x = simulate_pair(5, 45)
    params, _ = committed_row(y[:40], x[:40], 40, bar=70)
    noise = params[0, p.KALMAN + k.NOISE_OBSERVATION]
    p.commit_row(params, 0, y[:41], x[:41], 79)
    assert params[0, p.KALMAN + k.NOISE_OBSERVATION] == noise
    p.commit_row(params, 0, y[:42], x[:42], 81)
    assert params[0, p.KALMAN + k.NOISE_OBSERVATION] != noise


@pytest.mark.filterwarnings("ignore:invalid value")  # inf - inf, where kernels are plain Python
@pytest.mark.parametrize("fault", [math.nan, math.inf, "constant", "line"])
def test_unsound_windows_drop_the_row_until_they_have_passed(simulate_pair, fault):
    y, x = simulate_pair(6, 130)
    if fault == "constant":
        x[40:80] = x[40]
    elif fault == "line":
        y[40:80] = 0.5 + 0.9 * x[40:80]
    else:
        y[59] = fault
    params, _ = p.new_rows([0], [1], [30])
    ready = []
    for t in range(130):
        p.commit_row(params, 0, y[: t + 1], x[: t + 1], t)
        ready.append(params[0, p.READY])
        assert np.isnan(params[0, p.SIGMA]) == (params[0, p.READY] == 0.0)
    unsound = range(69, 80) if isinstance(fault, str) else range(59, 89)
    assert [t for t in range(29, 130) if ready[t] == 0.0] == list(unsound)
    fresh, _ = committed_row(y[: unsound[-1] + 2], x[: unsound[-1] + 2], 30)
    assert fresh[0, p.READY] == 1.0


def test_leg_without_a_mid_gives_nan(simulate_pair):
    y, x = simulate_pair(7, 40)
    params, outputs = committed_row(y, x, 40)
    index = p.index_rows(params, 2)
    p.reprice(outputs, params, index, np.array([y[-1], math.nan]), 0)
    assert np.isnan(outputs[0, : p.UPDATES]).all()
    p.reprice(outputs, params, index, np.array([y[-1], x[-1]]), 1)
    assert np.isfinite(outputs).all()


def test_tick_moves_no_parameter_and_a_commit_no_output(simulate_pair):
    y, x = simulate_pair(8, 60)
    params, outputs = committed_row(y[:50], x[:50], 50)
    frozen = params.tobytes()
    p.reprice_row(outputs, params, np.array([y[50], x[50]]), 0)
    assert params.tobytes() == frozen
    shown = outputs.tobytes()
    p.commit_row(params, 0, y[:51], x[:51], 1)
    assert outputs.tobytes() == shown
    # The innovation that the filter took in is the one shown on the tick of the close.
    assert params[0, p.Z_KALMAN_CLOSE] == outputs[0, p.Z_KALMAN]


def test_reprice_touches_exactly_the_rows_that_hold_the_instrument(simulate_pair):
    y, x = simulate_pair(9, 60)
    leg_y, leg_x = [0, 3, 2, 1, 0], [1, 0, 3, 2, 3]
    params, outputs = p.new_rows(leg_y, leg_x, [30, 30, 40, 40, 60])
    for row in range(5):
        p.commit_row(params, row, y, x, 59)
    index = p.index_rows(params, 5)
    log_mid = np.array([10.4, 11.0, 10.5, 11.1, 9.0])
    for instrument, rows in enumerate([[0, 1, 4], [0, 3], [2, 3], [1, 2, 4], []]):
        outputs[:, :] = 0.0
        assert p.reprice(outputs, params, index, log_mid, instrument) == len(rows)
        assert np.flatnonzero(outputs[:, p.UPDATES]).tolist() == rows
        for row in rows:
            mid_y, mid_x = log_mid[leg_y[row]], log_mid[leg_x[row]]
            alpha, beta, sigma = params[row, [p.ALPHA_OLS, p.BETA_OLS, p.SIGMA]]
            state = params[row, p.KALMAN : p.ALPHA_KALMAN].copy()
            assert outputs[row].tolist() == [
                mid_y - beta * mid_x,
                (mid_y - beta * mid_x - alpha) / sigma,
                kalman_z(state, mid_y, mid_x),
                1.0,
            ]


def test_index_is_compressed_sparse_rows():
    params, _ = p.new_rows([0, 2], [2, 3], [20, 20])
    assert p.index_rows(params, 4).tolist() == [5, 6, 6, 8, 9, 0, 0, 1, 1]
    empty, outputs = p.new_rows([], [], [])
    assert empty.shape == (0, p.PARAMETERS)
    assert outputs.shape == (0, p.OUTPUTS)
    assert p.index_rows(empty, 2).tolist() == [3, 3, 3]
    with pytest.raises(ValueError, match="a leg is instrument 3, but there are 3"):
        p.index_rows(params, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0], [0], [30]), "row 0 pairs instrument 0 with itself"),
        (([0], [-1], [30]), "instruments must be 0 or greater"),
        (([0], [1], [19]), "window must be at least 20 bars"),
        (([0], [1, 2], [30]), "leg_x must hold 1 integers"),
        (([0.0], [1], [30]), "leg_y must hold 1 integers, got float64"),
    ],
)
def test_bad_rows_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        p.new_rows(*arguments)
