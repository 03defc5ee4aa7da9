"""Binance USD-M instruments: from exchangeInfo, from the dated catalogue, and the most traded."""

import math

import msgspec

from poise.core.errors import UserError, VenueMessageError
from poise.core.instrument import Instrument
from poise.core.units import (
    MAX_DIGITS,
    InstrumentIx,
    Ns,
    Price,
    Qty,
    decimal_places,
    parse_scaled,
)
from poise.venues.binance import messages as wire

VENUE = "binance.usdm"

CATALOGUE = {
    # symbol: (base, quote, price places, quantity places, tick, step) as of 2024-08-08; used for
    # recordings that carry no exchangeInfo. Places are those the wire prints.
    "BTCUSDT": ("BTC", "USDT", 2, 3, "0.10", "0.001"),
    "ETHUSDT": ("ETH", "USDT", 2, 3, "0.01", "0.001"),
}
CATALOGUE_NS = Ns(1_723_075_200_000_000_000)


def parse_exchange_info(payload: bytes, *, quote: str | None, now_ns: Ns) -> dict[str, Instrument]:
    """Read the tradable perpetuals of exchangeInfo, by symbol, numbered in the venue's order.

    Kept: contract PERPETUAL, underlying COIN, status TRADING, the wanted quote currency
    (None: any).

    Raises
    ------
    VenueMessageError
        When the answer is not exchangeInfo.
    """
    try:
        info = msgspec.json.decode(payload, type=wire.ExchangeInfo)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise VenueMessageError(f"exchangeInfo: {error}") from None
    result: dict[str, Instrument] = {}
    for item in info.symbols:
        if (
            item.contractType != "PERPETUAL"
            or item.underlyingType != "COIN"
            or item.status != "TRADING"
            or (quote is not None and item.quoteAsset != quote)
        ):
            continue
        result[item.symbol] = _instrument(item, len(result), now_ns)
    return result


def _instrument(item: wire.SymbolInfo, ix: int, now_ns: Ns) -> Instrument:
    filters = {entry.filterType: entry for entry in item.filters}
    try:
        tick = filters["PRICE_FILTER"].tickSize
        step = filters["LOT_SIZE"].stepSize
    except KeyError as error:
        raise VenueMessageError(f"exchangeInfo: {item.symbol} has no filter {error}") from None
    # The wire prints pricePrecision places even where the tick is coarser (61800.20, tick 0.10).
    price_scale = max(decimal_places(tick), item.pricePrecision)
    qty_scale = max(decimal_places(step), item.quantityPrecision)
    if max(price_scale, qty_scale) > MAX_DIGITS:
        raise VenueMessageError(f"exchangeInfo: {item.symbol} has over {MAX_DIGITS} places")
    return Instrument(
        ix=InstrumentIx(ix),
        venue=VENUE,
        symbol=item.symbol,
        base=item.baseAsset,
        quote=item.quoteAsset,
        kind="PERP",
        price_scale=price_scale,
        qty_scale=qty_scale,
        tick=Price(_increment(item.symbol, tick, price_scale)),
        step=Qty(_increment(item.symbol, step, qty_scale)),
        effective_ns=now_ns,
    )


def _increment(symbol: str, text: str, scale: int) -> int:
    try:
        value = parse_scaled(text, scale)
    except VenueMessageError as error:
        raise VenueMessageError(f"exchangeInfo: {symbol}: {error}") from None
    if value <= 0:
        raise VenueMessageError(f"exchangeInfo: {symbol} has a tick or step of {text!r}")
    return value


def from_catalogue(symbol: str, ix: int) -> Instrument:
    """Look an instrument of a recording up in the package's dated catalogue.

    Raises
    ------
    UserError
        When the catalogue does not hold the symbol.
    """
    try:
        base, quote, price_scale, qty_scale, tick, step = CATALOGUE[symbol]
    except KeyError:
        known = ", ".join(sorted(CATALOGUE))
        raise UserError(
            f"the scales of {symbol} are unknown (catalogue: {known}); "
            f"give them as --scale {symbol}=PRICE_PLACES,QTY_PLACES"
        ) from None
    return Instrument(
        ix=InstrumentIx(ix),
        venue=VENUE,
        symbol=symbol,
        base=base,
        quote=quote,
        kind="PERP",
        price_scale=price_scale,
        qty_scale=qty_scale,
        tick=Price(parse_scaled(tick, price_scale)),
        step=Qty(parse_scaled(step, qty_scale)),
        effective_ns=CATALOGUE_NS,
        scale_source="catalogue",
    )


def most_traded(payload: bytes, candidates: dict[str, Instrument], count: int) -> list[str]:
    """Rank candidates by 24 h quote volume of GET /fapi/v1/ticker/24hr, largest first."""
    try:
        rows = msgspec.json.decode(payload, type=list[wire.Ticker24h])
        known = [(float(row.quoteVolume), row.symbol) for row in rows if row.symbol in candidates]
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise VenueMessageError(f"ticker/24hr: {error}") from None
    if not all(0.0 <= volume < math.inf for volume, _ in known):
        raise VenueMessageError("ticker/24hr: a volume that is no number")
    known.sort(key=lambda row: (-row[0], row[1]))
    return [symbol for _, symbol in known[:count]]
