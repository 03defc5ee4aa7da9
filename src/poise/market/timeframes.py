"""Bar lengths by name: ``1s``, ``1m``, ``5m``, and any other whole number of s, m, h or d."""

from poise.core.errors import UserError
from poise.core.units import NS_PER_S

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST_SECONDS = 366 * 86_400


def timeframe_seconds(name: str) -> int:
    """Length of a timeframe in seconds.

    Raises
    ------
    UserError
        When the name is not a positive whole number followed by s, m, h or d, or over 366 days.
    """
    count, unit = name[:-1], name[-1:]
    if unit in _UNIT_SECONDS and count.isascii() and count.isdigit() and len(count) < 10:
        seconds = int(count) * _UNIT_SECONDS[unit]
        if 0 < seconds <= _LONGEST_SECONDS:
            return seconds
    raise UserError(f"{name!r} is not a timeframe: write for example 1s, 1m, 5m or 4h")


def timeframe_ns(name: str) -> int:
    """Length of a timeframe in nanoseconds."""
    return timeframe_seconds(name) * NS_PER_S
