"""A desk on the pure engine, and beside it the naive bookkeeping that every value must equal."""

import math

import numpy as np
import pytest

from poise.analytics import pairs as table
from poise.core.events import (
    BUY,
    SELL,
    PairSpec,
    Quote,
    RunStarted,
    StreamDown,
    TimeframeSpec,
    Timer,
    Trade,
)
from poise.core.instrument import Instrument
from poise.core.outputs import Bar, BarCorrected
from poise.engine.step import Engine

S = 1_000_000_000
MS = 1_000_000
BASE = 1_700_000_040
SECONDS = {"1s": 1, "5s": 5}


def _instruments(count):
    return tuple(
        Instrument(
            ix=ix, venue="v", symbol=f"S{ix}", base=f"S{ix}", quote="T", kind="PERP",
            price_scale=2, qty_scale=0, tick=1, step=1,
        )
        for ix in range(count)
    )  # fmt: skip


def _run(pairs, window=20, count=3):
    return RunStarted(
        environment="replay", run_id="r", instruments=_instruments(count),
        timeframes=tuple(TimeframeSpec(name, window) for name in SECONDS),
        pairs=tuple(PairSpec(y, x) for y, x in pairs), trade_channel="trade", recv_ns=0,
    )  # fmt: skip


class Desk:
    """Steps the engine; keeps every close and every present mid in dictionaries."""

    def __init__(self, pairs, window=20):
        self.window = window
        self.engine = Engine()
        self.engine.step(_run(pairs, window))
        self.closes = {}
        self.mids = {}
        self.outputs = []
        self.ids = dict.fromkeys(range(3), 0)

    def step(self, event):
        outputs = self.engine.step(event)
        if isinstance(event, Quote):
            self.mids[event.instrument] = (event.bid + event.ask) / 200
        elif isinstance(event, StreamDown) and event.channel == "quote":
            self.mids.pop(event.instrument, None)
        for item in outputs:
            bar = item.bar if isinstance(item, BarCorrected) else item
            if isinstance(bar, Bar):
                number = bar.start_ns // (SECONDS[bar.timeframe] * S)
                key = (bar.instrument, bar.timeframe, number)
                mid = (bar.bid_close + bar.ask_close) / 200
                close = mid if bar.bid_close and bar.ask_close else bar.close / 100
                if bar.origin == "live":
                    self.closes[key] = close
                else:
                    self.closes.setdefault(key, close)
        self.outputs += outputs
        return outputs

    def quote(self, ix, at_ns, price, spread=2):
        self.step(Quote(ix, 0, price - spread, 5, price + spread, 5, at_ns, at_ns))

    def trade(self, ix, at_ns, price, side=BUY):
        self.ids[ix] += 1
        key = self.ids[ix]
        self.step(Trade(ix, key, price, 1, side, at_ns, at_ns, key, key))

    def play(self, walk, first, last, quiet=frozenset()):
        """Seconds `first` to `last` of a walk: quotes, trades and timers of three instruments."""
        for second in range(first, last):
            start = (BASE + second) * S
            for ix in range(3):
                price = int(walk[ix][second])
                if ix not in quiet:
                    self.quote(ix, start + (ix + 1) * 10 * MS, price)
                    self.quote(ix, start + (500 + ix) * MS, price + 3)
                self.trade(ix, start + (600 + ix) * MS, price + 7, SELL if second % 2 else BUY)
            for ms in (300, 700):
                self.step(Timer(start + ms * MS))

    def rows(self):
        for place, pair in enumerate(self.engine.pairs.pairs):
            for at, name in enumerate(SECONDS):
                yield place * len(SECONDS) + at, pair, name

    def series(self, pair, name):
        """Log closes of both legs without a hole up to the newest common bar, and its number."""
        numbers = [
            {n for ix, frame, n in self.closes if ix == leg and frame == name}
            for leg in (pair.y, pair.x)
        ]
        common = numbers[0] & numbers[1]
        if not common:
            return np.array([]), np.array([]), -1
        newest = oldest = max(common)
        while oldest - 1 in common:
            oldest -= 1
        return *(
            np.log([self.closes[leg, name, n] for n in range(oldest, newest + 1)])
            for leg in (pair.y, pair.x)
        ), newest

    def expected(self, pair, name):
        """What the row must show, the slow way; None while it warms up."""
        log_y, log_x, _ = self.series(pair, name)
        if log_y.size < self.window:
            return None
        y, x = log_y[-self.window :], log_x[-self.window :]
        slope, intercept = np.polyfit(x - x.mean(), y, 1)
        intercept -= slope * x.mean()
        residual = y - intercept - slope * x
        sigma = math.sqrt((residual**2).sum() / (self.window - 2))
        mids = [self.mids.get(leg, math.nan) for leg in (pair.y, pair.x)]
        spread = math.log(mids[0]) - slope * math.log(mids[1])
        return {
            "alpha": intercept, "beta": slope, "sigma": sigma, "spread": spread,
            "z": (spread - intercept) / sigma,
            "correlation": np.corrcoef(np.diff(y), np.diff(x))[0, 1],
        }  # fmt: skip

    def shown(self, row):
        params, outputs = self.engine.pairs.params[row], self.engine.pairs.outputs[row]
        return {
            "alpha": params[table.ALPHA_OLS], "beta": params[table.BETA_OLS],
            "sigma": params[table.SIGMA], "spread": outputs[table.SPREAD],
            "z": outputs[table.Z_WINDOW], "correlation": params[table.CORRELATION],
        }  # fmt: skip

    def check(self):
        """Every row equals the slow way; returns how many are warm."""
        warm = 0
        for row, pair, name in self.rows():
            expected, shown = self.expected(pair, name), self.shown(row)
            ready = bool(self.engine.pairs.params[row, table.READY] == 1.0)
            assert ready is (expected is not None), (row, name)
            if expected is None:
                assert all(math.isnan(value) for value in shown.values())
            else:
                warm += 1
                for key, value in expected.items():
                    assert shown[key] == pytest.approx(value, rel=1e-7, abs=1e-9, nan_ok=True), key
        return warm


@pytest.fixture(scope="session")
def make_desk():
    return Desk


@pytest.fixture(scope="session")
def make_run():
    return _run


@pytest.fixture(scope="session")
def base_s():
    return BASE


@pytest.fixture(scope="session")
def make_walk():
    def walk(seed, seconds):
        """Prices in cents of three instruments that share a common movement."""
        rng = np.random.default_rng(seed)
        common = np.cumsum(rng.normal(0, 30, seconds))
        own = np.cumsum(rng.normal(0, 5, (3, seconds)), axis=1)
        return (
            np.round(10_000 * np.array([[1.0], [3.0], [0.7]]) + common + own).astype(int) + 20_000
        )

    return walk
