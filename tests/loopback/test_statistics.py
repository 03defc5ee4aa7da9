"""The planted truth is recovered from prices, against closed forms and published values.

Series are the generated market's own closes. Engle-Granger by least squares and a Dickey-Fuller
regression with augmentation; critical value -3.34 (5 %, two series, MacKinnon 2010).
"""

import math

import numpy as np
import pytest

from poise.loopback.chance import array_source
from poise.loopback.config import GeneratedConfig
from poise.loopback.generated import GeneratedMarket
from poise.loopback.klines import CLOSE
from poise.loopback.layout import PairKind
from poise.loopback.paths import HALF_LIVES_S, SPREAD_SD, VOL_SD, ornstein

START = 1_790_000_000 * 10**9
CRITICAL_5 = -3.34


@pytest.fixture(scope="module")
def market():
    config = GeneratedConfig(history_days=30, recent_s=600)
    return GeneratedMarket(config, START, keep_truth=False)


@pytest.fixture(scope="module")
def closes(market):
    """Log of the closes of 28 days of minutes, oldest first, by symbol."""
    last = market.past.recent_minute - 1
    first = last - 28 * 1440 + 1
    return {
        symbol: np.log(market.past.rows(index, first, last)[:, CLOSE].astype(float))
        for index, symbol in enumerate(market.specs)
    }


def residuals(y, x):
    design = np.column_stack([np.ones_like(x), x])
    beta, *_ = np.linalg.lstsq(design, y, rcond=None)
    return y - design @ beta, beta[1]


def adf(e, lags=2):
    """t of the level in de = g e + sum of lagged de."""
    de = np.diff(e)
    rows = len(de) - lags
    design = np.column_stack(
        [e[lags:-1], *(de[lags - k : len(de) - k] for k in range(1, lags + 1))]
    )
    target = de[lags:]
    coef, *_ = np.linalg.lstsq(design, target, rcond=None)
    left = target - design @ coef
    s2 = left @ left / (rows - design.shape[1])
    return coef[0] / math.sqrt(s2 * np.linalg.inv(design.T @ design)[0, 0])


def test_half_of_the_pairs_are_null_and_every_kind_is_there(market):
    kinds = [pair.kind for pair in market.pairs]
    assert kinds.count(PairKind.NULL) * 2 == len(kinds)
    assert set(kinds) == set(PairKind)
    assert len(market.specs) == 24


def test_cointegrated_pairs_pass_and_null_pairs_do_not(market, closes):
    passed = {kind: [] for kind in PairKind}
    for pair in market.pairs:
        y, x = closes[pair.y][::5], closes[pair.x][::5]
        e, beta = residuals(y, x)
        passed[pair.kind].append(adf(e) < CRITICAL_5)
        if pair.kind is PairKind.COINTEGRATED:
            assert beta == pytest.approx(pair.beta, rel=0.05)
    assert all(passed[PairKind.COINTEGRATED])
    assert all(passed[PairKind.BREAKS])  # it breaks only while one watches
    # Ten null pairs at 5 %: four or more passing has probability 0.001.
    assert sum(passed[PairKind.NULL]) <= 3


def test_spread_has_the_variance_and_memory_of_its_three_components(market, closes):
    """Autocovariance of a sum of OU processes: sum of sd_i^2 2^(-t / H_i)."""
    lags = np.array([0, 1, 5, 20, 60, 180])
    got = []
    for pair in market.pairs:
        if pair.kind is not PairKind.COINTEGRATED or pair.x not in {"ARDENUSDT", "GALDOUSDT"}:
            continue
        s = closes[pair.y] - pair.beta * closes[pair.x]
        s = s - s.mean()
        got.append([np.mean(s[: len(s) - lag] * s[lag:]) for lag in lags])
    # (The IVORN-HESTA pair has two spreads and is not among these.)
    expected = sum(
        sd**2 * 2.0 ** (-60.0 * lags / half)
        for sd, half in zip(SPREAD_SD, HALF_LIVES_S, strict=True)
    )
    mean = np.mean(got, axis=0)
    # 3 spreads x 28 days hold about 500 independent looks at the slow component: 10 % is 2 sd.
    np.testing.assert_allclose(mean[[0, 3, 4]], expected[[0, 3, 4]], rtol=0.25)
    drop = (mean[0] - mean[1]) / mean[0], (expected[0] - expected[1]) / expected[0]
    assert drop[0] == pytest.approx(drop[1], rel=0.3)


@pytest.mark.parametrize("half_life", HALF_LIVES_S)
def test_half_life_is_recovered(half_life):
    """AR(1) coefficient phi = 2^(-dt/H); asymptotic sd of phi-hat is sqrt((1-phi^2)/n)."""
    noise = array_source(5, "test").standard_normal((200_000, 1))
    dt = half_life / 20.0
    path = ornstein(np.zeros(1), 1e-3, half_life, dt, noise)[1000:, 0]
    phi = path[1:] @ path[:-1] / (path[:-1] @ path[:-1])
    sd = math.sqrt((1 - phi**2) / len(path))
    assert abs(phi - 2.0 ** (-dt / half_life)) < 3 * sd
    assert -dt * math.log(2) / math.log(phi) == pytest.approx(half_life, rel=0.06)
    assert path.std() == pytest.approx(1e-3, rel=0.05)


