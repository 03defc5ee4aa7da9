"""Which trade ids the lake holds already: each venue trade is stored once.

The journal records what came, and the same trade may come twice: over two sockets while one is
rotated, or by REST after a gap. Ids are kept as closed intervals, which are few, because ids are
consecutive; after a restart they are read back from the lake's newest days.
"""

from bisect import bisect_right
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from poise.store.lake_manifest import MIXED, Manifest

MAX_INTERVALS = 10_000
"""Holes remembered per instrument; the oldest intervals are joined beyond that."""
RECENT_DAYS = 3
"""Days read back after a restart: venues answer for the past 48 hours at most."""


class SeenIds:
    """The ids of one instrument, as sorted, disjoint, closed intervals."""

    __slots__ = ("_first", "_last")

    def __init__(self) -> None:
        self._first: list[int] = []
        self._last: list[int] = []

    def add(self, trade_id: int) -> bool:
        """Remember an id; False when it was known."""
        last = self._last
        if last and trade_id == last[-1] + 1:  # nearly always
            last[-1] = trade_id
            return True
        return self._insert(trade_id)

    def add_sorted(self, ids: npt.NDArray[np.int64]) -> None:
        """Remember ascending ids."""
        breaks = np.flatnonzero(np.diff(ids) > 1)
        firsts = ids[np.concatenate([[0], breaks + 1])].tolist() if len(ids) else []
        lasts = ids[np.concatenate([breaks, [len(ids) - 1]])].tolist() if len(ids) else []
        for first, last in zip(firsts, lasts, strict=True):
            self._insert(first)
            at = bisect_right(self._first, first) - 1
            while at + 1 < len(self._first) and self._first[at + 1] <= last + 1:
                self._last[at] = max(self._last[at], self._last.pop(at + 1))
                del self._first[at + 1]
            self._last[at] = max(self._last[at], last)

    def intervals(self) -> list[tuple[int, int]]:
        """All intervals, ascending."""
        return list(zip(self._first, self._last, strict=True))

    def _insert(self, trade_id: int) -> bool:
        first, last = self._first, self._last
        at = bisect_right(first, trade_id) - 1
        if at >= 0 and trade_id <= last[at]:
            return False
        joins_left = at >= 0 and last[at] == trade_id - 1
        joins_right = at + 1 < len(first) and first[at + 1] == trade_id + 1
        if joins_left and joins_right:
            last[at] = last.pop(at + 1)
            del first[at + 1]
        elif joins_left:
            last[at] = trade_id
        elif joins_right:
            first[at + 1] = trade_id
        else:
            first.insert(at + 1, trade_id)
            last.insert(at + 1, trade_id)
            if len(first) > MAX_INTERVALS:
                # Whatever is missing that far back will not come any more.
                del first[1]
                del last[0]
        return True


def read_seen(root: Path, manifests: list[Manifest]) -> dict[int, SeenIds]:
    """Ids of all trades in the given days, by the lake's instrument number."""
    parts: dict[int, list[npt.NDArray[np.int64]]] = {}
    for manifest in manifests:
        for entry in manifest.entries:
            table = pq.read_table(root / entry.name, columns=["instrument", "id"], memory_map=True)
            numbers, ids = table["instrument"].to_numpy(), table["id"].to_numpy()
            chosen = [entry.number] if entry.number != MIXED else np.unique(numbers).tolist()
            for number in chosen:
                mine = ids if entry.number != MIXED else ids[numbers == number]
                parts.setdefault(number, []).append(mine)
    found = {}
    for number, arrays in parts.items():
        found[number] = SeenIds()
        found[number].add_sorted(np.unique(np.concatenate(arrays)))
    return found
