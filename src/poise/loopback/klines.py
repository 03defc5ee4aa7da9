"""Candles as integer columns: minutes are the atoms, every longer candle is their exact sum."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from poise.loopback.trades import Trade

MINUTE_MS = 60_000
INTERVAL_MINUTES = {
    "1m": 1,
    "3m": 3,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "4h": 240,
    "6h": 360,
    "8h": 480,
    "12h": 720,
    "1d": 1440,
}

# Columns of a minute row. Prices are scaled by 10^price_digits, base volumes by 10^qty_digits,
# quote volumes by both; TAKER_* count the trades whose aggressor bought.
OPEN, HIGH, LOW, CLOSE, VOLUME, TRADES, QUOTE, TAKER_VOLUME, TAKER_QUOTE = range(9)
WIDTH = 9
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle of any interval; `closed` once its last millisecond is over."""

    open_ms: int
    close_ms: int
    values: tuple[int, ...]
    closed: bool


class MinuteSource(Protocol):
    """Where minute rows come from."""

    def first_minute(self) -> int | None:
        """Oldest minute (venue ms // 60000) there is; None without any."""

    def rows(self, first: int, last: int) -> Rows:
        """Rows of minutes first..last inclusive, shape (n, 9); both must exist."""


class Minutes:
    """Minute rows built from trades, without holes: a minute without trades repeats the close."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.table: list[list[int]] = []  # one row a minute from `first` on

    def begin(self, minute: int, price: int) -> None:
        """Let the first minute be this one, at `price` until somebody trades."""
        self.first = minute
        self.table = [_quiet(price)]

    def first_minute(self) -> int | None:
        """Oldest minute; None before the first trade."""
        return self.first

    def add(self, trade: Trade) -> None:
        """Count a trade; trades come in time order."""
        price, qty = trade.price, trade.qty
        minute = trade.time_ms // MINUTE_MS
        if self.first is None:
            self.begin(minute, price)
        self.fill(minute)
        # A tape may hold a trade whose time lies before its first minute; it counts there.
        row = self.table[max(0, minute - (self.first or 0))]
        if not row[TRADES]:
            row[OPEN] = row[HIGH] = row[LOW] = price
        row[HIGH] = max(row[HIGH], price)
        row[LOW] = min(row[LOW], price)
        row[CLOSE] = price
        row[VOLUME] += qty
        row[TRADES] += 1
        row[QUOTE] += price * qty
        if not trade.buyer_is_maker:
            row[TAKER_VOLUME] += qty
            row[TAKER_QUOTE] += price * qty

    def fill(self, minute: int) -> None:
        """Make sure `minute` exists, by candles without trades after the last one."""
        if self.first is None:
            return
        while len(self.table) <= minute - self.first:
            self.table.append(_quiet(self.table[-1][CLOSE]))

    def prepend(self, older: "Minutes") -> None:
        """Join rows that end at or before the first own minute; a shared minute is added up."""
        if self.first is None or older.first is None:
            self.first = older.first if self.first is None else self.first
            self.table = self.table or older.table
            return
        older.fill(self.first)
        early, late = older.table.pop(), self.table[0]
        if early[TRADES]:
            self.table[0] = [
                early[OPEN],
                max(early[HIGH], late[HIGH]),
                min(early[LOW], late[LOW]),
                late[CLOSE],
                *(early[column] + late[column] for column in range(VOLUME, WIDTH)),
            ]
        self.table = older.table + self.table
        self.first = older.first

    def rows(self, first: int, last: int) -> Rows:
        """Rows of minutes first..last inclusive; both must exist."""
        start = self.first or 0
        return np.array(self.table[first - start : last + 1 - start], dtype=np.int64).reshape(
            -1, WIDTH
        )


def _quiet(price: int) -> list[int]:
    return [price, price, price, price, 0, 0, 0, 0, 0]


def aggregate(rows: Rows, first_minute: int, width: int) -> tuple[Rows, Rows]:
    """Sum minute rows into candles of `width` minutes aligned to the epoch.

    Parameters
    ----------
    rows : ndarray of shape (n, 9), int64
        Consecutive minutes, oldest first.
    first_minute : int
        Minute of rows[0].
    width : int
        Minutes per candle.

    Returns
    -------
    (opens, candles)
        Opening minute of each candle, shape (k,), and its columns, shape (k, 9). The first and
        the last candle are partial where the minutes given are.
    """
    minutes = first_minute + np.arange(len(rows), dtype=np.int64)
    frames = minutes // width
    starts = np.flatnonzero(np.r_[True, frames[1:] != frames[:-1]])
    ends = np.r_[starts[1:], len(rows)] - 1
    candles = np.empty((len(starts), WIDTH), dtype=np.int64)
    candles[:, OPEN] = rows[starts, OPEN]
    candles[:, CLOSE] = rows[ends, CLOSE]
    candles[:, HIGH] = np.maximum.reduceat(rows[:, HIGH], starts)
    candles[:, LOW] = np.minimum.reduceat(rows[:, LOW], starts)
    candles[:, VOLUME:] = np.add.reduceat(rows[:, VOLUME:], starts, axis=0)
    return frames[starts] * width, candles


def select(
    source: MinuteSource,
    interval: str,
    now_ms: int,
    start_ms: int | None,
    end_ms: int | None,
    limit: int,
) -> list[Candle]:
    """Answer a klines request: the oldest `limit` from `start_ms`, or the latest up to `end_ms`.

    The candle that holds `now_ms` is the last there is, and is open.
    """
    oldest = source.first_minute()
    if oldest is None:
        return []
    width = INTERVAL_MINUTES[interval]
    last_frame = now_ms // MINUTE_MS // width
    if end_ms is not None:
        last_frame = min(last_frame, end_ms // MINUTE_MS // width)
    first_frame = oldest // width
    if start_ms is not None:
        first_frame = max(first_frame, -(-start_ms // (width * MINUTE_MS)))
        last_frame = min(last_frame, first_frame + limit - 1)
    first_frame = max(first_frame, last_frame - limit + 1)
    if first_frame > last_frame:
        return []
    first = max(oldest, first_frame * width)
    last = min(now_ms // MINUTE_MS, last_frame * width + width - 1)
    rows = source.rows(first, last)
    opens, candles = aggregate(rows, first, width)
    return list(_candles(opens, candles, width, now_ms))


def _candles(opens: Rows, values: Rows, width: int, now_ms: int) -> Iterable[Candle]:
    for minute, row in zip(opens.tolist(), values.tolist(), strict=True):
        close_ms = (minute + width) * MINUTE_MS - 1
        yield Candle(minute * MINUTE_MS, close_ms, tuple(row), closed=now_ms > close_ms)
