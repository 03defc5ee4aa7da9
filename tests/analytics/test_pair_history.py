import math

import numpy as np
import pyarrow.feather
import pytest

from poise.analytics import pairs as p
from poise.analytics.pair_history import PairHistory, pair_history

SERIES = [name for name in PairHistory.__slots__ if name != "bar"]


def test_last_value_equals_the_live_row_bit_for_bit(simulate_pair):
    y, x = simulate_pair(1, 150)
    params, outputs = p.new_rows([0], [1], [40])
    index, log_mid = p.index_rows(params, 2), np.empty(2)
    bar = np.arange(500, 650)
    for t in range(150):
        log_mid[:] = y[t], x[t]
        p.reprice(outputs, params, index, log_mid, 0)
        z_kalman = outputs[0, p.Z_KALMAN]
        p.commit_row(params, 0, y[: t + 1], x[: t + 1], bar[t])
        p.reprice(outputs, params, index, log_mid, 0)
    row = params[0]
    history = pair_history(y, x, 40, bar)
    assert [history.alpha[-1], history.beta[-1], history.sigma[-1]] == row[
        [p.ALPHA_OLS, p.BETA_OLS, p.SIGMA]
    ].tolist()
    assert [history.spread[-1], history.z_window[-1]] == outputs[0, :2].tolist()
    assert history.correlation[-1] == row[p.CORRELATION]
    assert history.beta_kalman[-1] == row[p.BETA_KALMAN]
    assert history.beta_kalman_stderr[-1] == row[p.BETA_KALMAN_STDERR]
    assert history.z_kalman[-1] == row[p.Z_KALMAN_CLOSE] == z_kalman
    assert history.z_kalman_std[-1] == row[p.Z_KALMAN_STD]
    assert history.bar.tolist() == bar.tolist()


def test_future_bars_change_no_past_value(simulate_pair):
    y, x = simulate_pair(2, 200)
    whole = pair_history(y, x, 40)
    for n in (1, 39, 40, 79, 80, 81, 199):
        past = pair_history(y[:n], x[:n], 40)
        for name in SERIES:
            assert getattr(past, name).tobytes() == getattr(whole, name)[:n].tobytes()


def test_later_start_agrees_from_its_first_refit_on(simulate_pair):
    y, x = simulate_pair(3, 300)
    early = pair_history(y, x, 40)
    late = pair_history(y[55:], x[55:], 40, np.arange(55, 300))
    refit = 120  # the first multiple of 40 after bar 55 + 39
    for name in SERIES:
        if name != "z_kalman_std":
            after_refit = 1 if name == "z_kalman" else 0
            full, part = getattr(early, name), getattr(late, name)
            assert (full[refit + after_refit :] == part[refit - 55 + after_refit :]).all()
    np.testing.assert_allclose(early.z_kalman_std[-1], late.z_kalman_std[-1], rtol=1e-3)


def test_nothing_is_shown_before_the_window_is_full(simulate_pair):
    y, x = simulate_pair(4, 60)
    history = pair_history(y, x, 40)
    for name in SERIES:
        first = 40 if name == "z_kalman" else 39
        series = getattr(history, name)
        assert np.isnan(series[:first]).all()
        assert np.isfinite(series[first:]).all()


def test_spread_that_reverts_keeps_z_kalman_in_its_zone(simulate_pair):
    y, x = simulate_pair(5, 6000, phi=0.6)
    std = pair_history(y, x, 300).z_kalman_std[300:]
    assert np.mean((std > 0.8) & (std < 1.25)) > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [1.0], 20), "got 2 and 1 values"),
        (([1.0, math.nan], [1.0, 2.0], 20), "y must be finite"),
        (([1.0, 2.0], [1.0, 2.0], 5), "window must be at least 20 bars"),
        (([1.0, 2.0], [1.0, 2.0], 20, [3, 3]), "bar must hold 2 increasing numbers"),
        (([1.0, 2.0], [1.0, 2.0], 20, [3]), "bar must hold 2 increasing numbers"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        pair_history(*arguments)


@pytest.mark.real_data
def test_hourly_eth_btc_of_2024(data_file):
    """Sane numbers on a recorded pair, and a deviation of z that the gate can judge."""
    closes = [
        pyarrow.feather.read_table(
            data_file(f"genetrader_binance_spot/1h/{base}_USDT-1h.feather"), columns=["close"]
        )["close"].to_numpy()
        for base in ("ETH", "BTC")
    ]
    y, x = (np.log(close) for close in closes)
    history = pair_history(y, x, 300)
    t = 4000
    beta, alpha = np.polyfit(x[t - 299 : t + 1], y[t - 299 : t + 1], 1)
    residual = y[t - 299 : t + 1] - alpha - beta * x[t - 299 : t + 1]
    assert history.beta[t] == pytest.approx(beta, rel=1e-8)
    assert history.z_window[t] == pytest.approx(
        residual[-1] / math.sqrt((residual**2).sum() / 298), rel=1e-8
    )
    known = ~np.isnan(history.z_kalman)
    assert known.sum() == y.size - 300
    assert np.median(history.correlation[known]) > 0.7
    # Textbook noise gives 0.27 here: fitted noise keeps z on a scale of 1.
    assert 0.8 < history.z_kalman[known].std() < 1.8
