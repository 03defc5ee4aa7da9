"""REST without a socket: fields, limits, weights, errors, bans."""

from itertools import pairwise

import pytest

from poise.loopback.config import Limits, VenueConfig

KEY = {"x-mbx-apikey": "any"}
F = "/fapi/v1/"
HOUR = 3_600_000


@pytest.fixture
def v(virtual, small):
    v = virtual(VenueConfig(small))
    v.run(20, step_ms=100)
    return v


def weight(v, path, headers=None, **query):
    before = int(v.get(F + "ping")[2]["X-MBX-USED-WEIGHT-1M"])
    status, _, after = v.get(F + path, headers, **query)
    assert status == 200
    return int(after["X-MBX-USED-WEIGHT-1M"]) - before


def test_weights(v):
    s = {"symbol": "ARDENUSDT"}
    assert [weight(v, "depth", **s, limit=n) for n in (5, 50, 100, 500, 1000)] == [2, 2, 5, 10, 20]
    assert [weight(v, "klines", **s, interval="1m", limit=n) for n in (99, 499, 1000, 1500)] == [
        *(1, 2, 5, 10)
    ]
    assert weight(v, "aggTrades", **s) == 20
    assert weight(v, "historicalTrades", KEY, **s) == 200
    assert weight(v, "trades", **s) == 5
    assert weight(v, "exchangeInfo") == weight(v, "time") == 1
    assert (weight(v, "premiumIndex", **s), weight(v, "premiumIndex")) == (1, 10)
    assert (weight(v, "ticker/24hr", **s), weight(v, "ticker/24hr")) == (1, 40)
    assert (weight(v, "ticker/bookTicker", **s), weight(v, "ticker/bookTicker")) == (2, 5)


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("depth", {}, 400, -1102),
        ("depth", {"symbol": "NOSUCH"}, 400, -1121),
        ("depth", {"symbol": "ardenusdt"}, 400, -1121),
        ("depth", {"symbol": "ARDENUSDT", "limit": "7"}, 400, -4021),
        ("depth", {"symbol": "ARDENUSDT", "limit": "x"}, 400, -1102),
        ("klines", {"symbol": "ARDENUSDT", "interval": "1s"}, 400, -1120),
        ("klines", {"symbol": "ARDENUSDT", "interval": "1m", "limit": "0"}, 400, -1102),
        ("aggTrades", {"symbol": "ARDENUSDT", "fromId": "1", "startTime": "1"}, 400, -1128),
        ("aggTrades", {"symbol": "ARDENUSDT", "startTime": "0", "endTime": str(HOUR)}, 400, -1127),
        ("historicalTrades", {"symbol": "ARDENUSDT"}, 401, -2014),
        ("nothing", {}, 404, -5000),
    ],
)
def test_errors(v, path, query, status, code):
    got, body, _ = v.get(F + path, **query)
    assert (got, body["code"]) == (status, code)


def test_429_then_418_then_forgiven(virtual, small):
    limits = Limits(weight_per_minute=50, refusals_before_ban=3)
    v = virtual(VenueConfig(small, limits))
    statuses = [v.get(F + "depth", symbol="ARDENUSDT", limit=1000)[0] for _ in range(8)]
    assert statuses == [200, 200, 429, 429, 429, 418, 418, 418]
    _, body, headers = v.get(F + "time")
    assert body["code"] == -1003
    assert "banned until" in body["msg"]
    assert 115 <= int(headers["Retry-After"]) <= 120
    v.run(121, step_ms=1000)
    assert v.get(F + "time")[0] == 200


def test_retry_after_can_be_left_out(virtual, small):
    v = virtual(VenueConfig(small, Limits(weight_per_minute=1, retry_after=False)))
    v.get(F + "time")
    status, _, headers = v.get(F + "time")
    assert status == 429
    assert "Retry-After" not in headers


def test_exchange_info_has_what_the_universe_asks_for(v):
    _, info, _ = v.get(F + "exchangeInfo")
    for symbol in info["symbols"]:
        assert (symbol["contractType"], symbol["underlyingType"], symbol["status"]) == (
            *("PERPETUAL", "COIN", "TRADING"),
        )
        assert symbol["deliveryDate"] == 4_133_404_800_000
        assert symbol["onboardDate"] < v.now // 1_000_000 - 3 * 24 * HOUR
        filters = {each["filterType"]: each for each in symbol["filters"]}
        assert {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MIN_NOTIONAL"} < set(filters)
        decimals = len(filters["PRICE_FILTER"]["tickSize"].partition(".")[2])
        assert decimals == symbol["pricePrecision"]


def test_trades_by_id_join_and_aggregates_cover_them(v):
    s = {"symbol": "BELMOUSDT"}
    _, latest, _ = v.get(F + "historicalTrades", KEY, **s, limit=500)
    ids = [t["id"] for t in latest]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    _, again, _ = v.get(F + "historicalTrades", KEY, **s, fromId=ids[10], limit=5)
    assert again == latest[10:15]
    _, aggs, _ = v.get(F + "aggTrades", **s, limit=1000)
    for left, right in pairwise(aggs):
        assert right["a"] == left["a"] + 1
        assert right["f"] == left["l"] + 1
    _, page, _ = v.get(F + "aggTrades", **s, fromId=aggs[7]["a"], limit=3)
    assert page == aggs[7:10]
    window = {"startTime": aggs[3]["T"], "endTime": aggs[9]["T"]}
    _, timed, _ = v.get(F + "aggTrades", **s, **window)
    assert timed == [a for a in aggs if window["startTime"] <= a["T"] <= window["endTime"]]


def test_funding_comes_every_eight_hours_and_is_the_same_each_time(v):
    _, rows, _ = v.get(F + "fundingRate", symbol="ARDENUSDT", limit=5)
    assert [r["fundingTime"] % (8 * HOUR) for r in rows] == [0] * 5
    _, again, _ = v.get(
        F + "fundingRate", symbol="ARDENUSDT", startTime=rows[2]["fundingTime"], limit=2
    )
    assert again == rows[2:4]
    _, index, _ = v.get(F + "premiumIndex", symbol="ARDENUSDT")
    assert index["nextFundingTime"] == rows[-1]["fundingTime"] + 8 * HOUR


def test_time_and_day_ticker(v):
    assert v.get(F + "time")[1] == {"serverTime": v.now // 1_000_000}
    _, all_days, _ = v.get(F + "ticker/24hr")
    assert len(all_days) == 4
    for day in all_days:
        assert float(day["quoteVolume"]) > 5e6
        assert float(day["lowPrice"]) <= float(day["lastPrice"]) <= float(day["highPrice"])
