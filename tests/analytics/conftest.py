"""Recorded data, and markets simulated from known parameters."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator


@pytest.fixture
def data_file() -> Callable[[str], Path]:
    configured = os.environ.get("POISE_DATA")
    root = Path(configured) if configured else Path(__file__).parents[3] / "shared" / "data"

    def find(name: str) -> Path:
        path = root / name
        if not path.exists():
            if configured:
                pytest.fail(f"POISE_DATA is set, but {path} is missing")
            pytest.skip(f"no recording {path}")
        return path

    return find


@pytest.fixture(scope="session")
def generator() -> Callable[[int], Generator]:
    """Random numbers from a seed; the one place of these tests that makes a generator."""
    return np.random.default_rng


@pytest.fixture
def simulate_pair(generator) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    def simulate(seed: int, n: int, phi: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Log prices: x a random walk, y = 0.5 + 0.9 x + an AR(1) spread."""
        rng = generator(seed)
        x = 11.0 + np.cumsum(rng.normal(0.0, 0.003, n))
        spread = np.zeros(n)
        for t in range(1, n):
            spread[t] = phi * spread[t - 1] + rng.normal(0.0, 0.002)
        return 0.5 + 0.9 * x + spread, x

    return simulate
