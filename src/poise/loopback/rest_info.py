"""The endpoints about the venue itself and about the present state of its symbols."""

from collections.abc import Callable

from poise.loopback.answers import UNAVAILABLE, ApiError
from poise.loopback.klines import (
    CLOSE,
    HIGH,
    LOW,
    MINUTE_MS,
    OPEN,
    QUOTE,
    TRADES,
    VOLUME,
    aggregate,
)
from poise.loopback.market import FUNDING_MS
from poise.loopback.rest_market import Call
from poise.loopback.specs import SymbolSpec, decimal_text, exchange_info_symbol

_DAY_MINUTES = 1440
_EIGHT = 8
_RATE_LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
]


def ping(_call: Call) -> object:
    """`/ping`."""
    return {}


def time(call: Call) -> object:
    """`/time`."""
    return {"serverTime": call.now_ms}


def exchange_info(call: Call) -> object:
    """`/exchangeInfo`."""
    specs = list(call.market.specs.values())
    return {
        "timezone": "UTC",
        "serverTime": call.now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": _RATE_LIMITS,
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [exchange_info_symbol(spec) for spec in specs],
    }


def _one_or_all(call: Call, row: Callable[[Call, SymbolSpec], dict[str, object] | None]) -> object:
    """Answer one object for a symbol, a list of all that have an answer without one."""
    spec = call.params.maybe_spec()
    if spec is None:
        rows = (row(call, each) for each in call.market.specs.values())
        return [found for found in rows if found is not None]
    found = row(call, spec)
    if found is None:
        raise ApiError(*UNAVAILABLE)
    return found


def premium_index(call: Call) -> object:
    """`/premiumIndex`."""
    return _one_or_all(call, _premium_row)


def _premium_row(call: Call, spec: SymbolSpec) -> dict[str, object] | None:
    mark = call.market.mark(spec.symbol, call.now_ms)
    if mark is None:
        return None
    return {
        "symbol": spec.symbol,
        "markPrice": decimal_text(mark.mark, _EIGHT),
        "indexPrice": decimal_text(mark.index, _EIGHT),
        "estimatedSettlePrice": decimal_text(mark.index, _EIGHT),
        "lastFundingRate": decimal_text(mark.rate, _EIGHT),
        "interestRate": "0.00010000",
        "nextFundingTime": mark.next_funding_ms,
        "time": call.now_ms,
    }


def funding_rate(call: Call) -> object:
    """`/fundingRate`: stamps between two times, or the latest ones, oldest first."""
    params = call.params
    limit = params.limit(100, 1000)
    start, end = params.whole("startTime"), params.whole("endTime")
    until = call.now_ms if end is None else min(end, call.now_ms)
    since = until - limit * FUNDING_MS if start is None else start
    spec = params.maybe_spec()
    rows: list[dict[str, object]] = []
    for each in call.market.specs.values() if spec is None else (spec,):
        stamps = call.market.funding(each.symbol, since, until)
        rows += [
            {
                "symbol": each.symbol,
                "fundingTime": stamp.time_ms,
                "fundingRate": decimal_text(stamp.rate, _EIGHT),
                "markPrice": decimal_text(stamp.mark, _EIGHT),
            }
            for stamp in (stamps[-limit:] if start is None else stamps[:limit])
        ]
    return rows


def funding_info(call: Call) -> object:
    """`/fundingInfo`: interval and caps of every symbol."""
    return [
        {
            "symbol": spec.symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": FUNDING_MS // 3_600_000,
            "disclaimer": False,
        }
        for spec in call.market.specs.values()
    ]


def ticker_24h(call: Call) -> object:
    """`/ticker/24hr`: the last 1440 minutes, the open one included."""
    return _one_or_all(call, _day_row)


def _day_row(call: Call, spec: SymbolSpec) -> dict[str, object] | None:
    source = call.market.minutes(spec.symbol, call.now_ms)
    oldest = source.first_minute()
    if oldest is None:
        return None
    last = call.now_ms // MINUTE_MS
    first = max(oldest, last - _DAY_MINUTES + 1)
    rows = source.rows(first, last)
    _, candles = aggregate(rows, 0, len(rows))
    day = candles[0].tolist()
    log = call.market.trades(spec.symbol)
    latest = log.latest(1)
    change = day[CLOSE] - day[OPEN]
    first_id, last_id = log.ids_between(first * MINUTE_MS, call.now_ms)
    return {
        "symbol": spec.symbol,
        "priceChange": spec.price(change),
        "priceChangePercent": decimal_text(change * 100_000 // day[OPEN], 3),
        "weightedAvgPrice": spec.price(day[QUOTE] // max(1, day[VOLUME])),
        "lastPrice": spec.price(day[CLOSE]),
        "lastQty": spec.qty(latest[0].qty if latest else 0),
        "openPrice": spec.price(day[OPEN]),
        "highPrice": spec.price(day[HIGH]),
        "lowPrice": spec.price(day[LOW]),
        "volume": spec.qty(day[VOLUME]),
        "quoteVolume": spec.quote_amount(day[QUOTE]),
        "openTime": first * MINUTE_MS,
        "closeTime": call.now_ms,
        "firstId": first_id,
        "lastId": last_id,
        "count": day[TRADES],
    }


def book_ticker(call: Call) -> object:
    """`/ticker/bookTicker`."""
    return _one_or_all(call, _quote_row)


def _quote_row(call: Call, spec: SymbolSpec) -> dict[str, object] | None:
    best = call.market.best(spec.symbol)
    if best is None:
        return None
    (bid, bid_qty), (ask, ask_qty) = best
    return {
        "symbol": spec.symbol,
        "bidPrice": spec.price(bid),
        "bidQty": spec.qty(bid_qty),
        "askPrice": spec.price(ask),
        "askQty": spec.qty(ask_qty),
        "time": call.now_ms,
    }
