"""Kernels are compiled before their first use, so that no page and no tick waits for one."""

import subprocess
import sys

SCRIPT = """
from poise.analytics.pair_history import _run_history
from poise.core.instrument import Instrument
from poise.core.outputs import Bar
from poise.market.windows import CloseWindows
from poise.runtime.edge_pairs import pair_past
from poise.runtime.kernels import warm_history_kernel

warm_history_kernel()
before = list(_run_history.signatures)
assert len(before) == 1, before
legs = tuple(
    Instrument(ix=ix, venue="v", symbol=f"S{ix}", base="S", quote="T", kind="PERP",
               price_scale=2, qty_scale=0, tick=1, step=1)
    for ix in (0, 1)
)
closes = CloseWindows(legs, "1m", 100)
for number in range(1_000, 1_060):
    for ix in (0, 1):
        start, close = number * 60 * 10**9, 1_000 + number % (7 + ix)
        closes.put(Bar(ix, "1m", start, start, close, close, close, close, 0, 0, 0, 0, 0))
past = pair_past(closes, 0, 1, 30, 0)
assert len(past.number) == 31, past
assert list(_run_history.signatures) == before, _run_history.signatures
"""


def test_the_first_pair_that_the_edge_shows_compiles_nothing():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
