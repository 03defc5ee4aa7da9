"""Write the tick lake: rows in, a journal position with each commit, every row exactly once.

Use, in the edge: open with the journal's id, follow the journal from `resume`, add the rows of
whole blocks, and `commit(block.end)` whenever `due` says so. After a crash the rows behind the
last commit come again from the journal; their segments carry the same names and are overwritten.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from poise.core.errors import InvariantBroken
from poise.core.events import Quote, Trade
from poise.core.instrument import Instrument
from poise.core.outputs import Bar, Gap
from poise.store.disk import Disk, RealDisk, disk_failure
from poise.store.journal_format import Position
from poise.store.lake_buffer import RowBuffer
from poise.store.lake_files import LakeFiles
from poise.store.lake_instruments import load_instruments, save_instruments
from poise.store.lake_manifest import LakePosition
from poise.store.lake_schema import (
    BARS,
    CHANNELS,
    GAPS,
    POSITION_SHIFT,
    QUOTES,
    TRADES,
    Columns,
)

# Events are stored by their fields' order, which must be that of the columns.
assert Quote.__struct_fields__ == QUOTES.columns[:-1]
assert Trade.__struct_fields__[: len(TRADES.columns) - 1] == (
    "instrument",
    "trade_id",
    "price",
    "qty",
    "aggressor_side",
    "venue_ns",
    "recv_ns",
)

COMMIT_EVERY_NS = 5_000_000_000
COMMIT_ROWS = 500_000
MAX_ROWS = 8_000_000
"""Rows in memory at which adding is refused: somebody forgot to commit."""
IntColumn = npt.NDArray[np.int64] | int


class LakeWriter:
    """The one writer of a lake.

    Parameters
    ----------
    root
        The lake's folder; created when missing.
    environment, run_id
        A lake of another environment is refused.
    journal_id
        Identity of the journal whose rows come (`journal_tail.journal_identity`).
    wall_ns
        Wall clock, nanoseconds UTC.
    disk
        Where to write; the machine's disk by default.

    Attributes
    ----------
    add_trade
        ``add_trade(instrument, id, price, qty, side, venue_ns, recv_ns, seq)``: one trade.
        `instrument` is the run's row as registered, `seq` the journal's sequence number.
    add_quote
        ``add_quote(instrument, update_id, bid, bid_qty, ask, ask_qty, venue_ns, recv_ns, seq)``.
    add_trade_event, add_quote_event
        ``(event, seq)``: one `Trade` or `Quote`.

    Raises
    ------
    UserError
        Another environment, newer format, another writer, or a folder that cannot be used.
    """

    add_trade: Callable[[int, int, int, int, int, int, int, int], None]
    add_quote: Callable[[int, int, int, int, int, int, int, int, int], None]

    add_trade_event: Callable[[Trade, int], None]
    add_quote_event: Callable[[Quote, int], None]

    def __init__(
        self,
        root: Path,
        *,
        environment: str,
        run_id: str,
        journal_id: str,
        wall_ns: Callable[[], int],
        disk: Disk | None = None,
    ) -> None:
        self.root = root
        self.disk: Disk = RealDisk() if disk is None else disk
        self._wall_ns = wall_ns
        self._guard = threading.Lock()
        self._texts: dict[str, int] = {}
        self._numbers = np.empty(0, np.int64)
        self._oldest_ns = -1
        try:
            self.files = LakeFiles(root, self.disk, environment, run_id, journal_id, wall_ns())
            self.instruments = load_instruments(self.disk, root)
        except OSError as error:
            raise disk_failure(error, "the tick lake", root) from error
        self._buffers = {name: RowBuffer(each, self._convert) for name, each in CHANNELS.items()}
        self.add_trade_event = self._buffers[TRADES.name].add_struct
        self.add_quote_event = self._buffers[QUOTES.name].add_struct
        self.add_trade = self._buffers[TRADES.name].add_row
        self.add_quote = self._buffers[QUOTES.name].add_row
        self._add_bar = self._buffers[BARS.name].add_row
        self._add_gap = self._buffers[GAPS.name].add_row

    @property
    def resume(self) -> Position:
        """Position in the journal from which rows are wanted."""
        return self.files.committed.in_journal

    @property
    def committed(self) -> LakePosition:
        """Last commit."""
        return self.files.committed

    @property
    def rows(self) -> int:
        """Rows in memory."""
        return sum(map(len, self._buffers.values()))

    def register(self, instruments: Sequence[Instrument]) -> None:
        """Make the run's instruments known; call on `RunStarted`, before their rows."""
        with self._guard:
            for buffer in self._buffers.values():
                buffer.seal()
        known = len(self.instruments.rows)
        size = max((each.ix for each in instruments), default=-1) + 1
        numbers = np.full(max(size, len(self._numbers)), -1, np.int64)
        numbers[: len(self._numbers)] = self._numbers
        for each in instruments:
            numbers[each.ix] = self.instruments.number(each)
        if len(self.instruments.rows) > known:
            try:
                save_instruments(self.disk, self.root, self.instruments)
            except OSError as error:
                raise disk_failure(error, "the tick lake", self.root) from error
        self._numbers = numbers

    def add_trades(
        self,
        instrument: IntColumn,
        trade_id: IntColumn,
        price: IntColumn,
        qty: IntColumn,
        side: IntColumn,
        venue_ns: npt.NDArray[np.int64],
        recv_ns: IntColumn,
        seq: IntColumn,
    ) -> None:
        """Add trades as int64 columns, which must not be changed afterwards; scalars spread."""
        values = (instrument, trade_id, price, qty, side, venue_ns, recv_ns, seq)
        self._add_columns(TRADES.name, values, len(venue_ns))

    def add_quotes(
        self,
        instrument: IntColumn,
        update_id: IntColumn,
        bid: IntColumn,
        bid_qty: IntColumn,
        ask: IntColumn,
        ask_qty: IntColumn,
        venue_ns: npt.NDArray[np.int64],
        recv_ns: IntColumn,
        seq: IntColumn,
    ) -> None:
        """Add quotes as int64 columns, which must not be changed afterwards; scalars spread."""
        values = (instrument, update_id, bid, bid_qty, ask, ask_qty, venue_ns, recv_ns, seq)
        self._add_columns(QUOTES.name, values, len(venue_ns))

    def add_bar(self, bar: Bar, seq: int) -> None:
        """Add a bar; of several with one instrument, timeframe and start the last one counts."""
        self._add_bar(
            bar.instrument,
            self._code(bar.timeframe),
            bar.start_ns,
            bar.end_ns,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            bar.buy_volume,
            bar.trades,
            bar.bid_close,
            bar.ask_close,
            self._code(bar.origin),
            seq,
        )

    def add_gap(self, gap: Gap, seq: int) -> None:
        """Add a gap record."""
        self._add_gap(
            gap.instrument,
            self._code(gap.channel),
            gap.first_id,
            gap.last_id,
            gap.from_ns,
            gap.to_ns,
            self._code(gap.reason),
            int(gap.healed),
            seq,
        )

    def due(self, now_ns: int) -> bool:
        """Tell whether to commit: rows are 5 s old by this clock, or many.

        Raises
        ------
        InvariantBroken
            When far more rows wait than memory was planned for.
        """
        rows = self.rows
        if rows >= MAX_ROWS:
            raise InvariantBroken(f"{rows} rows wait for a commit of the lake")
        if not rows:
            self._oldest_ns = -1
        elif self._oldest_ns < 0:
            self._oldest_ns = now_ns
        return rows >= COMMIT_ROWS or (rows > 0 and now_ns - self._oldest_ns >= COMMIT_EVERY_NS)

    def commit(self, position: Position) -> None:
        """Store all rows added, as those of the journal up to `position`.

        After an error nothing is committed and nothing is forgotten: a later call tries again,
        and a restart takes the rows from the journal.

        Raises
        ------
        UserError
            When the disk refuses; one sentence.
        """
        tables = {
            name: (CHANNELS[name], buffer.columns())
            for name, buffer in self._buffers.items()
            if len(buffer)
        }
        try:
            prepared = self.files.prepare(tables, list(self._texts), position)
            with self._guard:
                self.files.publish(prepared)
                for name in tables:
                    self._buffers[name].clear()
        except OSError as error:
            raise disk_failure(error, "the tick lake", self.root) from error
        self._oldest_ns = -1

    def tail(self, channel: str) -> tuple[LakePosition, Any]:
        """Last commit and, as an Arrow table, the rows added since; callable from any thread."""
        with self._guard:
            columns = self._buffers[channel].columns()
            return self.files.committed, CHANNELS[channel].table(columns, list(self._texts))

    def close(self) -> None:
        """Let the lake go; rows not committed come again from the journal."""
        self.files.close()

    def _add_columns(self, channel: str, values: tuple[IntColumn, ...], length: int) -> None:
        columns: Columns = {}
        for name, value in zip(CHANNELS[channel].columns, values, strict=True):
            columns[name] = (
                np.full(length, value, np.int64)
                if isinstance(value, int)
                else np.ascontiguousarray(value, np.int64)
            )
        with self._guard:
            self._buffers[channel].add_columns(columns)

    def _convert(self, columns: Columns) -> Columns:
        """Turn the run's instrument rows into the lake's numbers, and seq into position."""
        rows = columns["instrument"]
        if len(rows):
            if int(rows.min()) < 0 or int(rows.max()) >= len(self._numbers):
                raise InvariantBroken("a row of an instrument that was not registered")
            numbers = self._numbers[rows]
            if int(numbers.min()) < 0:
                raise InvariantBroken("a row of an instrument that was not registered")
            columns = columns | {"instrument": numbers}
        journal = self.files.committed.journal
        if journal:
            shifted = columns["position"] + (journal << POSITION_SHIFT)
            columns = columns | {"position": shifted}
        return columns

    def _code(self, text: str) -> int:
        code = self._texts.get(text)
        if code is None:
            code = self._texts[text] = len(self._texts)
        return code
