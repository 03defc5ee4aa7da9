"""REST answers: the documentation's examples, refusals, and what a failure is called.

Examples: "USD-M Futures > Market Data Endpoints", developers.binance.com, read August 2026.
"""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.core.errors import TransientError, VenueMessageError, VenueRejected
from poise.core.events import BUY, SELL, HistoryBar, Quote, Trade

RECV = 1_723_161_255_030_314_667
MS = 1_000_000
T = 1589436922972

DEPTH = {"lastUpdateId": 1027024, "E": T, "T": T, "bids": [["4.000", "431.00"]],
         "asks": [["4.200", "12.00"], ["4.300", "0.50"]]}  # fmt: skip
AGG = [{"a": 26129, "p": "0.016", "q": "4.705", "nq": "4.7", "f": 27781, "l": 27782, "T": T,
        "m": True}]  # fmt: skip
TRADES = [{"id": 28457, "price": "4.001", "qty": "12.000", "quoteQty": "48.00", "time": T,
           "isBuyerMaker": False}]  # fmt: skip
TICKER = {"lastUpdateId": 1027024, "symbol": "BTCUSDT", "bidPrice": "4.000", "bidQty": "431.000",
          "askPrice": "4.200", "askQty": "9.000", "time": T}  # fmt: skip
KLINES = [[1499040000000, "0.016", "0.800", "0.015", "0.015", "148976.114", 1499644799999,
           "2434.19055334", 308, "1756.87402397", "28.46694368", "17928899.62484339"]]  # fmt: skip
ANSWERS = {
    "rest:depth:BTCUSDT": DEPTH,
    "rest:aggTrades:BTCUSDT": AGG,
    "rest:warmTrades:BTCUSDT": AGG,
    "rest:trades:BTCUSDT": TRADES,
    "rest:historicalTrades:BTCUSDT": TRADES,
    "rest:bookTicker:BTCUSDT": TICKER,
    "rest:klines:BTCUSDT:1m": KLINES,
}
AGG_TRADE = Trade(0, 26129, 16, 4705, SELL, T * MS, RECV, 27781, 27782)
TRADE = Trade(0, 28457, 4001, 12_000, BUY, T * MS, RECV, 28457, 28457)


def decode(venue, source):
    (event,) = venue.decode_answer(source, json.dumps(ANSWERS[source]).encode(), RECV)
    return event


def test_depth(plain_venue):
    event = decode(plain_venue, "rest:depth:BTCUSDT")
    assert (event.instrument, event.last_id, event.venue_ns) == (0, 1027024, T * MS)
    assert event.bids.tolist() == [[4000, 431_000]]
    assert event.asks.tolist() == [[4200, 12_000], [4300, 500]]


def test_depth_without_a_time_carries_ours(plain_venue):
    payload = b'{"lastUpdateId":1,"bids":[],"asks":[]}'
    (event,) = plain_venue.decode_answer("rest:depth:BTCUSDT", payload, RECV)
    assert (event.venue_ns, event.recv_ns) == (RECV, RECV)


def test_trades_heal_their_own_channel(plain_venue):
    event = decode(plain_venue, "rest:aggTrades:BTCUSDT")
    assert (event.channel, event.trades) == ("aggTrade", (AGG_TRADE,))
    for endpoint in ("trades", "historicalTrades"):
        event = decode(plain_venue, f"rest:{endpoint}:BTCUSDT")
        assert (event.channel, event.trades) == ("trade", (TRADE,))


@pytest.mark.parametrize(("rows", "complete"), [(0, True), (999, True), (1_000, False)])
def test_a_full_page_of_past_trades_may_have_more_behind_it(plain_venue, rows, complete):
    payload = json.dumps(AGG * rows).encode()
    (event,) = plain_venue.decode_answer("rest:warmTrades:BTCUSDT", payload, RECV)
    assert event.trades == (AGG_TRADE,) * rows
    assert event.complete is complete


def test_quote(plain_venue):
    assert decode(plain_venue, "rest:bookTicker:BTCUSDT") == Quote(
        0, 1027024, 4000, 431_000, 4200, 9000, T * MS, RECV
    )


def test_klines(plain_venue):
    event = decode(plain_venue, "rest:klines:BTCUSDT:1m")
    assert event.timeframe == "1m"
    assert event.bars == (
        HistoryBar(1499040000000 * MS, 16, 800, 15, 15, 148_976_114, 308),
    )  # fmt: skip


