"""The latent log prices: random walks with clustered volatility, and the spreads upon them.

    x_i(t) = log start_i + beta_i * F_g(t) + S_i(t)

F_g is a random walk whose volatility is sigma_g * exp(h - s^2), h an Ornstein-Uhlenbeck process of
standard deviation s, so that E[volatility^2] = sigma_g^2. S_i is the sum of three independent OU
processes (fast, middle, slow), each discretised exactly: with half-life H and step dt,
phi = 2^(-dt/H) and y' = phi y + sd sqrt(1 - phi^2) e.

Random walks and stationary OU processes look the same run backwards. So the past is the same
process run from the start instant backwards, and needs to be computed only as far back as
somebody asks, without changing the live market.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from poise.loopback.chance import Source
from poise.loopback.layout import Layout

Floats = npt.NDArray[np.float64]

HALF_LIVES_S = (45.0, 20 * 60.0, 3 * 3600.0)
SPREAD_SD = (4e-4, 9e-4, 25e-4)  # of the three components, in log price
VOL_HALF_LIFE_S = 30 * 60.0
VOL_SD = 0.45


@dataclass(frozen=True, slots=True)
class LatentState:
    """Where every process stands at one instant; shapes (factors,), (factors,), (n, 3)."""

    factor: Floats
    log_vol: Floats
    spread: Floats


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of steps: `factor_part` and `spread_part` (steps, n), `variance` of each step."""

    factor_part: Floats
    spread_part: Floats
    variance: Floats

    @property
    def log_price(self) -> Floats:
        """Log prices without the trend and the break, shape (steps, n)."""
        return self.factor_part + self.spread_part


class Dynamics:
    """The law of motion of one market."""

    def __init__(self, layout: Layout) -> None:
        members = layout.members
        self.log_start = np.array([member.log_start for member in members])
        self.beta = np.array([member.beta for member in members])
        self.factor_of = np.array([member.factor for member in members])
        self.has_spread = np.array([member.has_spread for member in members], dtype=np.float64)
        self.sigma = layout.factor_sigma

    def start(self, source: Source) -> LatentState:
        """Draw the stationary state from which past and future are run."""
        n, k = len(self.beta), len(self.sigma)
        return LatentState(
            np.zeros(k),
            VOL_SD * source.standard_normal(k),
            np.array(SPREAD_SD) * source.standard_normal((n, 3)) * self.has_spread[:, None],
        )

    def run(
        self,
        state: LatentState,
        steps: int,
        dt: float,
        source: Source,
    ) -> tuple[Stretch, LatentState]:
        """Advance `steps` steps of `dt` seconds; row 0 is one step after `state`."""
        n, k = len(self.beta), len(self.sigma)
        log_vol = ornstein(
            state.log_vol, VOL_SD, VOL_HALF_LIFE_S, dt, source.standard_normal((steps, k))
        )
        vol = self.sigma * np.exp(log_vol - VOL_SD**2)
        moves = vol * math.sqrt(dt) * source.standard_normal((steps, k))
        factor = state.factor + np.cumsum(moves, axis=0)
        parts = []
        for which, (sd, half_life) in enumerate(zip(SPREAD_SD, HALF_LIVES_S, strict=True)):
            noise = source.standard_normal((steps, n)) * self.has_spread
            parts.append(ornstein(state.spread[:, which], sd, half_life, dt, noise))
        spread = parts[0] + parts[1] + parts[2]
        turn = sum(
            sd * sd * (1.0 - 4.0 ** (-dt / half_life))
            for sd, half_life in zip(SPREAD_SD, HALF_LIVES_S, strict=True)
        )
        variance = (vol[:, self.factor_of] * self.beta) ** 2 * dt + turn * self.has_spread
        end = LatentState(factor[-1], log_vol[-1], np.stack([part[-1] for part in parts], axis=1))
        factor_part = self.log_start + self.beta * factor[:, self.factor_of]
        return Stretch(factor_part, spread, variance), end


def ornstein(start: Floats, sd: float, half_life: float, dt: float, noise: Floats) -> Floats:
    """Exact OU path of stationary deviation `sd` from `start`, driven by noise (steps, columns)."""
    phi = 2.0 ** (-dt / half_life)
    kick = sd * math.sqrt(1.0 - phi * phi)
    path: Floats
    path, _ = lfilter([kick], [1.0, -phi], noise, axis=0, zi=(phi * start)[None, :])
    return path
