"""The generated market before its start: trades of the recent hours, candles of ninety days.

Both are computed only when somebody asks, and the answer does not depend on when or in which
order that happens. The recent part is run backwards on a grid of 1 s and made of trades; what is
older is run backwards on a grid of 1 min and made of candles whose extremes are those of the
Brownian bridge between two closes.
"""

import math
from array import array
from dataclasses import dataclass

import numpy as np

from poise.loopback.chance import Source, array_source
from poise.loopback.klines import (
    CLOSE,
    HIGH,
    LOW,
    MINUTE_MS,
    OPEN,
    QUOTE,
    TAKER_QUOTE,
    TAKER_VOLUME,
    TRADES,
    VOLUME,
    WIDTH,
    Rows,
)
from poise.loopback.layout import Layout, Member
from poise.loopback.paths import Dynamics, Floats, LatentState, Stretch
from poise.loopback.trades import TradeColumns

DAY_MINUTES = 1440
_CACHED_DAYS = 400  # per market: about 100 KB each


@dataclass(frozen=True, slots=True)
class Trend:
    """Drift of trending spreads: `per_s` log price a second from `since_s` before the start on."""

    per_s: float
    since_s: float
    members: Floats  # 1.0 for a member that trends, 0.0 for the others

    def at(self, seconds: Floats) -> Floats:
        """Log price added at these seconds after the start (negative: before), shape (k, n)."""
        grown = np.maximum(seconds, -self.since_s) * self.per_s
        return grown[:, None] * self.members


