"""Socket frames: the documentation's examples by hand, and everything that is not one of them.

Examples: "USD-M Futures > Websocket Market Streams", developers.binance.com, read August 2026
(times moved into this century's milliseconds where the page prints 123456789).
"""

import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.core.errors import VenueMessageError
from poise.core.events import BUY, SELL, DepthDiff, MarkPrice, Quote, Trade
from poise.venues.binance.parse import Parser

RECV = 1_723_161_255_030_314_667
MS = 1_000_000

AGG_TRADE = {
    "e": "aggTrade", "E": 1626992741037, "a": 5933014, "s": "BTCUSDT", "p": "0.001", "q": "100",
    "nq": "100", "f": 100, "l": 105, "T": 1626992741035, "m": True, "st": 1,
}  # fmt: skip
TRADE = {
    "e": "trade", "E": 1626992741037, "s": "BTCUSDT", "t": 5933014, "p": "0.001", "q": "100",
    "T": 1626992741035, "m": True,
}  # fmt: skip
BOOK_TICKER = {
    "e": "bookTicker", "u": 400900217, "E": 1568014460893, "T": 1568014460891, "s": "BNBUSDT",
    "b": "25.35190000", "B": "31.21", "a": "25.36520000", "A": "40.66", "st": 1, "ps": "BNBUSDT",
}  # fmt: skip
DEPTH = {
    "e": "depthUpdate", "E": 1626992741037, "T": 1626992741024, "s": "SUSHIUSDT",
    "U": 600859599090, "u": 600859600917, "pu": 600859598061,
    "b": [["7.5040", "813"], ["7.6090", "0"]], "a": [["7.6150", "1563"]],
}  # fmt: skip
MARK = {
    "e": "markPriceUpdate", "E": 1562305380000, "s": "BTCUSDT", "p": "11794.15000000",
    "i": "11784.62659091", "P": "11784.25641265", "r": "0.00038167", "T": 1562306400000, "st": 1,
}  # fmt: skip
EXAMPLES = [AGG_TRADE, TRADE, BOOK_TICKER, DEPTH, MARK]
IGNORED = {"E", "nq", "st", "ps", "P"}
"""Fields of the examples that we do not read (markPriceUpdate: we do read its E)."""


def frame(data):
    return json.dumps({"stream": "x@y", "data": data}, separators=(",", ":")).encode()


def fields_read(example):
    return [key for key in example if key not in IGNORED or (example is MARK and key == "E")]


READ_FIELDS = [(example, key) for example in EXAMPLES for key in fields_read(example)]


def test_aggregate_trade(parser):
    assert parser.frame(frame(AGG_TRADE), RECV) == (
        Trade(0, 5933014, 1, 100_000, SELL, 1626992741035 * MS, RECV, 100, 105),
    )


def test_trade_and_who_was_the_aggressor(parser):
    assert parser.frame(frame(TRADE), RECV) == (
        Trade(0, 5933014, 1, 100_000, SELL, 1626992741035 * MS, RECV, 5933014, 5933014),
    )
    (bought,) = parser.frame(frame(TRADE | {"m": False}), RECV)
    assert bought.aggressor_side == BUY


def test_book_ticker(parser):
    assert parser.frame(frame(BOOK_TICKER), RECV) == (
        Quote(
            1, 400900217, 2535190000, 3121, 2536520000, 4066, 1568014460891 * MS, RECV
        ),
    )  # fmt: skip


def test_depth_update(parser):
    (diff,) = parser.frame(frame(DEPTH), RECV)
    assert isinstance(diff, DepthDiff)
    assert (diff.instrument, diff.first_id, diff.last_id, diff.prev_id) == (
        2, 600859599090, 600859600917, 600859598061,
    )  # fmt: skip
    assert diff.bids.tolist() == [[75040, 813], [76090, 0]]
    assert diff.asks.tolist() == [[76150, 1563]]
    assert (diff.venue_ns, diff.recv_ns) == (1626992741024 * MS, RECV)


