"""exchangeInfo to instruments, and the ranking by volume."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.core.errors import UserError, VenueMessageError
from poise.venues.binance.instruments import from_catalogue, most_traded, parse_exchange_info

FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    {"filterType": "MIN_NOTIONAL", "notional": "50"},
]


def symbol(name="BTCUSDT", **changes):
    return {
        "symbol": name, "pair": name, "contractType": "PERPETUAL", "status": "TRADING",
        "baseAsset": name[:-4], "quoteAsset": name[-4:], "pricePrecision": 2,
        "quantityPrecision": 3, "underlyingType": "COIN", "filters": FILTERS,
    } | changes  # fmt: skip


def parse(*symbols, quote="USDT"):
    payload = json.dumps({"timezone": "UTC", "symbols": symbols}).encode()
    return parse_exchange_info(payload, quote=quote, now_ns=7)


def with_filters(tick, step):
    return [FILTERS[0] | {"tickSize": tick}, FILTERS[1] | {"stepSize": step}]


def test_scales_are_as_fine_as_tick_and_wire():
    item = parse(symbol())["BTCUSDT"]
    # BTCUSDT trades in ticks of 0.10, and its frames print 61800.20.
    assert (item.price_scale, item.tick) == (2, 10)
    assert (item.qty_scale, item.step) == (3, 1)
    assert (item.id, item.effective_ns) == ("binance.usdm:BTC-USDT-PERP", 7)
    fine = parse(symbol(filters=with_filters("0.0000100", "1"), quantityPrecision=0))["BTCUSDT"]
    assert (fine.price_scale, fine.tick, fine.qty_scale, fine.step) == (5, 1, 0, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"contractType": "CURRENT_QUARTER"},
        {"contractType": "PERPETUAL_DELIVERING"},
        {"underlyingType": "INDEX"},
        {"underlyingType": "EQUITY"},
        {"status": "SETTLING"},
        {"status": "PENDING_TRADING"},
        {"quoteAsset": "USDC"},
    ],
    ids=str,
)
def test_only_trading_perpetuals_of_coins_in_the_quote_are_kept(change):
    kept = parse(symbol("AAAUSDT", **change), symbol("BBBUSDT"))
    assert list(kept) == ["BBBUSDT"]
    assert kept["BBBUSDT"].ix == 0


def test_any_quote_when_none_is_named():
    assert list(parse(symbol("AAAUSDC"), symbol(), quote=None)) == ["AAAUSDC", "BTCUSDT"]


@pytest.mark.parametrize(
    "change",
    [
        {"filters": []},
        {"filters": FILTERS[:1]},
        {"filters": with_filters("", "1")},
        {"filters": with_filters("1e-5", "1")},
        {"filters": with_filters("NaN", "1")},
        {"filters": with_filters("0.1", "-1")},
        {"filters": with_filters("0", "1")},
        {"filters": with_filters("0.1", "0.000")},
        {"filters": with_filters("0." + "0" * 30 + "1", "1")},
        {"pricePrecision": 10**9},
        {"pricePrecision": 19},
        {"filters": None},
        {"pricePrecision": "2"},
    ],
    ids=lambda change: repr(change)[-40:],
)
def test_rules_that_cannot_be_are_refused(change):
    with pytest.raises(VenueMessageError, match="exchangeInfo"):
        parse(symbol(**change))


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b"<html>", b"\xff", b'{"symbols":' * 99_999]
)
def test_what_is_no_exchange_info_is_refused(payload):
    with pytest.raises(VenueMessageError, match="exchangeInfo"):
        parse_exchange_info(payload, quote="USDT", now_ns=0)


def tickers(volumes):
    return json.dumps([{"symbol": key, "quoteVolume": text} for key, text in volumes]).encode()


@settings(max_examples=50)
@given(volumes=st.dictionaries(st.sampled_from("ABCDEF"), st.integers(0, 10**6), min_size=1))
def test_the_most_traded_come_first(volumes):
    known = parse(*(symbol(f"{name}USDT") for name in "ABCDE"))
    payload = tickers((f"{name}USDT", f"{volume}.50") for name, volume in volumes.items())
    ranked = most_traded(payload, known, 3)
    candidates = [name for name in volumes if name != "F"]
    assert len(ranked) == min(3, len(candidates))
    slow = sorted(candidates, key=lambda name: (-volumes[name], name))
    assert ranked == [f"{name}USDT" for name in slow[:3]]


@pytest.mark.parametrize("text", ["x", "", "NaN", "inf", "-1", "1e999"])
def test_a_volume_that_is_no_number_is_refused(text):
    with pytest.raises(VenueMessageError, match="ticker/24hr"):
        most_traded(tickers([("BTCUSDT", text)]), parse(symbol()), 1)
    assert most_traded(tickers([("OTHER", text)]), parse(symbol()), 1) == []


@pytest.mark.parametrize("payload", [b"", b"{}", b'["x"]', b"\xff", b"[" * 200_000])
def test_what_is_no_ranking_is_refused(payload):
    with pytest.raises(VenueMessageError, match="ticker/24hr"):
        most_traded(payload, {}, 1)


def test_the_catalogue_knows_the_recordings_and_says_what_to_do_else():
    item = from_catalogue("BTCUSDT", 4)
    assert (item.ix, item.price_scale, item.qty_scale, item.tick) == (4, 2, 3, 10)
    assert item.scale_source == "catalogue"
    with pytest.raises(UserError, match="--scale DOGEUSDT=PRICE_PLACES,QTY_PLACES"):
        from_catalogue("DOGEUSDT", 0)
