"""Command-line values to typed ones; every refusal names the value and what was expected."""

import re

from poise.core.errors import UserError
from poise.core.events import TimeframeSpec
from poise.core.units import MAX_DIGITS
from poise.market.timeframes import timeframe_seconds

SHORTEST_WINDOW = 20
_FACTOR = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?").fullmatch
_SHORT_NUMBER = re.compile("[0-9]{1,6}").fullmatch


def parse_speed(text: str) -> float | None:
    """``max`` (None) or a positive factor."""
    if text == "max":
        return None
    number = text.removesuffix("x")
    factor = float(number) if _FACTOR(number) else 0.0
    if not 0.0 < factor <= 1e6:
        raise UserError(f"--speed {text!r}: write max, or a factor above 0 such as 10")
    return factor


def parse_scales(texts: list[str]) -> dict[str, tuple[int, int]]:
    """``BTCUSDT=2,3`` to decimal places of price and quantity by symbol."""
    result = {}
    for text in texts:
        symbol, _, places = text.partition("=")
        price, _, qty = places.partition(",")
        if not (symbol and _SHORT_NUMBER(price) and _SHORT_NUMBER(qty)):
            raise UserError(f"--scale {text!r}: write SYMBOL=PRICE_PLACES,QTY_PLACES")
        if max(int(price), int(qty)) > MAX_DIGITS:
            raise UserError(f"--scale {text!r}: at most {MAX_DIGITS} decimal places")
        result[symbol.upper()] = (int(price), int(qty))
    return result


def parse_timeframes(text: str) -> tuple[TimeframeSpec, ...]:
    """``1s:300,1m:480`` to timeframes with their windows, shortest first."""
    result: dict[str, TimeframeSpec] = {}
    for part in text.split(","):
        name, _, window = part.strip().partition(":")
        timeframe_seconds(name)
        if not _SHORT_NUMBER(window) or not SHORTEST_WINDOW <= int(window) <= 10_000:
            raise UserError(
                f"timeframe {part.strip()!r}: write NAME:WINDOW with a window of "
                f"{SHORTEST_WINDOW} to 10000 bars, such as 1m:480"
            )
        if name in result:
            raise UserError(f"timeframe {name} is named twice")
        result[name] = TimeframeSpec(name, int(window))
    return tuple(sorted(result.values(), key=lambda item: timeframe_seconds(item.name)))
