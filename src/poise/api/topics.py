"""What a client may subscribe to, each as a cursor: the snapshot, and what changed since.

A cursor says what a client has. Two clients with the same cursor get the same update, so it is
made and encoded once. Events (trades, closed bars, pair points) are kept in bounded logs; a client
whose cursor has fallen out of one is told to start again (`Behind`).
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from poise.api import contract as wire
from poise.api.errors import Refused
from poise.api.health_view import health
from poise.api.market_view import (
    DayChange,
    book_top,
    candle_rows,
    find_instrument,
    find_timeframe,
    forming_row,
    quote_rows,
    run_of,
    tape_rows,
)
from poise.api.pair_view import PairView, sentence
from poise.core.events import TimeframeSpec
from poise.core.instrument import Instrument
from poise.runtime.edge import Edge

SNAPSHOT_BARS = 10
SNAPSHOT_TRADES = 100
HEALTH_EVERY_S = 1.0


class Behind(Exception):  # noqa: N818 - a state of the client, by its name
    """Events that the client has not got are forgotten: it must start again."""


class Step(NamedTuple):
    """An update (None: nothing changed) and the cursor that a client has with it."""

    update: wire.Update | None
    cursor: Any


class Topic(Protocol):
    """One subscription's source; shared by all clients that hold it."""

    def step(self, cursor: Any | None) -> Step:
        """Changes since `cursor`, or the snapshot when it is None.

        Raises
        ------
        Behind
            When events since then are forgotten.
        """


class QuotesTopic:
    """All quotes; changed rows only."""

    def __init__(self, edge: Edge, day: DayChange) -> None:
        self._edge = edge
        self._day = day

    def step(self, cursor: int | None) -> Step:
        """Rows changed since a version; the client adds the passing of time to ages itself."""
        edge = self._edge
        if cursor == edge.version:
            return Step(None, cursor)
        since = -1 if cursor is None else cursor
        which = np.flatnonzero(edge.quote_versions > since)
        rows = quote_rows(edge, self._day, which, time.time_ns())
        update = wire.QuotesUpdate(cursor is None, rows) if rows or cursor is None else None
        return Step(update, edge.version)


class PairsTopic:
    """The pair table; changed rows only."""

    def __init__(self, edge: Edge, view: PairView) -> None:
        self._edge = edge
        self._view = view

    def step(self, cursor: int | None) -> Step:
        """Rows changed since a version."""
        edge = self._edge
        if cursor == edge.version:
            return Step(None, cursor)
        since = -1 if cursor is None else cursor
        rows = self._view.rows(np.flatnonzero(edge.row_versions > since), time.time_ns())
        update = wire.PairsUpdate(cursor is None, rows) if rows or cursor is None else None
        return Step(update, edge.version)


class PairTopic:
    """One pair: row, sentence, and points of bars closed since."""

    def __init__(self, edge: Edge, view: PairView, key: str, legs: tuple[int, int, str]) -> None:
        self._edge = edge
        self._view = view
        self._key = key
        self._y, self._x, self._timeframe = legs

    def step(self, cursor: tuple[int, int, int, str] | None) -> Step:
        """Cursor: (version of the row, epoch, newest bar, sentence)."""
        edge, view = self._edge, self._view
        legs = (self._y, self._x, self._timeframe)
        number = view.row_number(*legs)
        if number >= len(edge.row_versions):
            rows, version = [], 0
        else:
            version = int(edge.row_versions[number])
            changed = cursor is None or version != cursor[0]
            rows = view.rows(np.array([number]), time.time_ns()) if changed else []
        # A snapshot carries no points: the history comes by REST, at most a moment older.
        epoch, newest, points = view.points(*legs, 1 << 62 if cursor is None else cursor[2])
        snapshot = cursor is None or epoch != cursor[1]
        if snapshot:
            points = []
            if not rows and number < len(edge.row_versions):
                rows = view.rows(np.array([number]), time.time_ns())
        row = rows[0] if rows else None
        text = "" if cursor is None else cursor[3]
        run = edge.run
        if row is not None and run is not None:
            text = sentence(run, row)
        said = "" if not snapshot and cursor is not None and text == cursor[3] else text
        fresh = (version, epoch, newest, text)
        if not snapshot and row is None and not points:
            return Step(None, fresh)
        return Step(wire.PairUpdate(self._key, snapshot, row, points, said), fresh)


