"""Routes, subscriptions, requests and weights of Binance USD-M, against its documentation."""

import msgspec
import pytest

from poise.core.outputs import HealBook, HealTrades
from poise.core.units import NS_PER_S
from poise.venues.binance.usdm import BinanceUsdm

PUBLIC = {"trade", "bookTicker", "depth"}
"""Kinds that the notice of 2026-03-06 serves on /public; the others are on /market."""


def test_every_stream_is_on_the_route_that_serves_it(venue, instruments):
    for item in instruments:
        specs = venue.streams(item)
        assert [spec.channel for spec in specs][1:] == ["quote", "depth", "mark"]
        for spec in specs:
            symbol, kind, *_ = spec.wire_name.split("@")
            assert symbol == item.symbol.lower()
            assert spec.route == ("public" if kind in PUBLIC else "market")
            assert spec.instrument == item.ix
            assert venue.socket_path(spec.route) == f"/{spec.route}/stream"


def test_the_trade_channel_is_the_one_chosen(instruments):
    for channel in ("trade", "aggTrade"):
        first = BinanceUsdm(instruments, channel).streams(instruments[0])[0]
        assert (first.channel, first.wire_name) == (channel, f"btcusdt@{channel}")
        assert first.stale_ns == 0  # a quiet instrument trades once in minutes


def test_control_frames_are_the_documentation_s(plain_venue):
    names = ("btcusdt@aggTrade", "btcusdt@depth")
    assert plain_venue.subscribe(names, 1) == (
        b'{"method":"SUBSCRIBE","params":["btcusdt@aggTrade","btcusdt@depth"],"id":1}'
    )
    assert plain_venue.unsubscribe(names[1:], 312) == (
        b'{"method":"UNSUBSCRIBE","params":["btcusdt@depth"],"id":312}'
    )
    assert msgspec.json.decode(plain_venue.subscribe(("\u5e01usdt@trade",), 2))["params"] == [
        "\u5e01usdt@trade"
    ]


def test_limits_stay_inside_the_venue_s(plain_venue):
    limits, weights = plain_venue.socket_limits, plain_venue.weight_limits
    assert limits.max_streams <= 1_024
    assert limits.control_messages_per_s < 10
    assert limits.lifetime_ns < 24 * 3_600 * NS_PER_S
    assert weights.weight_per_min == 2_400
    assert weights.used_header == "X-MBX-USED-WEIGHT-1M"


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b'{"stream":"btcusdt@trade","data":{}}', "btcusdt@trade"),
        (b'{"stream":"btcusdt@depth@100ms","data"', "btcusdt@depth@100ms"),
        (b'{"stream":"', None),
        (b'{"stream":"' + b"x" * 500 + b'"', None),
        (b'{"result":null,"id":1}', None),
        (b'{"data":{},"stream":"btcusdt@trade"}', None),
        (b"", None),
        (b"\xff\xfe", None),
        (b'{"stream":17}', None),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_stream_of_a_frame(plain_venue, payload, name):
    assert plain_venue.stream_of(payload) == name


def test_stream_of_bytes_that_are_no_text(plain_venue):
    assert plain_venue.stream_of(b'{"stream":"\xff@trade"') == "\ufffd@trade"


def documented_weight(limit):
    """1, 2, 5 or 10 by limit: [1,100), [100,500), [500,1000], > 1000."""
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1_000 else 10


@pytest.mark.parametrize("limit", [1, 99, 100, 101, 499, 500, 501, 999, 1_000, 1_001, 1_500])
def test_klines_weigh_by_their_limit(plain_venue, instruments, limit):
    request = plain_venue.klines_request(instruments[0], "1m", limit)
    assert request.weight == documented_weight(limit)
    assert request.path == "/fapi/v1/klines"
    assert dict(request.query) == {"symbol": "BTCUSDT", "interval": "1m", "limit": str(limit)}
    assert request.source == "rest:klines:BTCUSDT:1m"


def test_klines_up_to_a_time(plain_venue, instruments):
    request = plain_venue.klines_request(instruments[0], "5m", 10, 1_626_992_741_037_999_999)
    assert dict(request.query)["endTime"] == "1626992741037"


def test_a_book_is_healed_by_a_snapshot(plain_venue):
    request = plain_venue.heal_request(HealBook(2, 1))
    assert (request.path, dict(request.query)) == (
        "/fapi/v1/depth",
        {"symbol": "SUSHIUSDT", "limit": "1000"},
    )
    assert (request.weight, request.needs_key) == (20, False)


@pytest.mark.parametrize(
    ("channel", "path", "most", "weight", "key"),
    [
        ("aggTrade", "/fapi/v1/aggTrades", 1_000, 20, False),
        ("trade", "/fapi/v1/historicalTrades", 500, 200, True),
    ],
)
def test_trades_are_healed_from_the_first_missing_id(instruments, channel, path, most, weight, key):
    keyed = BinanceUsdm(instruments, channel, has_key=True)
    for first, last in ((7, 7), (7, 9), (1, most), (1, most + 1), (1, 10**12)):
        request = keyed.heal_request(HealTrades(0, channel, first, last))
        assert request.path == path
        assert dict(request.query) == {
            "symbol": "BTCUSDT", "fromId": str(first), "limit": str(min(last - first + 1, most)),
        }  # fmt: skip
        assert (request.weight, request.needs_key) == (weight, key)


def test_without_a_key_raw_trades_are_healed_from_the_latest_and_aggregates_by_id(plain_venue):
    request = plain_venue.heal_request(HealTrades(0, "trade", 7, 9))
    assert (request.path, request.weight, request.needs_key) == ("/fapi/v1/trades", 5, False)
    assert dict(request.query) == {"symbol": "BTCUSDT", "limit": "1000"}
    request = plain_venue.heal_request(HealTrades(0, "aggTrade", 7, 9))
    assert dict(request.query)["fromId"] == "7"


def test_what_stands_in_for_sockets_needs_no_key(venue, instruments):
    quote, trades = venue.poll_requests(instruments[1])
    assert (quote.path, quote.weight) == ("/fapi/v1/ticker/bookTicker", 2)
    assert trades.weight == {"/fapi/v1/trades": 5, "/fapi/v1/aggTrades": 20}[trades.path]
    assert not quote.needs_key
    assert not trades.needs_key


def test_past_trades_are_asked_by_time_then_by_id(plain_venue, instruments):
    first = plain_venue.warm_trades_request(instruments[0], start_ns=5_000_000, end_ns=9_999_999)
    assert dict(first.query) == {
        "symbol": "BTCUSDT", "startTime": "5", "endTime": "9", "limit": "1000",
    }  # fmt: skip
    following = plain_venue.next_warm_trades_request(instruments[0], 77)
    assert dict(following.query) == {"symbol": "BTCUSDT", "fromId": "77", "limit": "1000"}
    assert first.source == following.source == "rest:warmTrades:BTCUSDT"
