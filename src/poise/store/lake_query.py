"""Ask the tick lake: `open_lake` in a notebook, `Lake(root, tail=writer)` in the edge.

Prices and quantities come as ``float64`` under their plain names (or exact decimals, with
``numbers="decimal"``) and as the stored integers under ``<name>_scaled``. Times are int64
nanoseconds UTC. Ranges are half open, ``start_ns <= t < end_ns``; rows ascend in time; a `limit`
keeps the newest rows of the range.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poise.core.errors import UserError
from poise.store.lake_answer import Answer
from poise.store.lake_columns import Numbers, expose, starts
from poise.store.lake_instruments import LakeInstrument
from poise.store.lake_schema import BARS, CHANNELS, GAPS, NS_PER_DAY
from poise.store.lake_sql import (
    BARS_FROM_TRADES_SQL,
    BARS_SQL,
    CLOSES_SQL,
    GAPS_SQL,
    QUOTES_SQL,
    TRADES_SQL,
    Sql,
)
from poise.store.lake_view import LakeView, Snapshot, Tail

LATEST_NS = 1 << 62
NO_LIMIT = 1 << 60
_UNITS_NS = {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": NS_PER_DAY}


def timeframe_ns(timeframe: str) -> int:
    """Nanoseconds of a timeframe such as ``1s``, ``5m``, ``1h`` or ``1d``.

    Raises
    ------
    UserError
        When it is none.
    """
    count, unit = timeframe[:-1], timeframe[-1:]
    if not (count.isascii() and count.isdigit()) or int(count) == 0 or unit not in _UNITS_NS:
        raise UserError(f"{timeframe!r} is not a timeframe: write a number and s, m, h or d")
    return int(count) * _UNITS_NS[unit]


class Lake:
    """A lake open for reading, while its writer goes on.

    Parameters
    ----------
    root
        The lake's folder.
    tail
        The writer, when it lives in this process: answers then contain its newest rows. From
        another process rows are seen once committed, up to 5 s later.
    threads
        Threads a query may use.

    Attributes
    ----------
    environment
        live, paper, demo or replay.
    run_ids
        Runs that wrote here, oldest first.
    """

    def __init__(self, root: Path, *, tail: Tail | None = None, threads: int = 2) -> None:
        self._view = LakeView(root, tail)
        self._sql = Sql(threads)
        self.environment = self._view.environment
        self.run_ids = self._view.run_ids

    def close(self) -> None:
        """Close the query engine."""
        self._sql.close()

    def instruments(self) -> Answer:
        """All instruments with their scales, one row per version."""
        names = LakeInstrument.__struct_fields__
        rows = self._view.instruments().rows
        return Answer(pa.table({name: [getattr(row, name) for row in rows] for name in names}))

    def trades(
        self,
        instrument: str,
        start_ns: int = 0,
        end_ns: int = LATEST_NS,
        limit: int | None = None,
        *,
        numbers: Numbers = "float",
    ) -> Answer:
        """Trades of a range: id, price, qty, side (aggressor, +1 or -1), times, position."""
        return self._rows("trades", TRADES_SQL, instrument, (start_ns, end_ns), limit, numbers)

    def quotes(
        self,
        instrument: str,
        start_ns: int = 0,
        end_ns: int = LATEST_NS,
        limit: int | None = None,
        *,
        numbers: Numbers = "float",
    ) -> Answer:
        """Best bids and offers of a range."""
        return self._rows("quotes", QUOTES_SQL, instrument, (start_ns, end_ns), limit, numbers)

    def last_trades(self, instrument: str, n: int, *, numbers: Numbers = "float") -> Answer:
        """Return the newest `n` trades, oldest first.

        Looks back over as much time as should hold them by the density of the newest segments,
        and further when it does not.
        """
        end = LATEST_NS
        known = self._snapshot("trades", self._view.versions(instrument), 0, end)
        for start in starts(known.entries, n):
            found = self.trades(instrument, start, end, n, numbers=numbers)
            if len(found) >= n:
                return found
        return self.trades(instrument, 0, end, n, numbers=numbers)

    def bars(
        self,
        instrument: str,
        timeframe: str,
        start_ns: int = 0,
        end_ns: int = LATEST_NS,
        limit: int | None = None,
        *,
        numbers: Numbers = "float",
    ) -> Answer:
        """Bars as stored, each corrected as last known; a live bar goes before the venue's own."""
        span = (start_ns, end_ns)
        more = {"timeframe": timeframe}
        return self._rows("bars", BARS_SQL, instrument, span, limit, numbers, more)

    def bars_from_trades(
        self,
        instrument: str,
        timeframe: str,
        start_ns: int = 0,
        end_ns: int = LATEST_NS,
        limit: int | None = None,
        *,
        numbers: Numbers = "float",
    ) -> Answer:
        """Bars made from the stored trades; empty ones are left out.

        Open and close are the trades of lowest and highest id.
        """
        more = {"bar_ns": timeframe_ns(timeframe)}
        span = (start_ns, end_ns)
        return self._rows("trades", BARS_FROM_TRADES_SQL, instrument, span, limit, numbers, more)

    def close_matrix(
        self,
        instruments: Sequence[str],
        timeframe: str,
        start_ns: int = 0,
        end_ns: int = LATEST_NS,
    ) -> Answer:
        """Closes of stored bars: `start_ns`, then one float64 column per instrument, by its name.

        A row for each start that any of them has; NaN where one has no bar. Nothing is filled in.
        """
        versions = {name: self._view.versions(name) for name in instruments}
        flat = [row for rows in versions.values() for row in rows]
        snapshot = self._snapshot("bars", flat, start_ns, end_ns)
        values = {
            "numbers": [row.number for row in flat],
            "timeframe": timeframe,
            "start_ns": start_ns,
            "end_ns": end_ns,
        }
        table = self._sql.run(CLOSES_SQL, BARS, self._paths(snapshot), snapshot.tail, values)
        number, start, close = (
            table[name].to_numpy() for name in ("instrument", "start_ns", "close")
        )
        starts = np.unique(start)
        columns: dict[str, Any] = {"start_ns": starts}
        for name, rows in versions.items():
            closes = np.full(len(starts), np.nan)
            for row in rows:
                chosen = number == row.number
                at = np.searchsorted(starts, start[chosen])
                closes[at] = close[chosen] / 10.0**row.price_scale
            columns[name] = closes
        return Answer(pa.table(columns))

    def gaps(
        self, start_ns: int = 0, end_ns: int = LATEST_NS, instrument: str | None = None
    ) -> Answer:
        """Gap records that overlap a range, of one instrument or all."""
        table_of = self._view.instruments().rows
        chosen = table_of if instrument is None else self._view.versions(instrument)
        snapshot = self._snapshot("gaps", chosen, 0, end_ns)
        values = {"start_ns": start_ns, "end_ns": end_ns}
        table = self._sql.run(GAPS_SQL, GAPS, self._paths(snapshot), snapshot.tail, values)
        if instrument is not None:
            wanted = pa.array([row.number for row in chosen], pa.int32())
            table = table.filter(pc.is_in(table["instrument"], wanted))
        ids = pa.array(
            [table_of[number].id for number in table["instrument"].to_pylist()], pa.string()
        )
        return Answer(table.set_column(0, "instrument", ids))

    def _rows(
        self,
        channel: str,
        sql: str,
        instrument: str,
        span: tuple[int, int],
        limit: int | None,
        numbers: Numbers,
        more: dict[str, Any] | None = None,
    ) -> Answer:
        versions = self._view.versions(instrument)
        snapshot = self._snapshot(channel, versions, *span)
        paths = self._paths(snapshot)
        values = {"start_ns": span[0], "end_ns": span[1], "limit": limit or NO_LIMIT}
        found = []
        for row in versions:
            known = values | {"number": row.number} | (more or {})
            table = self._sql.run(sql, CHANNELS[channel], paths, snapshot.tail, known)
            found.append(expose(table[::-1], row, numbers))
        time = "venue_ns" if "venue_ns" in found[0].column_names else "start_ns"
        # Scales of an instrument change for good: its versions do not overlap in time.
        filled = sorted(
            (each for each in found if len(each)), key=lambda each: each[time][0].as_py()
        )
        whole = pa.concat_tables(filled or found[:1], promote_options="permissive")
        return Answer(whole[-limit:] if limit and len(whole) > limit else whole)

    def _snapshot(
        self, channel: str, versions: Sequence[LakeInstrument], start_ns: int, end_ns: int
    ) -> Snapshot:
        wanted = {row.number for row in versions}
        first, last = start_ns // NS_PER_DAY, end_ns // NS_PER_DAY
        found = self._view.snapshot(channel, first, last, wanted)
        inside = [
            each for each in found.entries if each.max_ns >= start_ns and each.min_ns < end_ns
        ]
        return Snapshot(inside, found.tail)

    def _paths(self, snapshot: Snapshot) -> list[str]:
        return [str(self._view.root / each.name) for each in snapshot.entries]


def open_lake(path: str | Path, *, threads: int = 2) -> Lake:
    """Open a lake for reading, also while a desk in another process writes it.

    Parameters
    ----------
    path
        The lake's folder.
    threads
        Threads a query may use.

    Raises
    ------
    UserError
        When there is no lake there, or a newer Poise wrote it.

    Examples
    --------
    >>> lake = poise.open_lake("~/.poise/demo/lake")  # doctest: +SKIP
    >>> lake.last_trades("BTCUSDT", 10_000).to_pandas()  # doctest: +SKIP
    """
    return Lake(Path(path).expanduser(), threads=threads)
