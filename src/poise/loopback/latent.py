"""The live side of the latent market: prices step by step, with the break that is due."""

import numpy as np

from poise.loopback.chance import Source, array_source
from poise.loopback.layout import Layout, PairKind
from poise.loopback.past import Trend
from poise.loopback.paths import SPREAD_SD, Dynamics, Floats, LatentState
from poise.loopback.quoting import STEP_MS

BLOCK_STEPS = 100
_DRIFT_S = 1800.0  # a broken spread drifts away for this long, then walks at random

_STEP_S = STEP_MS / 1000.0


class LivePrices:
    """Log prices from the start on, in blocks of 10 s; the same for any way of asking."""

    def __init__(
        self,
        seed: int,
        layout: Layout,
        dynamics: Dynamics,
        start: LatentState,
        trend: Trend,
        break_after_s: float,
        break_bp_per_min: float,
    ) -> None:
        self._seed = seed
        self._dynamics = dynamics
        self._state = start
        self._trend = trend
        self._block = -1
        self._steps: list[list[float]] = []
        self._breaks = np.array(
            [m.kind is PairKind.BREAKS and m.has_spread for m in layout.members], dtype=np.bool_
        )
        self._break_step = round(break_after_s / _STEP_S)
        self._drift_per_step = break_bp_per_min * 1e-4 / 60.0 * _STEP_S
        self._broken: Floats | None = None  # spreads of all members where they came loose

    def at_step(self, step: int) -> list[float]:
        """Log prices at the end of step `step` (100 ms each, 0 the first); steps only go up."""
        block = step // BLOCK_STEPS
        while self._block < block:
            self._block += 1
            self._steps = self._make_block(self._block).tolist()
        return self._steps[step % BLOCK_STEPS]

    def _make_block(self, block: int) -> Floats:
        source = array_source(self._seed, "live", block)
        stretch, self._state = self._dynamics.run(self._state, BLOCK_STEPS, _STEP_S, source)
        first = block * BLOCK_STEPS
        spread = stretch.spread_part
        loose = max(0, self._break_step - first)  # first row of this block after the break
        if loose < BLOCK_STEPS and self._breaks.any():
            spread = self._break(spread, first, loose, source)
        seconds = (first + np.arange(1.0, BLOCK_STEPS + 1.0)) * _STEP_S
        return stretch.factor_part + spread + self._trend.at(seconds)

    def _break(
        self,
        spread: Floats,
        first: int,
        loose: int,
        source: Source,
    ) -> Floats:
        """Replace the spreads of the breaking members from row `loose` on by a drifting walk."""
        rows = BLOCK_STEPS - loose
        if self._broken is None:
            self._broken = spread[loose].copy()
        age = first + loose - self._break_step + np.arange(rows)
        drift = np.where(age * _STEP_S < _DRIFT_S, self._drift_per_step, 0.0)
        walk = SPREAD_SD[1] / 60.0 * source.standard_normal((rows, spread.shape[1]))
        path = self._broken + np.cumsum(drift[:, None] + walk, axis=0)
        self._broken = path[-1]
        spread = spread.copy()
        spread[loose:, self._breaks] = path[:, self._breaks]
        return spread
