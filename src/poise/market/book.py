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
def _apply(
    keys: np.ndarray, qtys: np.ndarray, sizes: np.ndarray, bids: np.ndarray, asks: np.ndarray
) -> None:
    for i in range(bids.shape[0]):
        sizes[0] = _set(keys[0], qtys[0], sizes[0], bids[i, 0], bids[i, 1])
    for i in range(asks.shape[0]):
        sizes[1] = _set(keys[1], qtys[1], sizes[1], -asks[i, 0], asks[i, 1])


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

    def apply(self, bids: Levels, asks: Levels, last_id: int) -> None:
        """Set the given levels (absolute quantities; 0 removes)."""
        _apply(self._keys, self._qtys, self._sizes, bids, asks)
        self.last_id = last_id

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
