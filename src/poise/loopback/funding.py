"""Funding of the generated market: a payment every 8 hours, its rate a function of the stamp."""

from poise.loopback.chance import Chance
from poise.loopback.market import FUNDING_MS

_USUAL = 10_000  # 0.01 % in units of 10^-8
_SPREAD = 8_000.0


def next_stamp_ms(now_ms: int) -> int:
    """First stamp after `now_ms`."""
    return (now_ms // FUNDING_MS + 1) * FUNDING_MS


def rate_at(seed: int, symbol: str, stamp_ms: int) -> int:
    """Rate paid at a stamp, integer of 10^-8; longs pay shorts when it is positive."""
    return _USUAL + round(Chance(seed, "funding", symbol, stamp_ms).normal(0.0, _SPREAD))


def stamps(start_ms: int, end_ms: int) -> range:
    """All stamps with start_ms <= stamp <= end_ms."""
    return range(-(-start_ms // FUNDING_MS) * FUNDING_MS, end_ms + 1, FUNDING_MS)
