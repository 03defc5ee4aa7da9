"""What the public functions ask of an array before they compute with it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def finite_series(name: str, values: ArrayLike, shortest: int) -> FloatArray:
    """Return `values` as a contiguous float64 vector, or say what is wrong with it.

    Parameters
    ----------
    name : str
        What the message calls it.
    values : array_like of shape (n,)
        Numbers; oldest first is the caller's business.
    shortest : int
        Fewest observations with which the statistic is defined.

    Returns
    -------
    ndarray of shape (n,), float64
        C-contiguous; the argument itself if it already was.

    Raises
    ------
    ValueError
        If it is not one-dimensional, is shorter than `shortest`, or holds NaN or inf.
    """
    series = np.ascontiguousarray(values, dtype=np.float64)
    if np.ndim(values) != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {np.shape(values)}")
    if series.size < shortest:
        raise ValueError(f"{name} needs at least {shortest} observations, got {series.size}")
    if not np.isfinite(series).all():
        first = int(np.flatnonzero(~np.isfinite(series))[0])
        raise ValueError(f"{name} must be finite, got {series[first]} at position {first}")
    return series


def paired_series(y: ArrayLike, x: ArrayLike, shortest: int) -> tuple[FloatArray, FloatArray]:
    """Check the two legs of a pair: `finite_series` for each, and equal lengths.

    Parameters
    ----------
    y, x : array_like of shape (n,)
        The legs, bar by bar, oldest first.
    shortest : int
        Fewest observations.

    Returns
    -------
    tuple of ndarray of shape (n,), float64

    Raises
    ------
    ValueError
        As `finite_series`, and if the lengths differ.
    """
    leg_y = finite_series("y", y, shortest)
    leg_x = finite_series("x", x, shortest)
    if leg_y.size != leg_x.size:
        raise ValueError(f"y and x must pair bar by bar, got {leg_y.size} and {leg_x.size} values")
    return leg_y, leg_x
