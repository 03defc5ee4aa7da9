import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.vector_ar.vecm import coint_johansen

from poise.analytics.half_life import half_life_bars, half_life_of, reversion_rate


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 200))
def test_rate_agrees_with_least_squares(generator, seed, n):
    spread = 5.0 + generator(seed).normal(0.0, 0.01, n)
    design = np.column_stack([np.ones(n - 1), spread[:-1] - 5.0])
    expected = np.linalg.lstsq(design, np.diff(spread), rcond=None)[0][1]
    assert reversion_rate(spread) == pytest.approx(expected, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("phi", [0.1, 0.5, 0.9, 0.99])
def test_noiseless_decay_has_its_half_life(phi):
    spread = 3.0 + phi ** np.arange(6)
    assert half_life_bars(spread) == pytest.approx(math.log(0.5) / math.log(phi), rel=1e-9)


def test_half_life_of_a_long_simulation_is_recovered(generator):
    rng = generator(1)
    spread = np.zeros(20_000)
    for t, shock in enumerate(rng.normal(size=spread.size - 1)):
        spread[t + 1] = 0.95 * spread[t] + shock
    assert half_life_bars(spread) == pytest.approx(13.51, rel=0.08)


def test_half_life_at_its_edges():
    assert half_life_of(0.0) == math.inf
    assert half_life_of(0.3) == math.inf
    assert half_life_of(-1e-17) == math.inf
    assert half_life_of(-0.5) == pytest.approx(1.0, rel=1e-15)
    assert half_life_of(-0.75) == pytest.approx(0.5, rel=1e-15)
    assert math.isnan(half_life_of(-1.0))
    assert math.isnan(half_life_of(-1.5))
    assert math.isnan(half_life_of(math.nan))


def test_half_life_of_particular_spreads():
    assert half_life_bars([1.0, 2.0, 4.0, 8.0]) == math.inf
    assert math.isnan(half_life_bars([1.0, -1.0, 1.0, -1.0, 1.0]))
    assert math.isnan(half_life_bars([0.1, 0.1, 0.1, 0.1]))
    with pytest.raises(ValueError, match="spread needs at least 3 observations, got 2"):
        half_life_bars([1.0, 2.0])
    with pytest.raises(ValueError, match="spread must be finite"):
        half_life_bars([1.0, math.nan, 2.0])


@pytest.mark.real_data
def test_rate_reproduces_chans_printed_half_life(data_file):
    """22.662578 days, in his continuous form -ln 2 / lambda, for EWA-EWC-IGE (raw prices)."""
    data = np.genfromtxt(
        data_file("epchan_books/inputData_EWA_EWC_IGE.csv"), delimiter=",", names=True
    )
    prices = np.column_stack([data["EWA"], data["EWC"], data["IGE"]])
    portfolio = prices @ coint_johansen(prices, 0, 1).evec[:, 0]
    rate = reversion_rate(np.ascontiguousarray(portfolio))
    assert -math.log(2) / rate == pytest.approx(22.662578, abs=5e-7)
    assert half_life_bars(portfolio) == pytest.approx(22.662578 - math.log(2) / 2, abs=0.01)
