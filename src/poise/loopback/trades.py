"""The trades of one symbol: raw ones by id, and the aggregates the venue makes of them.

The aggregation rule of this venue, for streams and REST alike: consecutive raw trades are one
aggregate while they share price, aggressor side and the 100 ms slot of their venue time
(`T // 100`). It reproduces the documented "100 ms, same price, same taker side", gives each
aggregate a closed range f..l of raw ids, and depends on nothing but the trades.
"""

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

SLOT_MS = 100


@dataclass(frozen=True, slots=True)
class Trade:
    """One raw trade. Price and qty are scaled; `buyer_is_maker` means the aggressor sold."""

    id: int
    time_ms: int
    price: int
    qty: int
    buyer_is_maker: bool


@dataclass(frozen=True, slots=True)
class AggTrade:
    """Raw trades first_id..last_id seen as one; `time_ms` is that of the first."""

    id: int
    first_id: int
    last_id: int
    time_ms: int
    price: int
    qty: int
    buyer_is_maker: bool


@dataclass(slots=True)
class TradeColumns:
    """Trades as columns, oldest first; ids are consecutive, so only the first is stored."""

    time_ms: "array[int]"
    price: "array[int]"
    qty: "array[int]"
    maker: bytearray

    @classmethod
    def empty(cls) -> "TradeColumns":
        """Return columns without a row."""
        return cls(array("q"), array("q"), array("q"), bytearray())

    def __len__(self) -> int:
        return len(self.time_ms)

    def starts_aggregate(self, row: int) -> bool:
        """Say whether the trade in `row` differs from the one before in price, side or slot."""
        return row == 0 or (
            self.price[row] != self.price[row - 1]
            or self.maker[row] != self.maker[row - 1]
            or self.time_ms[row] // SLOT_MS != self.time_ms[row - 1] // SLOT_MS
        )


