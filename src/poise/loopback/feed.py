"""One symbol's public face: it applies what happens and writes the frames somebody wants.

State changes whether or not anybody listens; only the writing depends on listeners. So REST and
the streams can never disagree, and the market is the same for any set of subscribers.
"""

from collections.abc import Callable

from poise.loopback import wire
from poise.loopback.book import Book, Change, Level
from poise.loopback.klines import INTERVAL_MINUTES, MINUTE_MS, Minutes, MinuteSource, select
from poise.loopback.market import Mark, Published, Wanted
from poise.loopback.quoting import Update
from poise.loopback.specs import SymbolSpec
from poise.loopback.streams import DEPTH_SPEED_MS
from poise.loopback.trades import Trade, TradeLog

TICK_MS = 50
"""Streams with a cadence (depth, klines, mark price) look at the clock this often."""

_KLINE_PUSH_MS = 250


class DepthCadence:
    """Changes since the last diff of one speed; silent until a listener had a whole interval."""

    def __init__(self, interval_ms: int) -> None:
        self.interval_ms = interval_ms
        self.active = False
        self._previous = 0  # pu: last id of the diff before
        self._first = 0  # U; 0 while nothing changed
        self._sides: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def note(self, update_id: int, changes: tuple[Change, ...]) -> None:
        """Remember changes for the next diff."""
        if not self.active:
            return
        self._first = self._first or update_id
        for side, price, qty in changes:
            self._sides[side][price] = qty

    def start(self, update_id: int) -> None:
        """Begin with an empty interval; the first diff will follow on `update_id`."""
        self.active = True
        self._previous, self._first = update_id, 0
        self._sides = ({}, {})

    def flush(self, spec: SymbolSpec, book: Book, now_ms: int) -> bytes | None:
        """Write the diff of the interval that ends now; None where nothing changed."""
        if not self._first:
            return None
        ids = (self._first, book.last_update_id, self._previous)
        bids, asks = self._sides
        frame = wire.depth_update(
            spec,
            ids,
            sorted(bids.items(), reverse=True),
            sorted(asks.items()),
            now_ms,
            book.transaction_ms,
        )
        self.start(book.last_update_id)
        return frame


class Feed:
    """Book, trades and candles of one symbol, and their streams."""

    def __init__(
        self,
        spec: SymbolSpec,
        book: Book,
        log: TradeLog,
        best: tuple[Level, Level],
        history: Callable[[int], MinuteSource],
    ) -> None:
        self.spec = spec
        self.book = book
        self.log = log
        self.minutes = Minutes()
        self.best = best
        self._history = history  # minutes up to a venue time in ms; costly, so asked only if heard
        self.mark: Mark | None = None
        self._ticks = 0
        name = spec.stream
        self._trade_name = f"{name}@trade"
        self._ticker_name = f"{name}@bookTicker"
        self._agg_name = f"{name}@aggTrade"
        self._mark_names = ((f"{name}@markPrice@1s", 1000), (f"{name}@markPrice", 3000))
        self._kline_names = [(f"{name}@kline_{i}", i) for i in INTERVAL_MINUTES]
        self._cadences = {ms: DepthCadence(ms) for ms in sorted(set(DEPTH_SPEED_MS.values()))}
        self._depth_names = {
            ms: [f"{name}@{suffix}" for suffix, speed in DEPTH_SPEED_MS.items() if speed == ms]
            for ms in self._cadences
        }

    def happen(self, update: Update, time_ms: int, wanted: Wanted, out: list[Published]) -> None:
        """Apply one update of the book, with its trade, at venue time `time_ms`."""
        if update.fill is not None:
            price, qty, maker = update.fill
            trade = Trade(self.log.next_id, time_ms, price, qty, maker)
            closed = self.log.append(trade)
            self.minutes.add(trade)
            if closed is not None and self._agg_name in wanted:
                out.append((self._agg_name, wire.agg_trade(self.spec, closed, time_ms)))
            if self._trade_name in wanted:
                out.append((self._trade_name, wire.trade(self.spec, trade, time_ms)))
        book = self.book
        book.apply(update.update_id, update.changes)
        book.event_ms = book.transaction_ms = time_ms
        for cadence in self._cadences.values():
            cadence.note(update.update_id, update.changes)
        if update.best != self.best:
            self.best = update.best
            if self._ticker_name in wanted:
                bid, ask = update.best
                frame = wire.book_ticker(self.spec, update.update_id, bid, ask, time_ms, time_ms)
                out.append((self._ticker_name, frame))

    def tick(self, now_ms: int, wanted: Wanted, out: list[Published]) -> None:
        """Send what has a cadence; called every TICK_MS of venue time, whatever happened."""
        self._ticks += 1
        elapsed = self._ticks * TICK_MS
        closed = self.log.close_slot(now_ms)
        if closed is not None and self._agg_name in wanted:
            out.append((self._agg_name, wire.agg_trade(self.spec, closed, now_ms)))
        for speed, cadence in self._cadences.items():
            if elapsed % speed == 0:
                self._send_depth(cadence, now_ms, wanted, out)
        if elapsed % _KLINE_PUSH_MS == 0:
            self._send_klines(now_ms, wanted, out)
        for name, period in self._mark_names:
            if elapsed % period == 0 and name in wanted and self.mark is not None:
                mark = self.mark
                frame = wire.mark_price(
                    self.spec, mark.mark, mark.index, mark.rate, mark.next_funding_ms, now_ms
                )
                out.append((name, frame))

    def _send_depth(
        self, cadence: DepthCadence, now_ms: int, wanted: Wanted, out: list[Published]
    ) -> None:
        heard = [name for name in self._depth_names[cadence.interval_ms] if name in wanted]
        if not heard:
            cadence.active = False
        elif not cadence.active:
            cadence.start(self.book.last_update_id)
        else:
            frame = cadence.flush(self.spec, self.book, now_ms)
            if frame is not None:
                out += [(name, frame) for name in heard]

    def _send_klines(self, now_ms: int, wanted: Wanted, out: list[Published]) -> None:
        """Push each wanted candle; in the first push after its end also the closed one."""
        for name, interval in self._kline_names:
            if name not in wanted:
                continue
            width = INTERVAL_MINUTES[interval] * MINUTE_MS
            fresh = now_ms % width < _KLINE_PUSH_MS
            history = self._history(now_ms)
            for candle in select(history, interval, now_ms, None, None, 2 if fresh else 1):
                ids = self.log.ids_between(candle.open_ms, candle.close_ms)
                frame = wire.kline(self.spec, interval, candle, ids, now_ms)
                out.append((name, frame))