class CandleTopic:
    """One series: closed bars and corrections as events, the forming bar as state."""

    def __init__(self, edge: Edge, key: str, item: Instrument, timeframe: TimeframeSpec) -> None:
        self._edge = edge
        self._key = key
        self._item = item
        self._timeframe = timeframe.name

    def step(self, cursor: tuple[int, int, int, Any] | None) -> Step:
        """Cursor: (identity of the series, epoch, changes, forming bar)."""
        bars = self._edge.bars
        if bars is None:
            first = wire.CandleUpdate(self._key, True, []) if cursor is None else None
            return Step(first, (0, 0, 0, None))
        series = bars.series[self._timeframe][self._item.ix]
        forming = forming_row(self._edge, self._item, self._timeframe)
        fresh = (id(series), series.epoch, series.changes, forming)
        if cursor == fresh:
            return Step(None, cursor)
        snapshot = cursor is None or cursor[:2] != fresh[:2]
        if snapshot or cursor is None:
            found = series.before(series.last + 1, SNAPSHOT_BARS)
        else:
            since = series.changed_since(cursor[2])
            if since is None:
                raise Behind
            found = since
        rows = candle_rows(self._item, found)
        if forming is not None and (snapshot or cursor is None or forming != cursor[3]):
            rows.append(forming)
        if not rows and not snapshot:
            return Step(None, fresh)
        return Step(wire.CandleUpdate(self._key, snapshot, rows), fresh)


class TradesTopic:
    """One tape."""

    def __init__(self, edge: Edge, key: str, item: Instrument) -> None:
        self._edge = edge
        self._key = key
        self._item = item

    def step(self, cursor: tuple[int, int] | None) -> Step:
        """Cursor: (identity of the tape, trades so far)."""
        replica = self._edge.replica
        if self._edge.bars is None:
            first = wire.TradesUpdate(self._key, True, []) if cursor is None else None
            return Step(first, (0, 0))
        tape = replica.tapes[self._item.ix]
        fresh = (id(tape), tape.count)
        if cursor == fresh:
            return Step(None, cursor)
        snapshot = cursor is None or cursor[0] != fresh[0]
        if snapshot or cursor is None:
            trades = list(tape.trades)[-SNAPSHOT_TRADES:]
        else:
            since = tape.since(cursor[1])
            if since is None:
                raise Behind
            trades = since
        return Step(wire.TradesUpdate(self._key, snapshot, tape_rows(self._item, trades)), fresh)


class BookTopic:
    """Best levels of one book."""

    def __init__(self, edge: Edge, key: str, item: Instrument) -> None:
        self._edge = edge
        self._key = key
        self._item = item

    def step(self, cursor: tuple[Any, ...] | None) -> Step:
        """Cursor: what the book was."""
        market, bars = self._edge.replica.market, self._edge.bars
        fresh: tuple[Any, ...] = (None, 0, False, self._edge.core.connected)
        if market is not None and bars is not None:
            state = market.instruments[self._item.ix].book
            fresh = (id(state), state.book.last_id, state.live, self._edge.core.connected)
        if cursor == fresh:
            return Step(None, cursor)
        book = book_top(self._edge, self._item.ix)
        return Step(wire.BookUpdate(self._key, cursor is None, book), fresh)


class HealthTopic:
    """The health page, once a second."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def step(self, cursor: int | None) -> Step:
        """Cursor: the second."""
        second = int(time.monotonic() / HEALTH_EVERY_S)
        if cursor == second:
            return Step(None, cursor)
        return Step(wire.HealthUpdate(cursor is None, health(self._edge)), second)


class Topics:
    """Makes topics from subscriptions, and keeps them while they are held."""

    def __init__(self, edge: Edge, day: DayChange, view: PairView) -> None:
        self._edge = edge
        self._day = day
        self._view = view
        self._makers: dict[str, Callable[[str], Topic]] = {
            "quotes": self._whole(lambda: QuotesTopic(edge, day)),
            "pairs": self._whole(lambda: PairsTopic(edge, view)),
            "health": self._whole(lambda: HealthTopic(edge)),
            "candle": self._candle,
            "pair": self._pair,
            "book": lambda key: BookTopic(edge, key, find_instrument(run_of(edge), key)),
            "trades": lambda key: TradesTopic(edge, key, find_instrument(run_of(edge), key)),
        }

    def make(self, topic: str, key: str) -> Topic:
        """Make the source of a subscription.

        Raises
        ------
        Refused
            When the key names nothing that is followed.
        """
        return self._makers[topic](key)

    def _whole(self, make: Callable[[], Topic]) -> Callable[[str], Topic]:
        def maker(key: str) -> Topic:
            if key:
                raise Refused(400, f"This topic has no key, not {key[:40]!r}.")
            return make()

        return maker

    def _candle(self, key: str) -> Topic:
        run = run_of(self._edge)
        instrument, *rest = key.split("|")
        if len(rest) != 1:
            raise Refused(400, f"{key[:60]!r} is not a candle key: write instrument|timeframe.")
        item = find_instrument(run, instrument)
        return CandleTopic(self._edge, key, item, find_timeframe(run, rest[0]))

    def _pair(self, key: str) -> Topic:
        run = run_of(self._edge)
        parts = key.split("|")
        if len(parts) != 3:
            raise Refused(400, f"{key[:60]!r} is not a pair key: write y|x|timeframe.")
        y, x = (find_instrument(run, part).ix for part in parts[:2])
        timeframe = find_timeframe(run, parts[2]).name
        self._view.row_number(y, x, timeframe)
        return PairTopic(self._edge, self._view, key, (y, x, timeframe))