def test_two_frames_do_not_share_level_arrays(parser):
    (first,) = parser.frame(frame(DEPTH), RECV)
    parser.frame(frame(DEPTH | {"b": [["1.0000", "1"]]}), RECV)
    assert first.bids.tolist() == [[75040, 813], [76090, 0]]
    assert first.bids.dtype == np.int64


def test_mark_price_has_its_own_scale(parser):
    assert parser.frame(frame(MARK), RECV) == (
        MarkPrice(
            0, 1179415000000, 1178462659091, 38167, 1562306400000 * MS, 1562305380000 * MS, RECV
        ),
    )
    (negative,) = parser.frame(frame(MARK | {"r": "-0.00010000"}), RECV)
    assert negative.funding_rate == -10_000


@pytest.mark.parametrize("order", [1, -1])
def test_fields_may_come_in_any_order_with_new_ones_between(parser, order):
    for example in EXAMPLES:
        turned = {"new": {"deep": [1, {"x": None}]}} | dict(list(example.items())[::order])
        (event,) = parser.frame(frame(turned), RECV)
        (expected,) = parser.frame(frame(example), RECV)
        assert repr(event) == repr(expected)


@pytest.mark.parametrize("payload", [b'{"result":null,"id":1}', b'{"id":"a","result":["x@trade"]}'])
def test_acknowledgements_have_no_event(parser, payload):
    assert parser.frame(payload, RECV) == ()


def test_a_refused_subscription_is_told(parser):
    payload = b'{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":7}'
    with pytest.raises(VenueMessageError, match="refused a request: 2 Invalid request"):
        parser.frame(payload, RECV)


def test_placeholder_trade_of_zero_price_and_size_is_passed_on(parser):
    (event,) = parser.frame(frame(TRADE | {"p": "0", "q": "0"}), RECV)
    assert (event.price, event.qty, event.trade_id) == (0, 0, 5933014)
    for half in ({"p": "0"}, {"q": "0"}):
        with pytest.raises(VenueMessageError, match="trade 5933014"):
            parser.frame(frame(TRADE | half), RECV)


@pytest.mark.parametrize(("example", "field"), READ_FIELDS)
def test_a_missing_field_is_refused(parser, example, field):
    with pytest.raises(VenueMessageError):
        parser.frame(frame({key: value for key, value in example.items() if key != field}), RECV)


WRONG = [None, True, [], {}, 1.5, -1, 2**63, 10**30, "", "x", "NaN", "1e5", "-1.00", " 1", "1_0",
         [["1"]], [["1", "2", "3"]], [["1", 2]], [[1, "2"]], [["0", "1"]], [["-1", "1"]],
         [["1", "-1"]], [["1e1", "1"]], ["1", "2"], [[]], "[]"]  # fmt: skip


@pytest.mark.parametrize(("example", "field"), READ_FIELDS)
def test_a_field_of_another_type_is_refused(parser, example, field):
    # An empty funding rate is how the venue writes "none"; it may also be negative.
    right = {"m": [True], "r": ["", "-1.00"]}.get(field, [])
    right += [[]] if example is DEPTH and field in "ab" else []
    for value in WRONG:
        payload = frame(example | {field: value})
        if any(value is item or value == item for item in right):
            assert len(parser.frame(payload, RECV)) == 1
        else:
            with pytest.raises(VenueMessageError):
                parser.frame(payload, RECV)


BAD_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e400", "1e-5", "-1.00", "0", "0.00", "", ".",
               "1.", ".5", "0x10", "1_000", "1,5", "9" * 19, "9" * 100_000, "\u0661"]  # fmt: skip
PRICES = [(AGG_TRADE, "p"), (BOOK_TICKER, "b"), (BOOK_TICKER, "a"), (MARK, "p"), (MARK, "i")]


@pytest.mark.parametrize("number", BAD_NUMBERS, ids=lambda text: text[:8] or "empty")
def test_no_bad_number_passes_for_a_price(parser, number):
    for example, field in PRICES:
        with pytest.raises(VenueMessageError):
            parser.frame(frame(example | {field: number}), RECV)
    if number not in {"0", "0.00"}:
        with pytest.raises(VenueMessageError):
            parser.frame(frame(TRADE | {"p": number}), RECV)
        for side in "ab":
            with pytest.raises(VenueMessageError):
                parser.frame(frame(DEPTH | {side: [["7.5040", number]]}), RECV)
    for side in "ab":
        with pytest.raises(VenueMessageError):
            parser.frame(frame(DEPTH | {side: [[number, "1"]]}), RECV)


