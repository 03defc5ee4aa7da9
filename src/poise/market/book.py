"""One instrument's book in scaled integers, updated by kernels.

Each side is kept as sorted keys with the best level last (bids by price, asks by minus price), so
one kernel serves both sides and changes near the touch move few entries.
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
def _find(keys: np.ndarray, size: int, key: int) -> int:
    """First index whose key is not below `key`."""
    low = 0
    high = size
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _set(keys: np.ndarray, qtys: np.ndarray, size: int, key: int, qty: int) -> int:
    """Set one level (0 removes it); returns the new number of levels."""
    at = _find(keys, size, key)
    known = at < size and keys[at] == key
    if qty == 0:
        if known:
            for i in range(at, size - 1):
                keys[i] = keys[i + 1]
                qtys[i] = qtys[i + 1]
            return size - 1
        return size  # removing an unknown level is normal, says the venue
    if known:
        qtys[at] = qty
        return size
    if size == keys.size:
        if at == 0:
            return size
        for i in range(at - 1):
            keys[i] = keys[i + 1]
            qtys[i] = qtys[i + 1]
        keys[at - 1] = key
        qtys[at - 1] = qty
        return size
    for i in range(size, at, -1):
        keys[i] = keys[i - 1]
        qtys[i] = qtys[i - 1]
    keys[at] = key
    qtys[at] = qty
    return size + 1


@kernel
def _merge(keys: np.ndarray, qtys: np.ndarray, size: int, levels: np.ndarray, sign: int) -> int:
    """Set levels given in ascending price; returns the new number of levels.

    One walk towards the touch sets what is known and closes up over what is removed, one walk back
    makes room for what is new: each entry moves twice at most, however many levels change.
    """
    count = levels.shape[0]
    places = np.empty(count, dtype=np.int64)
    added = 0
    row = 0 if sign > 0 else count - 1
    put = at = _find(keys, size, sign * levels[row, 0])
    for n in range(count):
        key = sign * levels[row, 0]
        qty = levels[row, 1]
        row += sign
        if put == at:
            while at < size and keys[at] < key:
                at += 1
            put = at
        while at < size and keys[at] < key:
            keys[put] = keys[at]
            qtys[put] = qtys[at]
            at += 1
            put += 1
        places[n] = -1
        if at < size and keys[at] == key:
            if qty == 0:
                at += 1
            else:
                qtys[at] = qty
        elif qty != 0:  # removing an unknown level is normal, says the venue
            places[n] = put
            added += 1
    while put != at and at < size:
        keys[put] = keys[at]
        qtys[put] = qtys[at]
        at += 1
        put += 1
    end = size - (at - put)
    size = end + added
    for n in range(count - 1, -1, -1):
        row -= sign
        if places[n] >= 0:
            while end > places[n]:
                end -= 1
                keys[end + added] = keys[end]
                qtys[end + added] = qtys[end]
            added -= 1
            keys[end + added] = sign * levels[row, 0]
            qtys[end + added] = levels[row, 1]
    return size


@kernel
def _side(keys: np.ndarray, qtys: np.ndarray, size: int, levels: np.ndarray, sign: int) -> int:
    """Set the levels of one side: at once if there is room and the venue sorted them, as it does."""
    count = levels.shape[0]
    at_once = 0 < count <= keys.size - size
    for i in range(1, count):
        at_once &= levels[i - 1, 0] < levels[i, 0]
    if at_once:
        return _merge(keys, qtys, size, levels, sign)
    for i in range(count):
        size = _set(keys, qtys, size, sign * levels[i, 0], levels[i, 1])
    return size


@kernel
def _apply(
    keys: np.ndarray, qtys: np.ndarray, sizes: np.ndarray, bids: np.ndarray, asks: np.ndarray
) -> bool:
    """Set the levels of both sides; returns whether the best bid is at or above the best ask."""
    sizes[0] = _side(keys[0], qtys[0], sizes[0], bids, 1)
    sizes[1] = _side(keys[1], qtys[1], sizes[1], asks, -1)
    bid_at, ask_at = sizes[0] - 1, sizes[1] - 1
    return bid_at >= 0 and ask_at >= 0 and keys[0, bid_at] >= -keys[1, ask_at]


class Book:
    """Price levels of one instrument; whether they are current, `BookSync` knows."""

    __slots__ = ("_keys", "_qtys", "_sizes", "last_id")

    def __init__(self) -> None:
        self._keys = np.zeros((2, CAPACITY), dtype=np.int64)
        self._qtys = np.zeros((2, CAPACITY), dtype=np.int64)
        self._sizes = np.zeros(2, dtype=np.int64)
        self.last_id = 0

    def clear(self) -> None:
        """Forget every level."""
        self._sizes[:] = 0

    def apply(self, bids: Levels, asks: Levels, last_id: int) -> bool:
        """Set the given levels (absolute quantities; 0 removes); returns whether it is crossed."""
        self.last_id = last_id
        return _apply(self._keys, self._qtys, self._sizes, bids, asks)

    def best(self) -> tuple[Price, Qty, Price, Qty]:
        """Best bid, its quantity, best ask, its quantity; zeros where a side is empty."""
        keys, qtys = self._keys, self._qtys
        bid_at, ask_at = int(self._sizes[_BID]) - 1, int(self._sizes[_ASK]) - 1
        bid = (int(keys[_BID, bid_at]), int(qtys[_BID, bid_at])) if bid_at >= 0 else (0, 0)
        ask = (-int(keys[_ASK, ask_at]), int(qtys[_ASK, ask_at])) if ask_at >= 0 else (0, 0)
        return Price(bid[0]), Qty(bid[1]), Price(ask[0]), Qty(ask[1])

    def top(self, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Best `count` bids and asks, best first, each of shape (n, 2): price, quantity."""
        sides = []
        for side, sign in ((_BID, 1), (_ASK, -1)):
            size = int(self._sizes[side])
            rows = slice(size - 1, size - 1 - count if size > count else None, -1)
            picked = (
                np.column_stack((sign * self._keys[side, rows], self._qtys[side, rows]))
                if size
                else np.empty((0, 2), dtype=np.int64)
            )
            sides.append(picked)
        return sides[0], sides[1]
