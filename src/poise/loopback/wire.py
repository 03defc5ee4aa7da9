"""The JSON the venue writes on its sockets, field names and order of today's documentation.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
(read 2026-09). Every function takes scaled integers and venue milliseconds and returns the raw
`data` object; `combined` wraps it for `/stream` sockets.
"""

from collections.abc import Iterable

from poise.loopback.book import Level
from poise.loopback.klines import (
    CLOSE,
    HIGH,
    LOW,
    OPEN,
    QUOTE,
    TAKER_QUOTE,
    TAKER_VOLUME,
    TRADES,
    VOLUME,
    Candle,
)
from poise.loopback.specs import SymbolSpec, decimal_text
from poise.loopback.trades import AggTrade, Trade

_BOOL = ("false", "true")


def combined(stream: str, data: bytes) -> bytes:
    """Wrap a payload as `/stream` sockets send it."""
    return b'{"stream":"%b","data":%b}' % (stream.encode(), data)


def trade(spec: SymbolSpec, item: Trade, event_ms: int) -> bytes:
    """Raw `@trade`; undocumented today but served on /public."""
    return (
        f'{{"e":"trade","E":{event_ms},"T":{item.time_ms},"s":"{spec.symbol}","t":{item.id},'
        f'"p":"{spec.price(item.price)}","q":"{spec.qty(item.qty)}","X":"MARKET",'
        f'"m":{_BOOL[item.buyer_is_maker]},"st":1}}'
    ).encode()


def zero_trade(spec: SymbolSpec, trade_id: int, event_ms: int) -> bytes:
    """Write the zero-price, zero-size frame that real raw trade streams emit now and then."""
    return (
        f'{{"e":"trade","E":{event_ms},"T":{event_ms},"s":"{spec.symbol}","t":{trade_id},'
        f'"p":"{spec.price(0)}","q":"{spec.qty(0)}","X":"NA","m":true,"st":1}}'
    ).encode()


def agg_trade(spec: SymbolSpec, item: AggTrade, event_ms: int) -> bytes:
    """`@aggTrade`; nq (quantity without RPI orders) equals q here, no RPI orders exist."""
    qty = spec.qty(item.qty)
    return (
        f'{{"e":"aggTrade","E":{event_ms},"a":{item.id},"s":"{spec.symbol}",'
        f'"p":"{spec.price(item.price)}","q":"{qty}","nq":"{qty}","f":{item.first_id},'
        f'"l":{item.last_id},"T":{item.time_ms},"m":{_BOOL[item.buyer_is_maker]},"st":1}}'
    ).encode()


def book_ticker(
    spec: SymbolSpec, update_id: int, bid: Level, ask: Level, event_ms: int, time_ms: int
) -> bytes:
    """`@bookTicker`."""
    return (
        f'{{"e":"bookTicker","u":{update_id},"s":"{spec.symbol}","b":"{spec.price(bid[0])}",'
        f'"B":"{spec.qty(bid[1])}","a":"{spec.price(ask[0])}","A":"{spec.qty(ask[1])}",'
        f'"T":{time_ms},"E":{event_ms},"st":1,"ps":"{spec.symbol}"}}'
    ).encode()


def levels(spec: SymbolSpec, side: Iterable[Level]) -> str:
    """JSON list of [price, quantity] texts."""
    price, qty = spec.price, spec.qty
    return "[" + ",".join([f'["{price(p)}","{qty(q)}"]' for p, q in side]) + "]"


def depth_update(
    spec: SymbolSpec,
    ids: tuple[int, int, int],
    bids: Iterable[Level],
    asks: Iterable[Level],
    event_ms: int,
    time_ms: int,
) -> bytes:
    """Diff depth; `ids` is (U first id, u last id, pu last id of the event before)."""
    first, last, previous = ids
    return (
        f'{{"e":"depthUpdate","E":{event_ms},"T":{time_ms},"s":"{spec.symbol}","U":{first},'
        f'"u":{last},"pu":{previous},"b":{levels(spec, bids)},"a":{levels(spec, asks)},"st":1,'
        f'"ps":"{spec.symbol}"}}'
    ).encode()


def mark_price(
    spec: SymbolSpec, mark: int, index: int, rate: int, next_funding_ms: int, event_ms: int
) -> bytes:
    """`@markPrice`; mark, index and rate are integers of 10^-8."""
    mark_text = decimal_text(mark, 8)
    return (
        f'{{"e":"markPriceUpdate","E":{event_ms},"s":"{spec.symbol}","p":"{mark_text}",'
        f'"ap":"{mark_text}","P":"{mark_text}","i":"{decimal_text(index, 8)}",'
        f'"r":"{decimal_text(rate, 8)}","T":{next_funding_ms},"st":1}}'
    ).encode()


def kline(spec: SymbolSpec, interval: str, candle: Candle, ids: tuple[int, int], now: int) -> bytes:
    """`@kline_<interval>`; `ids` is (first, last) raw trade id of the candle, -1 without trades."""
    v = candle.values
    return (
        f'{{"e":"kline","E":{now},"s":"{spec.symbol}","k":{{"t":{candle.open_ms},'
        f'"T":{candle.close_ms},"s":"{spec.symbol}","i":"{interval}","f":{ids[0]},"L":{ids[1]},'
        f'"o":"{spec.price(v[OPEN])}","c":"{spec.price(v[CLOSE])}","h":"{spec.price(v[HIGH])}",'
        f'"l":"{spec.price(v[LOW])}","v":"{spec.qty(v[VOLUME])}","n":{v[TRADES]},'
        f'"x":{_BOOL[candle.closed]},"q":"{spec.quote_amount(v[QUOTE])}",'
        f'"V":"{spec.qty(v[TAKER_VOLUME])}","Q":"{spec.quote_amount(v[TAKER_QUOTE])}","B":"0"}},'
        f'"st":1}}'
    ).encode()