class Past:
    """History of one market, anchored at its start instant."""

    def __init__(
        self,
        seed: int,
        layout: Layout,
        dynamics: Dynamics,
        start: LatentState,
        trend: Trend,
        start_ms: int,
        recent_s: int,
        days: int,
    ) -> None:
        self._seed = seed
        self._layout = layout
        self._dynamics = dynamics
        self._trend = trend
        self._start = start
        self.start_ms = start_ms
        self.recent_minute = (start_ms // 1000 - recent_s) * 1000 // MINUTE_MS
        """First minute made of trades; everything before it is made of candles."""
        self.first_minute = self.recent_minute - days * DAY_MINUTES
        self._days = days
        self._recent: tuple[Floats, LatentState] | None = None
        self._chunks: list[Stretch] = []
        self._chunk_state: LatentState | None = None
        self._day_rows: dict[tuple[int, int], Rows] = {}

    def log_prices_1s(self) -> Floats:
        """Log prices of the recent part, row 0 one second before the start, shape (k, n)."""
        return self._recent_part()[0]

    def _recent_part(self) -> tuple[Floats, LatentState]:
        if self._recent is None:
            seconds = self.start_ms // 1000 - self.recent_minute * 60
            source = array_source(self._seed, "recent")
            stretch, end = self._dynamics.run(self._start, seconds, 1.0, source)
            back = -np.arange(1.0, seconds + 1.0)
            self._recent = (stretch.log_price + self._trend.at(back), end)
        return self._recent

    def trades(self, index: int) -> TradeColumns:
        """Return all recent trades of one instrument, oldest first."""
        member = self._layout.members[index]
        source = array_source(self._seed, "trades", index)
        path = self.log_prices_1s()[::-1, index]
        counts = source.poisson(member.trades_per_s, len(path))
        total = int(counts.sum())
        second = np.repeat(np.arange(len(path)), counts)
        within = source.random(total)
        order = np.lexsort((within, second))
        within = within[order]
        following = np.append(path[1:], self.log_prices_at_start()[index])
        log_mid = path[second] + (following - path)[second] * within
        mid = np.exp(log_mid) * 10.0**member.spec.price_digits / member.spec.tick
        buys = source.random(total) < 0.5
        price = (np.floor(mid).astype(np.int64) + buys) * member.spec.tick
        wanted = source.exponential(_mean_trade(member), total)
        qty = member.spec.step + wanted.astype(np.int64) // member.spec.step * member.spec.step
        first_ms = self.recent_minute * MINUTE_MS
        time_ms = first_ms + second * 1000 + (within * 1000.0).astype(np.int64)
        return TradeColumns(
            array("q", time_ms.astype(np.int64).tobytes()),
            array("q", price.tobytes()),
            array("q", qty.tobytes()),
            bytearray((~buys).astype(np.uint8).tobytes()),
        )

    def log_prices_at_start(self) -> Floats:
        """Log prices at the start instant itself, shape (n,)."""
        dynamics, start = self._dynamics, self._start
        level: Floats = dynamics.log_start + dynamics.beta * start.factor[dynamics.factor_of]
        level += start.spread.sum(axis=1) + self._trend.at(np.zeros(1))[0]
        return level

    def rows(self, index: int, first: int, last: int) -> Rows:
        """Minute rows first..last inclusive of one instrument, all before `recent_minute`."""
        newest_day = (self.recent_minute - 1 - last) // DAY_MINUTES
        oldest_day = (self.recent_minute - 1 - first) // DAY_MINUTES
        days = [self._day(index, day) for day in range(oldest_day, newest_day - 1, -1)]
        joined = np.concatenate(days)
        start = first - (self.recent_minute - (oldest_day + 1) * DAY_MINUTES)
        return joined[start : start + last - first + 1]

    def log_prices_1m(self, day: int) -> Floats:
        """Log prices at the *opening* of each minute of a day back, newest first, (1440, n)."""
        return self._chunk(day).log_price + self._trend_1m(day)

    def _trend_1m(self, day: int) -> Floats:
        recent_s = self.start_ms / 1000.0 - self.recent_minute * 60.0
        minutes = np.arange(1.0, DAY_MINUTES + 1.0) + day * DAY_MINUTES
        return self._trend.at(-recent_s - 60.0 * minutes)

    def _chunk(self, day: int) -> Stretch:
        """Latent path of `day` days before the recent part (0 is the newest), newest first."""
        while len(self._chunks) <= day:
            state = self._chunk_state or self._recent_part()[1]
            source = array_source(self._seed, "day", len(self._chunks))
            stretch, self._chunk_state = self._dynamics.run(state, DAY_MINUTES, 60.0, source)
            self._chunks.append(stretch)
        return self._chunks[day]

    def _day(self, index: int, day: int) -> Rows:
        """Minute rows of one day back of one instrument, oldest first."""
        known = self._day_rows.get((index, day))
        if known is None:
            if len(self._day_rows) >= _CACHED_DAYS:
                self._day_rows.pop(next(iter(self._day_rows)))
            known = self._day_rows[index, day] = self._make_day(index, day)
        return known

    def _make_day(self, index: int, day: int) -> Rows:
        member = self._layout.members[index]
        source = array_source(self._seed, "candles", index, day)
        opening = self.log_prices_1m(day)[::-1, index]
        newer = self.log_prices_1m(day - 1)[-1] if day else self._recent_part()[0][-1]
        closing = np.append(opening[1:], newer[index])
        variance = self._chunk(day).variance[::-1, index]
        low, high = _bridge_extremes(opening, closing, variance, source)
        scale = 10.0**member.spec.price_digits / member.spec.tick
        ticks = np.floor(np.exp(np.stack([opening, high, low, closing])) * scale).astype(np.int64)
        rows = np.zeros((DAY_MINUTES, WIDTH), dtype=np.int64)
        # Each open is the close before it, so that the candles join without a jump; the flip of
        # the last trade between bid and ask adds one tick to half of the closes.
        flips = array_source(self._seed, "flips", index, day).random(DAY_MINUTES) < 0.5
        rows[:, OPEN], rows[:, CLOSE] = ticks[0], ticks[3] + flips
        rows[1:, OPEN] = rows[:-1, CLOSE]
        rows[:, HIGH] = np.maximum(ticks[1], np.maximum(rows[:, OPEN], rows[:, CLOSE]))
        rows[:, LOW] = np.minimum(ticks[2], np.minimum(rows[:, OPEN], rows[:, CLOSE]))
        rows[:, OPEN : CLOSE + 1] *= member.spec.tick
        typical = variance.mean()
        _fill_volume(rows, member, np.sqrt(variance / typical), source)
        return rows


def _bridge_extremes(
    opening: Floats,
    closing: Floats,
    variance: Floats,
    source: Source,
) -> tuple[Floats, Floats]:
    """Draw minimum and maximum of Brownian bridges, each from its exact marginal law.

    P(max > m) = exp(-2 (m - a)(m - b) / v) for a bridge from a to b of variance v.
    """
    draws = source.random((2, len(opening)))
    reach = np.sqrt((closing - opening) ** 2 - 2.0 * variance * np.log1p(-draws))
    middle = opening + closing
    return (middle - reach[0]) / 2.0, (middle + reach[1]) / 2.0


def _mean_trade(member: Member) -> float:
    """Mean trade size in scaled quantity, from its notional in the quote currency."""
    return member.trade_notional / math.exp(member.log_start) * 10.0**member.spec.qty_digits


def _fill_volume(
    rows: Rows,
    member: Member,
    activity: Floats,
    source: Source,
) -> None:
    """Draw trade counts and volumes; busier minutes are the more volatile ones."""
    count = source.poisson(60.0 * member.trades_per_s * activity)
    step = member.spec.step
    mean = _mean_trade(member) + step
    volume = source.gamma(np.maximum(count, 1), mean) * (count > 0)
    taker = volume * np.clip(source.normal(0.5, 0.12, len(rows)), 0.0, 1.0)
    rows[:, TRADES] = count
    rows[:, VOLUME] = volume.astype(np.int64) // step * step
    rows[:, TAKER_VOLUME] = taker.astype(np.int64) // step * step
    typical = (rows[:, HIGH] + rows[:, LOW] + 2 * rows[:, CLOSE]) // 4
    rows[:, QUOTE] = rows[:, VOLUME] * typical
    rows[:, TAKER_QUOTE] = rows[:, TAKER_VOLUME] * typical
    # A minute nobody traded in repeats the price before it.
    for row in np.flatnonzero(count == 0):
        rows[row, OPEN : CLOSE + 1] = rows[row - 1, CLOSE] if row else rows[row, OPEN]
        if row + 1 < len(rows):
            rows[row + 1, OPEN] = rows[row, CLOSE]
            rows[row + 1, HIGH] = max(rows[row + 1, HIGH], rows[row, CLOSE])
            rows[row + 1, LOW] = min(rows[row + 1, LOW], rows[row, CLOSE])
