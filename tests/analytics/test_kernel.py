import doctest
import importlib
import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.analytics.kernel import portable_log

SCRIPT = """
import numpy as np
from poise.analytics import pairs
from poise.analytics.kernel import portable_log
from poise.analytics.pair_history import pair_history

t = np.arange(90.0)
x = 11.0 + 0.01 * np.sin(t / 7.0) + 1e-4 * t
y = 0.5 + 0.9 * x + 0.002 * np.cos(t / 3.0) + 0.001 * np.cos(t * t)
history = pair_history(y, x, 30)
for name in history.__slots__:
    print(name, history.__getattribute__(name).tobytes().hex())
params, outputs = pairs.new_rows([0, 1], [1, 0], [30, 40])
for row in (0, 1):
    pairs.commit_row(params, row, y, x, 89)
index = pairs.index_rows(params, 2)
print(pairs.reprice(outputs, params, index, np.array([10.5, 11.0]), 1))
print(params.tobytes().hex(), outputs.tobytes().hex())
print(np.array([portable_log(v) for v in y]).tobytes().hex())
"""


def run_script(**environment: str) -> str:
    source = str(Path(__file__).parents[2] / "src")
    return subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": source, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_compiled_kernels_equal_plain_python_bit_for_bit():
    compiled = run_script()
    assert compiled == run_script(NUMBA_DISABLE_JIT="1")
    assert compiled.splitlines()[-3] == "2"


@settings(deadline=None)
@given(st.floats(min_value=0.0, exclude_min=True, allow_infinity=False))
def test_portable_log_is_within_one_unit_in_the_last_place(value):
    expected = math.log(value)
    assert abs(portable_log(value) - expected) <= math.ulp(expected)


@settings(deadline=None)
@given(st.floats(min_value=0.99, max_value=1.01))
def test_portable_log_keeps_its_digits_near_one(value):
    f = Fraction(value) - 1
    series = float(sum((-1) ** (k + 1) * f**k / k for k in range(1, 12)))
    assert portable_log(value) == pytest.approx(series, rel=1e-15, abs=0.0)


def test_portable_log_at_the_edges():
    assert portable_log(1.0) == 0.0
    assert portable_log(0.0) == -math.inf
    assert portable_log(math.inf) == math.inf
    assert math.isnan(portable_log(-1.0))
    assert math.isnan(portable_log(math.nan))
    assert portable_log(5e-324) == pytest.approx(-1074 * math.log(2), rel=1e-15)


@pytest.mark.parametrize("module", ["regression", "correlation", "half_life"])
def test_examples_in_docstrings(module):
    results = doctest.testmod(importlib.import_module(f"poise.analytics.{module}"))
    assert results.attempted > 0
    assert results.failed == 0
