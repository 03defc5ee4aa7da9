"""Compile every kernel before its first use: a first call costs seconds, a later one 1 us."""

import numpy as np

from poise.analytics.pair_history import pair_history
from poise.core.events import (
    DepthDiff,
    DepthSnapshot,
    PairSpec,
    Quote,
    RunStarted,
    TimeframeSpec,
    Timer,
    Trade,
)
from poise.core.instrument import Instrument
from poise.core.units import NS_PER_S, InstrumentIx, Ns, Price, Qty
from poise.engine.step import Engine
from poise.venues.binance.levels import LevelsParser

_WINDOW = 20


def warm_kernels() -> None:
    """Run a tiny market of two instruments through a throw-away core: its own kernels."""
    LevelsParser().parse(b'[["1.5", "2"]]', 2, 3)
    LevelsParser().sides(b'[["1.5","2"]]', b"[]", 2, 3)
    engine = Engine()
    instruments = tuple(_instrument(ix) for ix in range(2))
    engine.step(
        RunStarted(
            environment="replay",
            run_id="warm",
            instruments=instruments,
            timeframes=(TimeframeSpec("1s", _WINDOW),),
            pairs=(PairSpec(InstrumentIx(0), InstrumentIx(1)),),
            trade_channel="trade",
            recv_ns=Ns(NS_PER_S),
        )
    )
    levels = np.array([[100, 5]], dtype=np.int64)
    above = np.array([[101, 5]], dtype=np.int64)
    for second in range(1, _WINDOW + 6):
        at = Ns(second * NS_PER_S)
        for ix in (InstrumentIx(0), InstrumentIx(1)):
            # Two coprime cycles: neither leg is constant, nor one a multiple of the other.
            price = Price(1_000 + second * 7 % (11 + 2 * ix))
            engine.step(DepthSnapshot(ix, second - 1, levels, above, at, at))
            engine.step(DepthDiff(ix, second, second, second - 1, levels, above, at, at))
            ask = Price(price + 1)
            engine.step(Quote(ix, second, price, Qty(1), ask, Qty(1), at, at))
            engine.step(Trade(ix, second, price, Qty(1), 1, at, at, second, second))
        engine.step(Timer(at))


def warm_history_kernel() -> None:
    """Run the kernel of a pair's past, which only the edge uses, over a tiny one."""
    bars = np.arange(2.0 * _WINDOW)
    pair_history(bars % 7.0, bars % 5.0, _WINDOW)


def _instrument(ix: int) -> Instrument:
    return Instrument(
        ix=InstrumentIx(ix),
        venue="warm",
        symbol=f"WARM{ix}",
        base=f"WARM{ix}",
        quote="USDT",
        kind="PERP",
        price_scale=2,
        qty_scale=3,
        tick=Price(1),
        step=Qty(1),
    )