@pytest.mark.parametrize(
    "source",
    ["", "x", "rest", "rest:", "rest:depth", "rest:depth:", "rest:depth:DOGEUSDT",
     "rest:klines:BTCUSDT", "rest:klines:BTCUSDT:", "rest:klines:BTCUSDT:7x",
     "rest:klines:BTCUSDT:1M", "rest:time:", "rest:exchangeInfo:", "rest:nothing:BTCUSDT"],
)  # fmt: skip
def test_a_source_that_nothing_reads_is_refused(plain_venue, source):
    with pytest.raises(VenueMessageError):
        plain_venue.decode_answer(source, b"{}", RECV)


@pytest.mark.parametrize("source", ANSWERS)
@pytest.mark.parametrize(
    "payload",
    [b"", b"null", b"17", b'""', b"{}", b"[{}]", b"[[]]", b"[null]", b"<html>502</html>",
     b'{"code":-1121,"msg":"Invalid symbol."}', b"\xff", b"[" * 200_000, b'{"x":' * 200_000],
    ids=lambda payload: repr(payload[:16]),
)  # fmt: skip
def test_what_is_no_answer_is_refused(plain_venue, source, payload):
    with pytest.raises(VenueMessageError):
        plain_venue.decode_answer(source, payload, RECV)


def fields(value):
    return list(value) if isinstance(value, dict) else list(range(9))


@pytest.mark.parametrize("source", ANSWERS)
def test_every_field_that_is_read_must_be_right(plain_venue, source):
    ignored = {"E", "nq", "quoteQty", "symbol", "lastUpdateId", "T", 6, 7}
    row = ANSWERS[source] if isinstance(ANSWERS[source], dict) else ANSWERS[source][0]
    for field in fields(row):
        if field in ignored and not (field == "T" and "a" in row):
            continue
        for wrong in (None, {}, -1, 1.5, "NaN", "-1", "1e400", 2**64):
            changed = row.copy()
            changed[field] = wrong
            payload = json.dumps(changed if row is ANSWERS[source] else [row, changed]).encode()
            with pytest.raises(VenueMessageError):
                plain_venue.decode_answer(source, payload, RECV)


@settings(max_examples=300)
@given(source=st.sampled_from(sorted(ANSWERS)), data=st.data())
def test_damaged_answers_give_events_or_the_one_error(source, data, plain_venue):
    payload = bytearray(json.dumps(ANSWERS[source]).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at : at + data.draw(st.integers(0, 1))] = data.draw(st.binary(max_size=2))
        if not payload:
            break
    try:
        (event,) = plain_venue.decode_answer(source, bytes(payload), RECV)
    except VenueMessageError:
        return
    assert event.instrument == 0


HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"


@pytest.mark.parametrize(
    ("status", "payload", "kind", "words"),
    [
        (502, HTML, TransientError, "HTTP 502: 0 <html>"),
        (500, b"", TransientError, "HTTP 500"),
        (503, b'{"code":-1008,"msg":"Request throttled."}', TransientError, "-1008 Request thr"),
        (429, b'{"code":-1003,"msg":"Too many requests."}', TransientError, "HTTP 429: -1003"),
        (418, b'{"code":-1003,"msg":"banned until 1"}', TransientError, "banned until 1"),
        (403, HTML, TransientError, "HTTP 403"),
        (400, b'{"code":-1121,"msg":"Invalid symbol."}', VenueRejected, "-1121 Invalid symbol."),
        (401, b'{"code":-2014,"msg":"API-key format invalid."}', VenueRejected, "-2014"),
        (404, HTML, VenueRejected, "HTTP 404"),
        (400, b"\xff\xfe", VenueRejected, "HTTP 400: 0"),
        (500, b'{"code":"x"}', TransientError, "HTTP 500"),
        (400, b"[" * 200_000, VenueRejected, "HTTP 400"),
        (502, b'{"a":' * 200_000, TransientError, "HTTP 502"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_failures_by_who_must_react(plain_venue, status, payload, kind, words):
    error = plain_venue.failure(status, payload)
    assert type(error) is kind
    assert words in str(error)
    assert len(str(error)) < 300
    if kind is VenueRejected:
        assert error.status == status


def test_rejections_carry_the_venue_s_code(plain_venue):
    error = plain_venue.failure(400, b'{"code":-1121,"msg":"Invalid symbol."}')
    assert (error.code, error.status) == (-1121, 400)


def test_server_time(plain_venue):
    assert plain_venue.server_time_ns(b'{"serverTime":1499827319559}') == 1499827319559 * MS
    for payload in (b"{}", b"", HTML, b'{"serverTime":"1"}', b"[" * 200_000, b"\xff"):
        with pytest.raises(VenueMessageError):
            plain_venue.server_time_ns(payload)
