"""Instruments: their ids, scales and dated trading rules."""

from typing import Literal

import msgspec

from poise.core.errors import UserError
from poise.core.units import InstrumentIx, Ns, Price, Qty

Kind = Literal["SPOT", "PERP"]


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable thing on one venue, as it was from `effective_ns` on.

    Attributes
    ----------
    ix
        Row of this instrument in the state arrays of the run.
    venue
        Venue family and segment, ``binance.usdm``.
    symbol
        The venue's own name, ``BTCUSDT``.
    price_scale, qty_scale
        Decimal places of the scaled integers; at least as fine as the wire's.
    tick, step
        Smallest price and quantity increments, scaled.
    scale_source
        Where the scales came from: ``exchangeInfo``, ``catalogue``, ``flag`` or ``inferred``.
    """

    ix: InstrumentIx
    venue: str
    symbol: str
    base: str
    quote: str
    kind: Kind
    price_scale: int
    qty_scale: int
    tick: Price
    step: Qty
    effective_ns: Ns = Ns(0)
    scale_source: str = "exchangeInfo"

    @property
    def id(self) -> str:
        """Instrument id, ``binance.usdm:BTC-USDT-PERP``."""
        suffix = "" if self.kind == "SPOT" else f"-{self.kind}"
        return f"{self.venue}:{self.base}-{self.quote}{suffix}"


def split_pair(text: str) -> tuple[str, str]:
    """Split ``"ETHUSDT/BTCUSDT"`` into its y and x names.

    Raises
    ------
    UserError
        When there are not exactly two different names.
    """
    parts = tuple(part.strip().upper() for part in text.split("/"))
    if len(parts) != 2 or not all(parts) or parts[0] == parts[1]:
        raise UserError(f"{text!r} is not a pair: write two instruments as ETHUSDT/BTCUSDT")
    return parts[0], parts[1]
