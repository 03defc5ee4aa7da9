"""One instrument's book in scaled integers, updated by kernels.

Each side is kept as rows (key, quantity) sorted by key with the best level last (bids by price,
asks by minus price), so one kernel serves both sides and changes near the touch move few rows.
"""

import numpy as np
import numpy.typing as npt

from poise.analytics.kernel import kernel
from poise.core.events import Levels
from poise.core.units import Price, Qty

CAPACITY = 8_192
"""Levels kept a side; beyond it the level farthest from the touch is forgotten."""

_BID = 0
_ASK = 1


@kernel
def _find(rows: np.ndarray, size: int, key: int) -> int:
    """First index whose key is not below `key`."""
    low = 0
    high = size
    while low < high:
        middle = (low + high) // 2
        if rows[middle, 0] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _set(rows: np.ndarray, size: int, key: int, qty: int) -> int:
    """Set one level (0 removes it); returns the new number of levels."""
    at = _find(rows, size, key)
    known = at < size and rows[at, 0] == key
    if qty == 0:
        if known:
            for i in range(at, size - 1):
                rows[i, 0] = rows[i + 1, 0]
                rows[i, 1] = rows[i + 1, 1]
            return size - 1
        return size  # removing an unknown level is normal, says the venue
    if known:
        rows[at, 1] = qty
        return size
    if size == rows.shape[0]:
        if at == 0:
            return size
        for i in range(at - 1):
            rows[i, 0] = rows[i + 1, 0]
            rows[i, 1] = rows[i + 1, 1]
        rows[at - 1, 0] = key
        rows[at - 1, 1] = qty
        return size
    for i in range(size, at, -1):
        rows[i, 0] = rows[i - 1, 0]
        rows[i, 1] = rows[i - 1, 1]
    rows[at, 0] = key
    rows[at, 1] = qty
    return size + 1


@kernel
def _gallop(rows: np.ndarray, start: int, size: int, key: int) -> int:
    """First index from `start` on whose key is not below `key`; quick where it is near."""
    reach = 1
    low = start
    while low + reach <= size and rows[low + reach - 1, 0] < key:
        low += reach
        reach *= 2
    high = min(low + reach - 1, size)
    while low < high:
        middle = (low + high) // 2
        if rows[middle, 0] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _move(rows: np.ndarray, start: int, end: int, by: int) -> None:
    """Move rows ``start..end`` by some places, whichever way."""
    if by < 0:
        for i in range(start, end):
            rows[i + by, 0] = rows[i, 0]
            rows[i + by, 1] = rows[i, 1]
    else:
        for i in range(end - 1, start - 1, -1):
            rows[i + by, 0] = rows[i, 0]
            rows[i + by, 1] = rows[i, 1]


@kernel
def _merge(rows: np.ndarray, size: int, levels: np.ndarray, sign: int, step: int) -> int:
    """Set sorted levels, towards the touch with `step` 1; returns the new number of levels.

    What is known is set in its place. Levels that come or go shift the rows behind them by how
    many came less how many went before, and where that is nothing no row moves. Rows that shift
    down are moved first, from the bottom up, then those that shift up, from the touch down: so
    none is overwritten before it has moved.
    """
    count = levels.shape[0]
    starts = np.empty(count, dtype=np.int64)
    ends = np.empty(count + 1, dtype=np.int64)  # of the segment before
    shifts = np.empty(count, dtype=np.int64)
    news = np.empty(count, dtype=np.int64)
    segments = shift = at = 0
    level = 0 if step > 0 else count - 1
    for _ in range(count):
        key = sign * levels[level, 0]
        qty = levels[level, 1]
        at = _gallop(rows, at, size, key)
        known = at < size and rows[at, 0] == key
        if known and qty != 0:
            rows[at, 1] = qty
        elif known or qty != 0:  # removing an unknown level is normal, says the venue
            # `news` holds the level that stands before the segment, if it is one that comes.
            news[segments] = -1 if known else level
            ends[segments] = at
            at += known
            shift += -1 if known else 1
            starts[segments] = at
            shifts[segments] = shift
            segments += 1
        level += step
    ends[segments] = size
    for n in range(segments):
        if shifts[n] < 0:
            _move(rows, starts[n], ends[n + 1], shifts[n])
    for n in range(segments - 1, -1, -1):
        if shifts[n] > 0:
            _move(rows, starts[n], ends[n + 1], shifts[n])
    for n in range(segments):
        if news[n] >= 0:
            put = starts[n] + shifts[n] - 1
            rows[put, 0] = sign * levels[news[n], 0]
            rows[put, 1] = levels[news[n], 1]
    return size + shift


@kernel
def _side(rows: np.ndarray, size: int, levels: np.ndarray, sign: int) -> int:
    """Set levels of one side, at once if there is room and they are sorted, as the wire's are."""
    count = levels.shape[0]
    rising = falling = 0 < count <= rows.shape[0] - size
    for i in range(1, count):
        rising &= levels[i - 1, 0] < levels[i, 0]
        falling &= levels[i - 1, 0] > levels[i, 0]
    if rising or falling:
        return _merge(rows, size, levels, sign, sign if rising else -sign)
    for i in range(count):
        size = _set(rows, size, sign * levels[i, 0], levels[i, 1])
    return size


@kernel
def _apply(sides: np.ndarray, sizes: np.ndarray, bids: np.ndarray, asks: np.ndarray) -> bool:
    """Set the levels of both sides; returns whether the best bid is at or above the best ask."""
    sizes[0] = _side(sides[0], sizes[0], bids, 1)
    sizes[1] = _side(sides[1], sizes[1], asks, -1)
    bid_at, ask_at = sizes[0] - 1, sizes[1] - 1
    return bool(bid_at >= 0 and ask_at >= 0 and sides[0, bid_at, 0] >= -sides[1, ask_at, 0])


class Book:
    """Price levels of one instrument; whether they are current, `BookSync` knows."""

    __slots__ = ("_sides", "_sizes", "last_id")

    def __init__(self) -> None:
        self._sides = np.zeros((2, CAPACITY, 2), dtype=np.int64)
        self._sizes = np.zeros(2, dtype=np.int64)
        self.last_id = 0

    def clear(self) -> None:
        """Forget every level."""
        self._sizes[:] = 0

    def apply(self, bids: Levels, asks: Levels, last_id: int) -> bool:
        """Set the given levels (absolute quantities; 0 removes); returns whether it is crossed."""
        self.last_id = last_id
        return _apply(self._sides, self._sizes, bids, asks)

    def best(self) -> tuple[Price, Qty, Price, Qty]:
        """Best bid, its quantity, best ask, its quantity; zeros where a side is empty."""
        bid_at, ask_at = int(self._sizes[_BID]) - 1, int(self._sizes[_ASK]) - 1
        bid = self._sides[_BID, bid_at].tolist() if bid_at >= 0 else (0, 0)
        ask = self._sides[_ASK, ask_at].tolist() if ask_at >= 0 else (0, 0)
        return Price(bid[0]), Qty(bid[1]), Price(-ask[0]), Qty(ask[1])

    def top(self, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Best `count` bids and asks, best first, each of shape (n, 2): price, quantity."""
        sides = []
        for side, sign in ((_BID, 1), (_ASK, -1)):
            size = int(self._sizes[side])
            picked = self._sides[side, max(size - count, 0) : size][::-1].copy()
            picked[:, 0] *= sign
            sides.append(picked)
        return sides[0], sides[1]
