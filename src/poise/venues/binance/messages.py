"""Binance USD-M frames and answers as typed structs, field for field as on the wire.

Source: "USD-M Futures > Websocket Market Streams" and "Market Data Endpoints",
developers.binance.com, read August 2026. Unknown fields are ignored (the venue adds some monthly);
missing or wrongly typed ones are refused by msgspec.
"""

from typing import Annotated

import msgspec

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A venue's id or count: JSON integers of any size are decoded otherwise, negative ones too."""


class BookTicker(msgspec.Struct, gc=False, tag_field="e", tag="bookTicker"):
    """Best bid and offer."""

    s: str
    u: Id
    b: str
    B: str
    a: str
    A: str
    T: int


class RawTrade(msgspec.Struct, gc=False, tag_field="e", tag="trade"):
    """One execution. `m` true: the buyer was the maker, so the seller was the aggressor."""

    s: str
    t: Id
    p: str
    q: str
    T: int
    m: bool


class AggTrade(msgspec.Struct, gc=False, tag_field="e", tag="aggTrade"):
    """Executions of one taker order at one price within 100 ms."""

    s: str
    a: Id
    p: str
    q: str
    f: Id
    last: Id = msgspec.field(name="l")
    T: int
    m: bool


class DepthUpdate(msgspec.Struct, gc=False, tag_field="e", tag="depthUpdate"):
    """Changed book levels; level lists stay raw for the kernel."""

    s: str
    U: Id
    u: Id
    pu: Id
    b: msgspec.Raw
    a: msgspec.Raw
    T: int


class MarkPriceUpdate(msgspec.Struct, gc=False, tag_field="e", tag="markPriceUpdate"):
    """Mark and index price, funding rate `r` due at `T`."""

    s: str
    E: int
    p: str
    i: str
    r: str
    T: int


MarketFrame = BookTicker | RawTrade | AggTrade | DepthUpdate | MarkPriceUpdate


class VenueError(msgspec.Struct):
    """Error object of REST and of subscriptions."""

    code: int = 0
    msg: str = ""


class Combined(msgspec.Struct, gc=False):
    """A frame of ``/stream``, or an acknowledgement (`id` set, no `data`)."""

    stream: str = ""
    data: MarketFrame | msgspec.UnsetType = msgspec.UNSET
    id: int | str | None = None
    error: VenueError | None = None


class DepthAnswer(msgspec.Struct):
    """GET /fapi/v1/depth."""

    lastUpdateId: Id
    bids: msgspec.Raw
    asks: msgspec.Raw
    T: int = 0


class TradeRow(msgspec.Struct, gc=False):
    """A row of GET /fapi/v1/trades and /fapi/v1/historicalTrades."""

    id: Id
    price: str
    qty: str
    time: int
    isBuyerMaker: bool


class AggTradeRow(msgspec.Struct, gc=False):
    """A row of GET /fapi/v1/aggTrades."""

    a: Id
    p: str
    q: str
    f: Id
    last: Id = msgspec.field(name="l")
    T: int
    m: bool


class BookTickerAnswer(msgspec.Struct):
    """GET /fapi/v1/ticker/bookTicker of one symbol."""

    symbol: str
    bidPrice: str
    bidQty: str
    askPrice: str
    askQty: str
    time: int
    lastUpdateId: Id = 0


class KlineRow(msgspec.Struct, array_like=True, gc=False):
    """A row of GET /fapi/v1/klines; further columns are ignored."""

    open_ms: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    close_ms: int
    quote_volume: str
    trades: Id


class ServerTime(msgspec.Struct):
    """GET /fapi/v1/time."""

    serverTime: int


class SymbolFilter(msgspec.Struct):
    """One entry of a symbol's filters, with the fields we read of all kinds."""

    filterType: str
    tickSize: str = ""
    stepSize: str = ""


class SymbolInfo(msgspec.Struct):
    """One symbol of GET /fapi/v1/exchangeInfo."""

    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    contractType: str
    pricePrecision: int
    quantityPrecision: int
    filters: list[SymbolFilter]
    underlyingType: str = "COIN"


class ExchangeInfo(msgspec.Struct):
    """GET /fapi/v1/exchangeInfo."""

    symbols: list[SymbolInfo]


class Ticker24h(msgspec.Struct):
    """A row of GET /fapi/v1/ticker/24hr."""

    symbol: str
    quoteVolume: str
