"""Numbers as the contract wants them: unknown ones are None, never NaN or infinity."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


def known(value: float) -> float | None:
    """Pass a finite number on; None for NaN and infinities."""
    return float(value) if math.isfinite(value) else None  # numpy's floats have no encoding


def known_list(values: npt.NDArray[np.float64]) -> list[float | None]:
    """The same for a whole array."""
    found: list[float] = values.tolist()
    if np.isfinite(values).all():
        return list(found)
    return [value if math.isfinite(value) else None for value in found]


def rounded(values: Iterable[float], decimals: int) -> list[float]:
    """Numbers with no more digits than they mean."""
    return [round(value, decimals) for value in values]


def known_age(age_ms: float) -> float | None:
    """An age in ms; two clocks that differ by a little must not make it negative."""
    return round(max(age_ms, 0.0), 1) if math.isfinite(age_ms) else None