def test_a_step_of_any_length_has_the_same_law():
    """phi(60 x 1 s) = phi(60 s), and so for the variance after a minute."""
    start = np.array([2e-3])
    fine = ornstein(start, 1e-3, 45.0, 1.0, np.zeros((60, 1)))[-1]
    coarse = ornstein(start, 1e-3, 45.0, 60.0, np.zeros((1, 1)))[-1]
    np.testing.assert_allclose(fine, coarse, rtol=1e-12)


def test_volatility_is_clustered_and_of_the_planted_size(market, closes):
    """Squared returns of a random walk with log-normal volatility: positive autocorrelation."""
    for symbol in ("ORVIKUSDT", "PELTAUSDT", "QUENOUSDT"):
        r = np.diff(closes[symbol][::5])
        r2 = r**2 - np.mean(r**2)
        memory = np.mean(r2[1:] * r2[:-1]) / np.mean(r2**2)
        assert memory > 5.0 / math.sqrt(len(r))
        kurtosis = np.mean(r**4) / np.mean(r**2) ** 2
        # E[v^4]/E[v^2]^2 = exp(4 sd^2) for one constant volatility a bar; averaging lowers it.
        assert 3.3 < kurtosis < 3.0 * math.exp(4 * VOL_SD**2) * 1.5
        index = list(market.specs).index(symbol)
        member = market.members[index]
        sigma = r.std() / math.sqrt(300.0) * math.sqrt(365 * 86_400)
        assert 0.4 < sigma < 1.2
        assert member.kind is PairKind.NULL


def test_null_walks_are_uncorrelated_and_unpredictable(market, closes):
    alone = [m.spec.symbol for m in market.members if m.kind is PairKind.NULL]
    r = np.array([np.diff(closes[symbol][::5]) for symbol in alone])
    off = np.corrcoef(r)[np.triu_indices(len(alone), 1)]
    n = r.shape[1]
    assert np.abs(off).max() < 5.5 / math.sqrt(n)
    for row in r:
        # Variance ratio of a random walk is 1 (Lo and MacKinlay 1988).
        twelve = np.add.reduceat(row[: n // 12 * 12], np.arange(0, n // 12 * 12, 12))
        assert twelve.var() / (12 * row.var()) == pytest.approx(1.0, abs=0.2)


def test_one_relation_breaks_while_you_watch_and_one_trends():
    config = GeneratedConfig(instruments=10, break_after_s=60.0, history_days=2, recent_s=600)
    market = GeneratedMarket(config, START, keep_truth=False)
    pairs = {pair.kind: pair for pair in market.pairs}

    place = {symbol: index for index, symbol in enumerate(market.specs)}

    def spread(pair, logs):
        return logs[place[pair.y]] - pair.beta * logs[place[pair.x]]

    broken = []
    for step in range(0, 31 * 600, 600):
        broken.append(spread(pairs[PairKind.BREAKS], market._prices.at_step(step)))
    moved = broken[-1] - broken[1]
    assert moved == pytest.approx(29 * 8e-4, abs=80e-4)  # 8 bp a minute for 29 minutes
    assert moved > 4 * math.sqrt(sum(sd**2 for sd in SPREAD_SD))
    # The trend is 25 bp an hour for the 12 hours before the start, nothing before those.
    index = list(market.specs).index(pairs[PairKind.TRENDS].y)
    other = list(market.specs).index(pairs[PairKind.TRENDS].x)
    last = market.past.recent_minute - 1
    rows = [
        np.log(market.past.rows(i, last - 2879, last)[:, CLOSE].astype(float))
        for i in (index, other)
    ]
    s = rows[0] - pairs[PairKind.TRENDS].beta * rows[1]
    assert s[-60:].mean() - s[-780:-720].mean() == pytest.approx(12 * 25e-4, abs=90e-4)
    assert abs(s[:1440].mean() - s[1440:2160].mean()) < 60e-4


def test_live_prices_continue_the_past_at_the_same_volatility(market):
    at_start = market.past.log_prices_at_start()
    logs = np.array([market._prices.at_step(step) for step in range(0, 3000, 100)])
    assert np.abs(logs[0] - at_start).max() < 10e-4  # 100 ms later
    ahead = np.diff(logs, axis=0)
    back = np.diff(market.past.log_prices_1s()[:300:10], axis=0)
    assert np.abs(market.past.log_prices_1s()[0] - at_start).max() < 20e-4  # 1 s earlier
    ratio = np.sqrt(np.mean(ahead**2) / np.mean(back**2))
    assert 0.7 < ratio < 1.4
