"""All randomness of the loopback, drawn from named seeds so that every run can be repeated."""

import math
import random

import numpy as np

Source = np.random.Generator  # noqa: TID251 - the one place; always seeded by name
"""Where arrays of draws come from."""


def array_source(*name: object) -> Source:
    """Return a numpy generator that depends on `name` alone, on any machine and hash seed."""
    words = [ord(letter) for letter in "/".join(map(str, name))]
    return Source(np.random.PCG64(np.random.SeedSequence(words)))  # noqa: TID251


class Chance:
    """Single draws, far cheaper one by one than numpy's."""

    def __init__(self, *name: object) -> None:
        self._random = random.Random("/".join(map(str, name)))  # noqa: S311 - a simulation
        self.uniform = self._random.random
        self.normal = self._random.gauss

    def below(self, limit: int) -> int:
        """Return an integer in 0..limit-1."""
        return int(self.uniform() * limit)

    def poisson(self, mean: float) -> int:
        """Count of events with the given mean (Knuth's product; meant for means below 30)."""
        limit, count, product = math.exp(-mean), 0, self.uniform()
        while product > limit:
            count += 1
            product *= self.uniform()
        return count

    def exponential(self, mean: float) -> float:
        """Draw a waiting time with the given mean."""
        return -mean * math.log(1.0 - self.uniform())
