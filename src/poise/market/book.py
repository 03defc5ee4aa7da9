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
def _merge(rows: np.ndarray, size: int, levels: np.ndarray, sign: int, step: int) -> int:
    """Set sorted levels, towards the touch with `step` 1; returns the new number of levels.

    One walk towards the touch sets what is known and closes up over what is removed, one walk back
    makes room for what is new: a row moves twice at most, however many levels change.
    """
    count = levels.shape[0]
    places = np.empty(count, dtype=np.int64)
    added = 0
    level = 0 if step > 0 else count - 1
    put = at = _find(rows, size, sign * levels[level, 0])
    for n in range(count):
        key = sign * levels[level, 0]
        qty = levels[level, 1]
        level += step
        if put == at:
            while at < size and rows[at, 0] < key:
                at += 1
            put = at
        while at < size and rows[at, 0] < key:
            rows[put, 0] = rows[at, 0]
            rows[put, 1] = rows[at, 1]
            at += 1
            put += 1
        places[n] = -1
        if at < size and rows[at, 0] == key:
            if qty == 0:
                at += 1
            else:
                rows[at, 1] = qty
        elif qty != 0:  # removing an unknown level is normal, says the venue
            places[n] = put
            added += 1
    while put != at and at < size:
        rows[put, 0] = rows[at, 0]
        rows[put, 1] = rows[at, 1]
        at += 1
        put += 1
    end = size - (at - put)
    size = end + added
    for n in range(count - 1, -1, -1):
        level -= step
        if places[n] >= 0:
            while end > places[n]:
                end -= 1
                rows[end + added, 0] = rows[end, 0]
                rows[end + added, 1] = rows[end, 1]
            added -= 1
            rows[end + added, 0] = sign * levels[level, 0]
            rows[end + added, 1] = levels[level, 1]
    return size


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