class TradeLog:
    """All trades of a symbol that are still served, raw and aggregated, appended in id order."""

    def __init__(self, next_id: int, next_agg_id: int) -> None:
        self._first_id = next_id
        self._columns = TradeColumns.empty()
        self._agg_first_id = next_agg_id  # id of the aggregate in _agg_starts[0]
        self._agg_starts: array[int] = array("q")  # raw id at which each aggregate begins
        self._last_agg_open = False

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def first_id(self) -> int:
        """Oldest raw id still served."""
        return self._first_id

    @property
    def next_id(self) -> int:
        """Id the next raw trade must have."""
        return self._first_id + len(self._columns)

    def restart(self, next_id: int) -> None:
        """Begin at another id; only for a log without trades."""
        if len(self._columns):
            raise ValueError("a log with trades cannot restart")
        self._first_id = next_id

    def append(self, trade: Trade) -> AggTrade | None:
        """Add the next trade; returns the aggregate this one closed, if it closed one."""
        if trade.id != self.next_id:
            raise ValueError(f"trade {trade.id} does not follow {self.next_id - 1}")
        columns = self._columns
        columns.time_ms.append(trade.time_ms)
        columns.price.append(trade.price)
        columns.qty.append(trade.qty)
        columns.maker.append(trade.buyer_is_maker)
        if self._last_agg_open and not columns.starts_aggregate(len(columns) - 1):
            return None
        closed = self._agg(len(self._agg_starts) - 1, trade.id) if self._last_agg_open else None
        self._agg_starts.append(trade.id)
        self._last_agg_open = True
        return closed

    def close_slot(self, now_ms: int) -> AggTrade | None:
        """Close the aggregate whose 100 ms slot is over at `now_ms`; returns it, or None."""
        if not self._last_agg_open or self._columns.time_ms[-1] // SLOT_MS >= now_ms // SLOT_MS:
            return None
        return self.close_last()

    def close_last(self) -> AggTrade | None:
        """Close the last aggregate whatever the time (the end of a tape)."""
        if not self._last_agg_open:
            return None
        self._last_agg_open = False
        return self._agg(len(self._agg_starts) - 1, self.next_id)

    def prepend(self, older: TradeColumns) -> None:
        """Put trades before the oldest one; they get the ids below it."""
        starts = [row for row in range(len(older)) if older.starts_aggregate(row)]
        self._first_id -= len(older)
        self._agg_first_id -= len(starts)
        self._agg_starts = array("q", [self._first_id + row for row in starts]) + self._agg_starts
        own = self._columns
        self._columns = TradeColumns(
            older.time_ms + own.time_ms,
            older.price + own.price,
            older.qty + own.qty,
            older.maker + own.maker,
        )

    def forget_before(self, time_ms: int) -> None:
        """Drop trades older than `time_ms`, whole aggregates only, so that memory is bounded."""
        row = bisect_left(self._columns.time_ms, time_ms)
        aggregate = bisect_right(self._agg_starts, self._first_id + row) - 1
        if aggregate <= 0:
            return
        cut = self._agg_starts[aggregate] - self._first_id
        columns = self._columns
        del columns.time_ms[:cut], columns.price[:cut], columns.qty[:cut], columns.maker[:cut]
        del self._agg_starts[:aggregate]
        self._first_id += cut
        self._agg_first_id += aggregate

    def all(self) -> list[Trade]:
        """Return every trade there is, oldest first."""
        return [self.trade(row) for row in range(len(self))]

    def trade(self, row: int) -> Trade:
        """Return the trade in `row` (0 is the oldest)."""
        columns = self._columns
        return Trade(
            self._first_id + row,
            columns.time_ms[row],
            columns.price[row],
            columns.qty[row],
            bool(columns.maker[row]),
        )

    def from_id(self, trade_id: int, limit: int) -> list[Trade]:
        """Return up to `limit` raw trades with id >= `trade_id`, oldest first."""
        row = max(0, trade_id - self._first_id)
        return [self.trade(index) for index in range(row, min(row + limit, len(self)))]

    def latest(self, limit: int) -> list[Trade]:
        """Return the last `limit` raw trades, oldest first."""
        return self.from_id(self.next_id - limit, limit)

    def ids_between(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """First and last raw id with start_ms <= T <= end_ms; (-1, -1) without any."""
        low = bisect_left(self._columns.time_ms, start_ms)
        high = bisect_right(self._columns.time_ms, end_ms)
        if low == high:
            return -1, -1
        return self._first_id + low, self._first_id + high - 1

    @property
    def _closed_aggs(self) -> int:
        return len(self._agg_starts) - self._last_agg_open

    def _agg(self, index: int, end_id: int) -> AggTrade:
        first = self._agg_starts[index]
        row, end = first - self._first_id, end_id - self._first_id
        columns = self._columns
        return AggTrade(
            self._agg_first_id + index,
            first,
            end_id - 1,
            columns.time_ms[row],
            columns.price[row],
            sum(columns.qty[row:end]),
            bool(columns.maker[row]),
        )

    def _agg_range(self, start: int, stop: int) -> list[AggTrade]:
        starts = self._agg_starts
        return [
            self._agg(index, starts[index + 1] if index + 1 < len(starts) else self.next_id)
            for index in range(max(0, start), min(stop, self._closed_aggs))
        ]

    def aggs_from_id(self, agg_id: int, limit: int) -> list[AggTrade]:
        """Return up to `limit` closed aggregates with id >= `agg_id`, oldest first."""
        start = max(0, agg_id - self._agg_first_id)
        return self._agg_range(start, start + limit)

    def aggs_between(self, start_ms: int, end_ms: int, limit: int) -> list[AggTrade]:
        """Return closed aggregates with start_ms <= T <= end_ms, oldest first, at most `limit`."""
        low = bisect_left(self._columns.time_ms, start_ms)
        high = bisect_right(self._columns.time_ms, end_ms)
        first = bisect_left(self._agg_starts, self._first_id + low)
        stop = bisect_left(self._agg_starts, self._first_id + high)
        return self._agg_range(first, min(stop, first + limit))

    def latest_aggs(self, limit: int, until_ms: int | None = None) -> list[AggTrade]:
        """Return the last `limit` closed aggregates with T <= `until_ms`, oldest first."""
        stop = self._closed_aggs
        if until_ms is not None:
            high = bisect_right(self._columns.time_ms, until_ms)
            stop = min(stop, bisect_left(self._agg_starts, self._first_id + high))
        return self._agg_range(stop - limit, stop)
