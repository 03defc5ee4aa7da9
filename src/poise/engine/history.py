"""Bars of the time before a run: from the venue's klines, and from past trades for seconds."""

from poise.core.events import BUY, BarsHistory, Trade
from poise.core.outputs import Bar
from poise.core.units import NS_PER_S, Ns, Price, Qty
from poise.market.timeframes import timeframe_ns


def history_bars(history: BarsHistory, venue_now_ns: int) -> list[Bar]:
    """Finished bars of an answer; the one still forming at `venue_now_ns` is left out."""
    length = timeframe_ns(history.timeframe)
    return [
        Bar(
            history.instrument,
            history.timeframe,
            bar.start_ns,
            Ns(bar.start_ns + length),
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            Qty(0),
            bar.trades,
            Price(0),
            Price(0),
            "history",
        )
        for bar in history.bars
        if bar.start_ns + length <= venue_now_ns
    ]


def second_bars(trades: tuple[Trade, ...]) -> list[Bar]:
    """One-second bars of consecutive past trades, oldest first.

    The first and the last second may be incomplete and are left out; seconds without a trade are
    flat at the close before them.
    """
    by_second: dict[int, list[Trade]] = {}
    for trade in trades:
        by_second.setdefault(trade.venue_ns // NS_PER_S, []).append(trade)
    if len(by_second) < 3:
        return []
    numbers = sorted(by_second)
    bars = []
    close = by_second[numbers[0]][-1].price
    for number in range(numbers[0] + 1, numbers[-1]):
        rows = by_second.get(number, [])
        prices = [trade.price for trade in rows] or [close]
        close = prices[-1]
        bars.append(
            Bar(
                trades[0].instrument,
                "1s",
                Ns(number * NS_PER_S),
                Ns((number + 1) * NS_PER_S),
                prices[0],
                max(prices),
                min(prices),
                close,
                Qty(sum(trade.qty for trade in rows)),
                Qty(sum(trade.qty for trade in rows if trade.aggressor_side == BUY)),
                len(rows),
                Price(0),
                Price(0),
                "history",
            )
        )
    return bars
