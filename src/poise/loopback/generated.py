"""The generated market: a cast, its latent prices, a quoter and a feed for each instrument.

Each 100 ms step is drawn when its first moment is due; what happens in it waits in a queue until
its own millisecond. Draws depend on the seed and the step alone, so that two servers of one seed
and start send the same bytes whoever listens and however often they are driven.
"""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from poise.loopback.book import Book, BookView, Level
from poise.loopback.chance import Chance, array_source
from poise.loopback.config import GeneratedConfig
from poise.loopback.feed import TICK_MS, Feed
from poise.loopback.funding import next_stamp_ms, rate_at, stamps
from poise.loopback.history import History, load_recent
from poise.loopback.klines import CLOSE, MINUTE_MS, MinuteSource
from poise.loopback.latent import LivePrices
from poise.loopback.layout import Member, PairKind, PairTruth, cast
from poise.loopback.market import FundingStamp, Mark, Published, Wanted
from poise.loopback.past import Past, Trend
from poise.loopback.paths import Dynamics
from poise.loopback.quoting import STEP_MS, Pace, Quoter, Update
from poise.loopback.specs import SymbolSpec
from poise.loopback.trades import Trade, TradeLog

_MS = 1_000_000  # ns
_DAY_MS = 86_400_000
_SECOND_MS = 1000
_MARK_SCALE = 8
_IDS_PER_MS = 10
"""All ids begin at start time x this: a market started again never repeats the ids of the last."""

_Item = tuple[int, int, int, Update | None]
"""(due ms, serial, instrument, update or None for the feed's tick); the serial breaks ties."""


