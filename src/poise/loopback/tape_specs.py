"""What a recording tells about its symbols: decimals from the texts, tick and step from many."""

from math import gcd

from poise.loopback.recorded_events import QuoteEvent, Snapshot, TradeEvent
from poise.loopback.specs import SymbolSpec, scaled

_QUOTES = ("USDT", "USDC", "BUSD", "FDUSD")
_MIN_NOTIONAL = {"BTCUSDT": 50, "ETHUSDT": 20}
_ONBOARD_MS = 1_569_398_400_000  # 2019-09-25, when the venue listed its first perpetuals


def _decimals(texts: list[str]) -> int:
    return max((len(text.partition(".")[2]) for text in texts), default=0)


def spec_from_survey(
    symbol: str, snapshot: Snapshot | None, sample: TradeEvent | QuoteEvent | None
) -> SymbolSpec:
    """Return the spec of a recorded symbol.

    The tick is the greatest common divisor of the snapshot's prices (2,000 levels settle it: 0.10
    for BTCUSDT, though it is written with two decimals), the step that of its quantities. Without
    a snapshot one unit of the last decimal of a trade or quote stands for both.
    """
    prices: list[str] = []
    quantities: list[str] = []
    if snapshot is not None:
        for price, qty in (*snapshot.bids, *snapshot.asks):
            prices.append(price)
            quantities.append(qty)
    elif isinstance(sample, TradeEvent):
        prices, quantities = [sample.p], [sample.q]
    elif sample is not None:
        prices, quantities = [sample.b], [sample.B]
    price_digits, qty_digits = _decimals(prices), _decimals(quantities)
    tick = step = 1
    if snapshot is not None:
        tick = gcd(*(scaled(text, price_digits) for text in prices)) or 1
        step = gcd(*(scaled(text, qty_digits) for text in quantities)) or 1
    quote = next((end for end in _QUOTES if symbol.endswith(end)), "USDT")
    return SymbolSpec(
        symbol,
        symbol.removesuffix(quote),
        quote,
        price_digits,
        qty_digits,
        tick,
        step,
        _ONBOARD_MS,
        _MIN_NOTIONAL.get(symbol, 5),
    )
