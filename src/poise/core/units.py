"""Units as branded types, and exact decimal text <-> scaled integers.

A price is an ``int`` in units of ``10**-price_scale``, a quantity in ``10**-qty_scale``, a time in
nanoseconds UTC. The brands exist for mypy: a float or the wrong unit does not type-check.
"""

from typing import NewType

from poise.core.errors import VenueMessageError

Ns = NewType("Ns", int)
Price = NewType("Price", int)
Qty = NewType("Qty", int)
Seq = NewType("Seq", int)
InstrumentIx = NewType("InstrumentIx", int)
"""Dense number of an instrument within one run: the row of every state array."""

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

MAX_DIGITS = 18
"""Scaled values must fit int64; 18 decimal digits always do."""


def parse_scaled(text: str, scale: int) -> int:
    """Turn decimal text into an integer of units ``10**-scale``, exactly.

    Parameters
    ----------
    text
        Digits with at most one dot and an optional leading minus: ``"61800.20"``. Exponents, signs
        other than minus, spaces, ``NaN`` and ``Infinity`` are refused.
    scale
        Decimal places of the result, 0 to 18.

    Raises
    ------
    VenueMessageError
        When the text is not such a decimal, is finer than `scale` (beyond trailing zeros), or has
        more than 18 significant digits after scaling.
    """
    whole, dot, fraction = text.partition(".")
    digits = whole.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or (
        dot and not (fraction.isascii() and fraction.isdigit())
    ):
        raise VenueMessageError(f"not a plain decimal number: {text[:40]!r}")
    if len(fraction) > scale:
        if fraction[scale:].strip("0"):
            raise VenueMessageError(
                f"{text[:40]!r} is finer than {scale} decimal places: the instrument's scale is old"
            )
        fraction = fraction[:scale]
    padded = (digits + fraction.ljust(scale, "0")).lstrip("0")
    if len(padded) > MAX_DIGITS:
        raise VenueMessageError(f"{text[:40]!r} exceeds {MAX_DIGITS} digits at scale {scale}")
    value = int(padded or "0")
    return -value if whole.startswith("-") else value


def format_scaled(value: int, scale: int) -> str:
    """Write a scaled integer as decimal text with exactly `scale` places; inverse of parsing."""
    if scale == 0:
        return str(value)
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def decimal_places(text: str) -> int:
    """Count the decimal places a step such as ``"0.00100000"`` needs (3)."""
    return len(text.partition(".")[2].rstrip("0"))
