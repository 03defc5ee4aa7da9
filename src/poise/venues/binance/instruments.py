"""Binance USD-M instruments: from exchangeInfo, from the dated catalogue, and the most traded."""

import msgspec

from poise.core.errors import UserError, VenueMessageError
from poise.core.instrument import Instrument
from poise.core.units import InstrumentIx, Ns, Price, Qty, decimal_places, parse_scaled
from poise.venues.binance import messages as wire

VENUE = "binance.usdm"

CATALOGUE = {
    # symbol: (base, quote, price places, quantity places, tick, step) as of 2024-08-08; used for
    # recordings that carry no exchangeInfo. Places are those the wire prints.
    "BTCUSDT": ("BTC", "USDT", 2, 3, "0.10", "0.001"),
    "ETHUSDT": ("ETH", "USDT", 2, 3, "0.01", "0.001"),
}
CATALOGUE_NS = Ns(1_723_075_200_000_000_000)


def parse_exchange_info(payload: bytes, *, quote: str, now_ns: Ns) -> dict[str, Instrument]:
    """Read the tradable perpetuals of exchangeInfo, by symbol, numbered in the venue's order.

    Kept: contract PERPETUAL, underlying COIN, status TRADING, the wanted quote currency.

    Raises
    ------
    VenueMessageError
        When the answer is not exchangeInfo.
    """
    try:
        info = msgspec.json.decode(payload, type=wire.ExchangeInfo)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise VenueMessageError(f"exchangeInfo: {error}") from None
    result: dict[str, Instrument] = {}
    for item in info.symbols:
        if (
            item.contractType != "PERPETUAL"
            or item.underlyingType != "COIN"
            or item.status != "TRADING"
            or item.quoteAsset != quote
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
    return Instrument(
        ix=InstrumentIx(ix),
        venue=VENUE,
        symbol=item.symbol,
        base=item.baseAsset,
        quote=item.quoteAsset,
        kind="PERP",
        price_scale=price_scale,
        qty_scale=qty_scale,
        tick=Price(parse_scaled(tick, price_scale)),
        step=Qty(parse_scaled(step, qty_scale)),
        effective_ns=now_ns,
    )


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
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise VenueMessageError(f"ticker/24hr: {error}") from None
    known = [row for row in rows if row.symbol in candidates]
    known.sort(key=lambda row: (-float(row.quoteVolume), row.symbol))
    return [row.symbol for row in known[:count]]