@pytest.mark.parametrize("text", ["", "NaN", "0"])
def test_what_earlier_frames_said_makes_no_bad_number_good(instruments, text):
    """The parser compares a text with the one before; before the first frame there is none."""
    for warm in (False, True):
        for example, field in PRICES:
            fresh = Parser({item.symbol: item for item in instruments})
            if warm:
                fresh.frame(frame(example), RECV)
            for _ in range(2):
                with pytest.raises(VenueMessageError):
                    fresh.frame(frame(example | {field: text}), RECV)
            if warm:
                assert repr(fresh.frame(frame(example), RECV)) == repr(
                    Parser({item.symbol: item for item in instruments}).frame(frame(example), RECV)
                )
    fresh = Parser({item.symbol: item for item in instruments})
    with pytest.raises(VenueMessageError):
        fresh.frame(frame(TRADE | {"p": text, "q": "" if text == "0" else "0"}), RECV)


@settings(max_examples=100)
@given(data=st.data())
def test_a_frame_means_the_same_whatever_came_before(data, instruments):
    known = Parser({item.symbol: item for item in instruments})
    texts = st.sampled_from(["25.35", "25.35190000", "0", "1", "", "25.3519", "NaN", "7"])
    for _ in range(data.draw(st.integers(1, 12))):
        example = data.draw(st.sampled_from([BOOK_TICKER, TRADE]))
        fields = "bBaA" if example is BOOK_TICKER else "pq"
        changed = (
            example
            | {field: data.draw(texts) for field in data.draw(st.sets(st.sampled_from(fields)))}
            | {"s": data.draw(st.sampled_from(["BNBUSDT", "BTCUSDT"]))}
        )
        results = []
        for parser in (known, Parser({item.symbol: item for item in instruments})):
            try:
                results.append(parser.frame(frame(changed), RECV))
            except VenueMessageError as error:
                results.append(str(error))
        assert results[0] == results[1]


def test_a_whole_quantity_may_not_end_in_a_dot(parser, instruments):
    # SUSHIUSDT has no decimal places: the short way of parsing once took the dot for one.
    ticker = BOOK_TICKER | {"s": "SUSHIUSDT", "b": "7.5040", "a": "7.6150"}
    (event,) = parser.frame(frame(ticker | {"B": "12", "A": "3"}), RECV)
    assert (event.bid_qty, event.ask_qty) == (12, 3)
    with pytest.raises(VenueMessageError, match="not a plain decimal"):
        parser.frame(frame(ticker | {"B": "12.", "A": "3"}), RECV)


def test_numbers_without_places_on_the_wire_are_read_too(parser):
    (event,) = parser.frame(frame(BOOK_TICKER | {"b": "25", "B": "31.2", "A": "4"}), RECV)
    assert (event.bid, event.bid_qty, event.ask_qty) == (2_500_000_000, 3120, 400)


@pytest.mark.parametrize("ms", [0, -1, 10**12 - 1, 10**13, 1_626_992_741, 1626992741035 * 1000])
def test_a_time_that_is_not_in_milliseconds_is_refused(parser, ms):
    for example in EXAMPLES:
        with pytest.raises(VenueMessageError, match="not a millisecond time"):
            parser.frame(frame(example | {"T": ms}), RECV)


def test_ids_that_run_backwards_are_refused(parser):
    with pytest.raises(VenueMessageError, match="run backwards"):
        parser.frame(frame(DEPTH | {"u": DEPTH["U"] - 1}), RECV)
    with pytest.raises(VenueMessageError, match=r"raw ids 106\.\.105"):
        parser.frame(frame(AGG_TRADE | {"f": 106}), RECV)


