"""Older bars than memory holds: from the lake, and through the core from the venue."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poise.core.errors import PoiseError, TransientError, UserError
from poise.core.events import RunStarted
from poise.core.instrument import Instrument
from poise.core.outputs import Bar
from poise.core.units import NS_PER_MS
from poise.market.timeframes import timeframe_ns, timeframe_seconds
from poise.runtime import messages as link
from poise.runtime.edge_bars import CAPACITY, BarSeries, BarTable, Columns
from poise.runtime.edge_link import CoreLink
from poise.runtime.edge_tail import JournalFeed
from poise.store.lake_query import Lake
from poise.store.lake_view import Tail

LAKE_TIMEOUT_S = 3.0
FETCH_TIMEOUT_S = 4.0
PASS_TIMEOUT_S = 2.0
KLINES_MAX = 1_500
COLUMNS = ("open", "high", "low", "close", "volume")


_PRICES = ("open", "high", "low", "close", "bid_close", "ask_close")
_QTYS = ("volume", "buy_volume")
_BAR_COLUMNS = Bar.__struct_fields__[2:]
_NONE = Columns([], np.empty((0, 5)))


class LakeReader:
    """Bars out of the lake that this process writes; at most one query at a time."""

    def __init__(self, root: Path, tail: Tail) -> None:
        self._root = root
        self._tail = tail
        self._lake: Lake | None = None
        self._turn = asyncio.Lock()

    async def bars(self, item: Instrument, timeframe: str, end_ns: int, limit: int) -> Columns:
        """The newest `limit` bars opened before `end_ns`; none when the lake cannot answer."""
        async with self._turn:
            try:
                return await asyncio.to_thread(self._bars, item, timeframe, end_ns, limit)
            except (PoiseError, OSError):
                return _NONE

    def close(self) -> None:
        """Close the query engine."""
        if self._lake is not None:
            self._lake.close()

    def _bars(self, item: Instrument, timeframe: str, end_ns: int, limit: int) -> Columns:
        if self._lake is None:
            self._lake = Lake(self._root, tail=self._tail, threads=1)
        found = self._lake.bars(item.id, timeframe, 0, end_ns, limit).arrow
        starts = found["start_ns"].to_numpy() // NS_PER_MS
        values = np.column_stack([found[name].to_numpy() for name in COLUMNS])
        return Columns(starts.tolist(), values)


class History:
    """Pages of bars from memory, lake and venue, in this order.

    Parameters
    ----------
    lake
        Gives the lake's reader, or None while there is none.
    """

    def __init__(
        self, core: CoreLink, feed: JournalFeed, lake: Callable[[], LakeReader | None]
    ) -> None:
        self._core = core
        self._feed = feed
        self._lake = lake
        self._asked: set[tuple[int, str, int]] = set()
        """Pages that were fetched for charts: nothing older came, or it has come."""
        self._fetching: dict[tuple[int, str, int], asyncio.Task[bool]] = {}

    async def page(
        self, item: Instrument, series: BarSeries, timeframe: str, end_ns: int | None, limit: int
    ) -> tuple[Columns, bool]:
        """The newest `limit` bars opened before `end_ns` (None: the newest of all).

        Returns
        -------
        (bars, has_older)
            `has_older` is false once neither lake nor venue had what was asked.
        """
        found = await self._known(item, series, timeframe, end_ns, limit)
        if len(found.start_ms) >= limit:
            return found, True
        first = found.start_ms[0] * NS_PER_MS if found.start_ms else end_ns
        if first is None:
            return found, False
        got = await self.fetch(item.ix, timeframe, first, limit - len(found.start_ms))
        if got:
            more = await self._known(item, series, timeframe, end_ns, limit)
            return more, len(more.start_ms) > len(found.start_ms)
        return found, False

    async def fetch(self, instrument: int, timeframe: str, before_ns: int, limit: int) -> bool:
        """Have the core page bars from the venue into the journal; false when that is not to be.

        The same page asked for twice at once is fetched once.
        """
        if timeframe_seconds(timeframe) % 60 or not self._core.connected:
            return False  # the venue keeps no bars of seconds
        key = (instrument, timeframe, before_ns)
        task = self._fetching.get(key)
        if task is None:
            # Pages are fetched whole: one request of 1,500 bars costs less than three of 500.
            count = min(max(limit, 500), KLINES_MAX)
            task = asyncio.create_task(self._fetch(instrument, timeframe, before_ns, count))
            self._fetching[key] = task
            task.add_done_callback(lambda _: self._fetching.pop(key, None))
        return await asyncio.shield(task)

    async def fetch_all(
        self, starts: Sequence[tuple[int, int]], timeframe: str, limit: int, timeout_s: float
    ) -> None:
        """Fetch pages before (instrument, ns) at once; those that take too long come later."""
        new = [each for each in starts if (each[0], timeframe, each[1]) not in self._asked]
        self._asked.update((ix, timeframe, before_ns) for ix, before_ns in new)
        jobs = [
            asyncio.ensure_future(self.fetch(ix, timeframe, before_ns, limit))
            for ix, before_ns in new
        ]
        if jobs:
            await asyncio.wait(jobs, timeout=timeout_s)

    async def _fetch(self, instrument: int, timeframe: str, before_ns: int, limit: int) -> bool:
        def make(request: int) -> link.FetchHistory:
            return link.FetchHistory(request, instrument, timeframe, before_ns - 1, limit)

        try:
            seq = await self._core.command(make, FETCH_TIMEOUT_S)
        except (UserError, TransientError):
            return False
        return await self._feed.passed(seq, PASS_TIMEOUT_S)

    async def _known(
        self, item: Instrument, series: BarSeries, timeframe: str, end_ns: int | None, limit: int
    ) -> Columns:
        length = timeframe_ns(timeframe)
        end = series.last + 1 if end_ns is None else -(-end_ns // length)
        found = series.before(end, limit)
        missing = limit - len(found.start_ms)
        reader = self._lake()
        if missing <= 0 or reader is None:
            return found
        before_ns = found.start_ms[0] * NS_PER_MS if found.start_ms else end * length
        try:
            async with asyncio.timeout(LAKE_TIMEOUT_S):
                older = await reader.bars(item, timeframe, before_ns, missing)
        except TimeoutError:
            return found
        return Columns(
            older.start_ms + found.start_ms, np.concatenate((older.values, found.values))
        )


def warm_from_lake(table: BarTable, run: RunStarted, root: Path, tail: Tail) -> None:
    """Fill an empty table with what the lake holds: an edge that starts again shows no hole.

    Takes a second or two; call it in a thread.
    """
    lake = Lake(root, tail=tail, threads=1)
    try:
        for timeframe in table.series:
            for item in run.instruments:
                try:
                    found = lake.bars(item.id, timeframe, limit=CAPACITY).arrow
                except UserError:
                    continue  # nothing of this instrument was stored yet
                for bar in _bars_of(found, item, timeframe):
                    table.put(bar)
    finally:
        lake.close()


def _bars_of(found: Any, item: Instrument, timeframe: str) -> Iterator[Bar]:
    columns = []
    for name in _BAR_COLUMNS:
        values = found[name]
        scale = item.price_scale if name in _PRICES else item.qty_scale
        if name in _PRICES or name in _QTYS:
            # The run's scale, which need not be that of the bars' own time.
            columns.append(np.rint(values.to_numpy() * 10.0**scale).astype(np.int64).tolist())
        else:
            columns.append(values.to_pylist())
    for row in zip(*columns, strict=True):
        yield Bar(item.ix, timeframe, *row)