class GeneratedMarket:
    """A `Market` drawn from a seed, beginning at `start_ns` rounded down to the second."""

    def __init__(self, config: GeneratedConfig, start_ns: int, *, keep_truth: bool) -> None:
        self._config = config
        self._keep_truth = keep_truth
        self._start_ms = start_ns // (_SECOND_MS * _MS) * _SECOND_MS
        self._first_id = self._start_ms * _IDS_PER_MS
        onboard_ms = (self._start_ms // _DAY_MS - config.history_days - 1) * _DAY_MS
        layout = cast(config.seed, config.instruments, config.trades_per_s, onboard_ms)
        self._members = layout.members
        self.pairs: tuple[PairTruth, ...] = layout.pairs
        dynamics = Dynamics(layout)
        start = dynamics.start(array_source(config.seed, "start"))
        trend = Trend(
            config.trend_bp_per_h * 1e-4 / 3600.0,
            config.trend_since_s,
            np.array([float(m.kind is PairKind.TRENDS and m.has_spread) for m in layout.members]),
        )
        self.past = Past(
            config.seed,
            layout,
            dynamics,
            start,
            trend,
            self._start_ms,
            config.recent_s,
            config.history_days,
        )
        self._prices = LivePrices(
            config.seed,
            layout,
            dynamics,
            start,
            trend,
            config.break_after_s,
            config.break_bp_per_min,
        )
        self._specs = {member.spec.symbol: member.spec for member in layout.members}
        self._index = {symbol: index for index, symbol in enumerate(self._specs)}
        logs = self.past.log_prices_at_start()
        self._to_ticks = [10.0**m.spec.price_digits / m.spec.tick for m in layout.members]
        self._quoters = [
            self._make_quoter(index, math.exp(logs[index])) for index in range(len(layout.members))
        ]
        self._feeds = [self._make_feed(index) for index in range(len(layout.members))]
        self._step = 0
        self._queue: list[_Item] = []
        self._next = 0  # place in the queue
        self._recent_loaded: set[int] = set()

    def _make_quoter(self, index: int, price: float) -> Quoter:
        config, member = self._config, self._members[index]
        busy = config.activity * member.trades_per_s / config.trades_per_s
        unit = 10.0**member.spec.qty_digits / price
        pace = Pace(
            busy * config.trades_per_s * STEP_MS / 1000.0,
            busy * config.requotes_per_s * STEP_MS / 1000.0,
            max(1, round(config.deep_changes * min(config.activity, 4.0))),
            member.trade_notional * unit,
            12.0 * member.trade_notional * unit,
        )
        chance = Chance(config.seed, "quotes", index)
        ticks = price * self._to_ticks[index]
        return Quoter(member.spec, pace, chance, ticks, self._first_id, config.depth_levels)

    def _make_feed(self, index: int) -> Feed:
        quoter = self._quoters[index]
        book = Book(remember=self._keep_truth)
        book.reset(quoter.update_id, *quoter.snapshot())
        book.event_ms = book.transaction_ms = self._start_ms
        log = TradeLog(self._first_id, self._first_id)
        spec = self._members[index].spec
        feed = Feed(spec, book, log, quoter.best(), partial(self.minutes, spec.symbol))
        (bid, _), (ask, _) = feed.best
        feed.minutes.begin(
            self._start_ms // MINUTE_MS, (bid + ask) // 2 // feed.spec.tick * feed.spec.tick
        )
        feed.mark = self._next_mark(feed, self._start_ms)
        return feed

    @property
    def specs(self) -> Mapping[str, SymbolSpec]:
        """Every symbol."""
        return self._specs

    @property
    def finished(self) -> bool:
        """A generated market never ends."""
        return False

    @property
    def start_ms(self) -> int:
        """Venue time of the first step, ms."""
        return self._start_ms

    @property
    def members(self) -> tuple[Member, ...]:
        """The cast, for tests and for those who list instruments."""
        return self._members

    def now_ms(self, now_ns: int) -> int:
        """Venue time is the caller's time."""
        return now_ns // _MS

    def next_due_ns(self) -> int | None:
        """When the next update or tick is due."""
        if self._next < len(self._queue):
            return self._queue[self._next][0] * _MS
        return (self._start_ms + self._step * STEP_MS) * _MS

    def advance(self, now_ns: int, wanted: Wanted) -> list[Published]:
        """Let all that is due by `now_ns` happen."""
        out: list[Published] = []
        now_ms = now_ns // _MS
        while True:
            if self._next >= len(self._queue):
                if self._start_ms + self._step * STEP_MS > now_ms:
                    return out
                self._draw_step()
            queue, place = self._queue, self._next
            while place < len(queue) and queue[place][0] <= now_ms:
                due_ms, _, index, update = queue[place]
                if update is None:
                    self._tick(index, due_ms, wanted, out)
                else:
                    self._feeds[index].happen(update, due_ms, wanted, out)
                place += 1
            self._next = place
            if place < len(queue):
                return out

    def _draw_step(self) -> None:
        """Fill the queue with what happens in the next 100 ms."""
        start_ms = self._start_ms + self._step * STEP_MS
        prices = self._prices.at_step(self._step)
        items: list[_Item] = []
        for index, quoter in enumerate(self._quoters):
            ticks = math.exp(prices[index]) * self._to_ticks[index]
            for update in quoter.step(ticks):
                items.append((start_ms + update.offset_ms, len(items), index, update))
            # Instruments tick out of phase, or all depth frames would leave in one burst.
            phase = index * 37 % TICK_MS
            for turn in range(STEP_MS // TICK_MS):
                items.append((start_ms + phase + turn * TICK_MS, len(items), index, None))
        items.sort(key=lambda item: item[:2])
        self._queue, self._next = items, 0
        self._step += 1

    def _tick(self, index: int, now_ms: int, wanted: Wanted, out: list[Published]) -> None:
        feed = self._feeds[index]
        if now_ms % _SECOND_MS < TICK_MS:
            feed.mark = self._next_mark(feed, now_ms)
        if now_ms % MINUTE_MS < TICK_MS:
            feed.log.forget_before(now_ms - self._config.memory_s * _SECOND_MS)
        feed.tick(now_ms, wanted, out)

    def _next_mark(self, feed: Feed, now_ms: int) -> Mark:
        """Follow the mid with a memory of about eight seconds, as a venue smooths its mark."""
        (bid, _), (ask, _) = feed.best
        mid = (bid + ask) * 10 ** (_MARK_SCALE - feed.spec.price_digits) // 2
        stamp = next_stamp_ms(now_ms)
        if feed.mark is None:
            mark = mid
            rate = rate_at(self._config.seed, feed.spec.symbol, stamp)
        else:
            mark = feed.mark.mark + (mid - feed.mark.mark) // 8
            same = feed.mark.next_funding_ms == stamp
            rate = feed.mark.rate if same else rate_at(self._config.seed, feed.spec.symbol, stamp)
        # The perpetual stands above its index while longs pay, and below while shorts do.
        return Mark(mark, mark - mark * rate // 10**_MARK_SCALE, rate, stamp)

    def depth(self, symbol: str, limit: int) -> BookView | None:
        """Return the book after the last update that has happened."""
        return self._feeds[self._index[symbol]].book.view(limit)

    def best(self, symbol: str) -> tuple[Level, Level] | None:
        """Best bid and ask."""
        return self._feeds[self._index[symbol]].best

    def trades(self, symbol: str) -> TradeLog:
        """Trades so far, with those of the recent past."""
        index = self._index[symbol]
        self._load_recent(index)
        return self._feeds[index].log

    def minutes(self, symbol: str, now_ms: int) -> MinuteSource:
        """Minutes of the whole history up to now."""
        index = self._index[symbol]
        self._load_recent(index)
        self._feeds[index].minutes.fill(now_ms // MINUTE_MS)
        return History(self.past, index, self._feeds[index].minutes)

    def _load_recent(self, index: int) -> None:
        if index not in self._recent_loaded:
            self._recent_loaded.add(index)
            feed = self._feeds[index]
            whole = feed.log.first_id == self._first_id
            load_recent(self.past, index, feed, keep_trades=whole)

    def mark(self, symbol: str, now_ms: int) -> Mark | None:  # noqa: ARG002 - kept each second
        """Mark price at the last whole second."""
        return self._feeds[self._index[symbol]].mark

    def funding(self, symbol: str, start_ms: int, end_ms: int) -> list[FundingStamp]:
        """Funding payments within the history."""
        minutes = self.minutes(symbol, end_ms)
        oldest = (minutes.first_minute() or 0) * MINUTE_MS
        scale = 10 ** (_MARK_SCALE - self._specs[symbol].price_digits)
        found = []
        for stamp in stamps(max(start_ms, oldest + MINUTE_MS), end_ms):
            minute = stamp // MINUTE_MS - 1
            close = int(minutes.rows(minute, minute)[0, CLOSE])
            rate = rate_at(self._config.seed, symbol, stamp)
            found.append(FundingStamp(stamp, rate, close * scale))
        return found

    def last_trade_id(self, symbol: str) -> int:
        """Id of the last raw trade."""
        return self._feeds[self._index[symbol]].log.next_id - 1

    def true_trades(self, symbol: str) -> list[Trade]:
        """Trades made since the start and still remembered."""
        log = self._feeds[self._index[symbol]].log
        return log.from_id(self._first_id, len(log))

    def true_book(self, symbol: str, update_id: int | None) -> BookView | None:
        """Return the book now, or after `update_id` if the truth is kept."""
        book = self._feeds[self._index[symbol]].book
        return book.view() if update_id is None else book.at(update_id)
