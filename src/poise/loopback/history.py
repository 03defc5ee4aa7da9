"""Joins the past of an instrument to what it has done since the start."""

import numpy as np

from poise.loopback.feed import Feed
from poise.loopback.klines import MINUTE_MS, Minutes, Rows
from poise.loopback.past import Past
from poise.loopback.trades import Trade


class History:
    """Minute rows of one instrument: candles of the past, then those made of trades."""

    def __init__(self, past: Past, index: int, traded: Minutes) -> None:
        self._past = past
        self._index = index
        self._traded = traded

    def first_minute(self) -> int | None:
        """Oldest minute of the past."""
        return self._past.first_minute

    def rows(self, first: int, last: int) -> Rows:
        """Rows first..last inclusive, from both parts."""
        border = self._past.recent_minute
        parts = []
        if first < border:
            parts.append(self._past.rows(self._index, first, min(last, border - 1)))
        if last >= border:
            parts.append(self._traded.rows(max(first, border), last))
        return np.concatenate(parts)


def load_recent(past: Past, index: int, feed: Feed, *, keep_trades: bool) -> None:
    """Put the trades of the recent past before the live ones, in candles and, if kept, by id.

    They are not kept where the log has begun to forget: ids would no longer be consecutive, and
    the recent past is older than what is remembered.
    """
    columns = past.trades(index)
    older = Minutes()
    opening = columns.price[0] if len(columns) else feed.best[0][0]
    older.begin(past.recent_minute, opening)
    for time_ms, price, qty, maker in zip(
        columns.time_ms, columns.price, columns.qty, columns.maker, strict=True
    ):
        older.add(Trade(0, time_ms, price, qty, bool(maker)))
    older.fill(past.start_ms // MINUTE_MS)
    feed.minutes.prepend(older)
    if keep_trades:
        feed.log.prepend(columns)