def test_other_symbols_and_other_streams_are_refused(parser):
    for example in EXAMPLES:
        with pytest.raises(VenueMessageError, match="unknown symbol 'DOGEUSDT'"):
            parser.frame(frame(example | {"s": "DOGEUSDT"}), RECV)
        for kind in ("kline", "", "Trade", 1, None):
            with pytest.raises(VenueMessageError):
                parser.frame(frame(example | {"e": kind}), RECV)


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"null", b"17", b"[]", b'"x"', b"{}", b'{"id":null}', b'{"stream":"a@trade"}',
        b'{"stream":17,"data":null}', b'{"stream":"x","data":[]}', b'{"stream":"x","data":{}}',
        b"[" * 5_000, b'{"data":' * 5_000, b'{"id":1,"x":' + b"[" * 200_000,
        b'{"stream":"x","data":{"e":"depthUpdate","b":' + b"[" * 200_000, b"\x00 not json",
        b"\xff\xfe", b'{"id":"\xed\xa0\x80"}', b'{"id":"\\ud800"}', b"<html>502</html>",
        b'{"id":1}{"id":2}', b'{"id":1}x',
    ],
    ids=lambda payload: repr(payload[:24]),
)  # fmt: skip
def test_what_is_no_frame_is_refused(parser, payload):
    with pytest.raises(VenueMessageError):
        parser.frame(payload, RECV)


def test_a_huge_frame_is_refused(parser):
    levels = [["7.5040", "1"]] * 5_000
    assert parser.frame(frame(DEPTH | {"b": levels}), RECV)[0].bids.shape == (5_000, 2)
    with pytest.raises(VenueMessageError, match="more than 5000 levels"):
        parser.frame(frame(DEPTH | {"b": levels + levels[:1]}), RECV)
    with pytest.raises(VenueMessageError):
        parser.frame(frame(TRADE | {"p": "9" * 5_000_000}), RECV)


@settings(max_examples=400)
@given(data=st.data())
def test_damaged_frames_give_events_or_the_one_error(data, parser):
    payload = bytearray(frame(data.draw(st.sampled_from(EXAMPLES))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "drop", "double"])):
            case "flip":
                payload[at] ^= data.draw(st.integers(1, 255))
            case "cut":
                del payload[max(at, 1) :]
            case "drop":
                del payload[at]
            case "double":
                payload[at:at] = payload[at : at + 40]
        if not payload:
            break
    check_whole(parser, bytes(payload))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@settings(max_examples=300)
@given(example=st.sampled_from(EXAMPLES), changes=st.data())
def test_any_json_in_any_field_gives_events_or_the_one_error(example, changes, parser):
    data = copy.deepcopy(example)
    for field in changes.draw(st.sets(st.sampled_from(sorted(data)), min_size=1, max_size=3)):
        data[field] = changes.draw(JSON)
    check_whole(parser, frame(data))


@settings(max_examples=200)
@given(payload=st.binary(max_size=200))
def test_any_bytes_give_events_or_the_one_error(payload, parser):
    check_whole(parser, payload)


def check_whole(parser, payload):
    """Refused, or an event in which every number is in the range that the state relies on."""
    try:
        events = parser.frame(payload, RECV)
    except VenueMessageError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        refusal.encode()  # the journal stores it
        return
    for event in events:
        assert 10**18 <= event.venue_ns < 10**19
        if isinstance(event, Trade):
            numbers = [event.price, event.qty, event.trade_id, event.first_raw_id]
            assert (event.price == 0) == (event.qty == 0)
            assert event.first_raw_id <= event.last_raw_id
        elif isinstance(event, Quote):
            numbers = [event.bid, event.ask, event.bid_qty, event.ask_qty, event.update_id]
            assert min(event.bid, event.ask) > 0
        elif isinstance(event, DepthDiff):
            levels = np.concatenate((event.bids, event.asks))
            assert (levels[:, 0] > 0).all()
            assert (levels[:, 1] >= 0).all()
            assert (levels < 10**18).all()
            numbers = [event.first_id, event.last_id, event.prev_id]
            assert event.first_id <= event.last_id
        else:
            numbers = [event.mark, event.index]
            assert min(numbers) > 0
        assert all(0 <= number < 2**63 for number in numbers)
