"""The market-data endpoints: each is a function of the market, the query and venue time.

Weights and limits after https://developers.binance.com/docs/derivatives/usds-margined-futures/
market-data/rest-api (read 2026-09).
"""

from collections.abc import Callable
from dataclasses import dataclass

from poise.loopback.answers import (
    BAD_COMBINATION,
    BAD_DEPTH_LIMIT,
    INVALID_INTERVAL,
    UNAVAILABLE,
    WINDOW_TOO_LONG,
    ApiError,
)
from poise.loopback.book import BookView, Level
from poise.loopback.klines import (
    CLOSE,
    HIGH,
    INTERVAL_MINUTES,
    LOW,
    OPEN,
    QUOTE,
    TAKER_QUOTE,
    TAKER_VOLUME,
    TRADES,
    VOLUME,
    Candle,
    select,
)
from poise.loopback.market import Market
from poise.loopback.params import Params
from poise.loopback.specs import SymbolSpec
from poise.loopback.trades import AggTrade, Trade

_HOUR_MS = 3_600_000
AGG_HISTORY_MS = 48 * _HOUR_MS
_DEPTH_WEIGHT = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the market, its parameters, venue time in ms."""

    market: Market
    params: Params
    now_ms: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers a path, what it weighs, and whether it wants an API key."""

    answer: Callable[[Call], object]
    weight: Callable[[Params], int]
    needs_key: bool = False


def fixed(weight: int) -> Callable[[Params], int]:
    """Weigh the same whatever is asked."""
    return lambda _params: weight


def by_symbol(one: int, every: int) -> Callable[[Params], int]:
    """Weigh one symbol less than all of them."""
    return lambda params: one if params.text("symbol") else every


def depth_weight(params: Params) -> int:
    """2, 5, 10 or 20 by limit."""
    return _DEPTH_WEIGHT.get(params.whole("limit") or 500, 2)


def klines_weight(params: Params) -> int:
    """1, 2, 5 or 10 by limit."""
    limit = params.whole("limit") or 500
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10


def depth(call: Call) -> object:
    """`/depth`: the book at the present position."""
    spec = call.params.spec()
    limit = call.params.whole("limit") or 500
    if limit not in _DEPTH_WEIGHT:
        raise ApiError(*BAD_DEPTH_LIMIT)
    view = call.market.depth(spec.symbol, limit)
    if view is None:
        raise ApiError(*UNAVAILABLE)
    return depth_body(spec, view)


def depth_body(spec: SymbolSpec, view: BookView) -> dict[str, object]:
    """Body of `/depth` for a book."""

    def side(levels: tuple[Level, ...]) -> list[tuple[str, str]]:
        return [(spec.price(price), spec.qty(qty)) for price, qty in levels]

    return {
        "lastUpdateId": view.last_update_id,
        "E": view.event_ms,
        "T": view.transaction_ms,
        "bids": side(view.bids),
        "asks": side(view.asks),
    }


def _agg_row(spec: SymbolSpec, item: AggTrade) -> dict[str, object]:
    return {
        "a": item.id,
        "p": spec.price(item.price),
        "q": spec.qty(item.qty),
        "nq": spec.qty(item.qty),
        "f": item.first_id,
        "l": item.last_id,
        "T": item.time_ms,
        "m": item.buyer_is_maker,
    }


def agg_trades(call: Call) -> object:
    """`/aggTrades`: from an id, between two times less than an hour apart, or the latest."""
    params = call.params
    spec, limit = params.spec(), params.limit(500, 1000)
    from_id, start, end = params.whole("fromId"), params.whole("startTime"), params.whole("endTime")
    if from_id is not None and (start is not None or end is not None):
        raise ApiError(*BAD_COMBINATION)
    if start is not None and end is not None and not 0 <= end - start < _HOUR_MS:
        raise ApiError(*WINDOW_TOO_LONG)
    log = call.market.trades(spec.symbol)
    if from_id is not None:
        found = log.aggs_from_id(from_id, limit)
    elif start is not None:
        found = log.aggs_between(start, call.now_ms if end is None else end, limit)
    else:
        found = log.latest_aggs(limit, end)
    oldest_ms = call.now_ms - AGG_HISTORY_MS
    return [_agg_row(spec, item) for item in found if item.time_ms >= oldest_ms]


def _trade_row(spec: SymbolSpec, item: Trade) -> dict[str, object]:
    return {
        "id": item.id,
        "price": spec.price(item.price),
        "qty": spec.qty(item.qty),
        "quoteQty": spec.quote_amount(item.price * item.qty),
        "time": item.time_ms,
        "isBuyerMaker": item.buyer_is_maker,
        "isRPITrade": False,
    }


def recent_trades(call: Call) -> object:
    """`/trades`: the latest raw trades."""
    spec, limit = call.params.spec(), call.params.limit(500, 1000)
    return [_trade_row(spec, item) for item in call.market.trades(spec.symbol).latest(limit)]


def historical_trades(call: Call) -> object:
    """`/historicalTrades`: raw trades from an id, at most 500 a call."""
    spec, limit = call.params.spec(), call.params.limit(100, 500)
    log, from_id = call.market.trades(spec.symbol), call.params.whole("fromId")
    found = log.latest(limit) if from_id is None else log.from_id(from_id, limit)
    return [_trade_row(spec, item) for item in found]


def kline_row(spec: SymbolSpec, candle: Candle) -> list[object]:
    """One row of `/klines`."""
    v = candle.values
    return [
        candle.open_ms,
        spec.price(v[OPEN]),
        spec.price(v[HIGH]),
        spec.price(v[LOW]),
        spec.price(v[CLOSE]),
        spec.qty(v[VOLUME]),
        candle.close_ms,
        spec.quote_amount(v[QUOTE]),
        v[TRADES],
        spec.qty(v[TAKER_VOLUME]),
        spec.quote_amount(v[TAKER_QUOTE]),
        "0",
    ]


def klines(call: Call) -> object:
    """`/klines`: at most 1500 candles, the open one last."""
    params = call.params
    spec, limit = params.spec(), params.limit(500, 1500)
    interval = params.text("interval")
    if interval not in INTERVAL_MINUTES:
        raise ApiError(*INVALID_INTERVAL)
    source = call.market.minutes(spec.symbol, call.now_ms)
    start, end = params.whole("startTime"), params.whole("endTime")
    candles = select(source, interval, call.now_ms, start, end, limit)
    return [kline_row(spec, candle) for candle in candles]
