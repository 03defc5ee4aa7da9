"""A small tape by hand: pace, waiting for listeners, what REST says at the present position."""

import msgspec
import pytest

from poise.loopback.config import TapeConfig, TapeEnd, VenueConfig
from poise.loopback.outputs import Close

T0 = 1_700_000_000_000  # venue ms of the first event; local time is 1 s behind it
F = "/fapi/v1/"


def line(ms, stream, **data):
    body = {"stream": stream, "data": data} if stream else data
    return b"%d " % ((T0 - 1000 + ms) * 1_000_000) + msgspec.json.encode(body) + b"\n"


def depth(ms, u, pu, bids=(), asks=()):
    data = {"e": "depthUpdate", "E": T0 + ms, "T": T0 + ms, "s": "AAAUSDT"}
    data |= {"U": pu + 1, "u": u, "pu": pu, "b": bids, "a": asks}
    return line(ms, "aaausdt@depth@0ms", **data)


def trade(ms, number, price, *, maker=False, qty="1.0"):
    data = {"e": "trade", "E": T0 + ms, "T": T0 + ms, "s": "AAAUSDT", "t": number}
    return line(ms, "aaausdt@trade", **data, p=price, q=qty, X="MARKET", m=maker)


def quote(ms, u, bid, ask):
    data = {"e": "bookTicker", "u": u, "s": "AAAUSDT", "b": bid, "B": "1.0", "a": ask, "A": "2.0"}
    return line(ms, "aaausdt@bookTicker", **data, T=T0 + ms, E=T0 + ms)


TAPE = (
    depth(0, 10, 5, [["1.50", "1.0"]]),
    depth(100, 20, 10, [["1.50", "0.0"], ["1.52", "4.0"]]),
    # The snapshot was taken at id 15, inside the diff before it.
    line(
        150,
        "",
        lastUpdateId=15,
        E=T0 + 60,
        T=T0 + 60,
        bids=[["1.52", "3.0"], ["1.50", "9.0"]],
        asks=[["1.56", "1.0"]],
    ),
    quote(160, 20, "1.52", "1.56"),
    trade(200, 7, "1.56"),
    trade(210, 8, "1.56"),
    trade(220, 9, "1.52", maker=True),
    trade(300, 9, "1.52", maker=True),  # repeated by the wire
    trade(310, 9, "0.00", qty="0.0"),  # the zero frame of raw trade streams
    depth(400, 30, 20, [], [["1.54", "2.0"]]),
    trade(61_000, 10, "1.54"),
)


@pytest.fixture
def tape(tmp_path):
    path = tmp_path / "tape"
    path.write_bytes(b"".join(TAPE))

    def config(**changes):
        return VenueConfig(TapeConfig((path,), **changes), keep_truth=True)

    return config


def public(v):
    return v.connect(
        "/public/stream", streams="aaausdt@depth@100ms/aaausdt@trade/aaausdt@bookTicker"
    )


def test_it_waits_for_its_listeners_then_keeps_the_pace(virtual, tape):
    v = virtual(tape(speed=1.0, wait_for=4))
    s = public(v)
    v.run(5)
    assert v.frames(s) == []
    assert v.venue.next_due_ns() > v.now
    v.connect("/market/ws/aaausdt@aggTrade")
    start = v.now
    v.run(1)
    gaps = [(t - start) // 1_000_000 for t in v.times[s]]
    assert gaps == [10, 110, 170, 210, 220, 230, 310, 320, 410]


def test_ten_times_the_pace(virtual, tape):
    v = virtual(tape(speed=10.0))
    s = public(v)
    start = v.now
    v.run(7, step_ms=1)
    assert (v.times[s][-1] - start) // 1_000_000 == pytest.approx(6100, abs=2)
    assert v.venue.market.finished


def test_original_bytes_under_the_name_that_was_asked_for(virtual, tape):
    v = virtual(tape(speed=None, wait_for=2))
    combined = v.connect("/public/stream", streams="aaausdt@depth")
    raw = v.connect("/public/ws/aaausdt@depth@500ms")
    v.run(0.1)
    datas = [text.partition(b" ")[2].strip() for text in TAPE if b"depthUpdate" in text]
    datas = [text.partition(b'"data":')[2][:-1] for text in datas]
    assert v.sent[raw] == datas
    assert v.sent[combined] == [b'{"stream":"aaausdt@depth","data":' + d + b"}" for d in datas]


def test_the_book_before_in_and_after_the_snapshot(virtual, tape):
    v = virtual(tape(speed=1.0, wait_for=1))
    early = v.get(F + "depth", symbol="AAAUSDT", limit=5)[1]
    assert early["lastUpdateId"] == 15  # the in-line snapshot itself, newer than the stream
    assert v.venue.true_book("AAAUSDT") is None
    public(v)
    v.run(0.3)
    _, book, _ = v.get(F + "depth", symbol="AAAUSDT", limit=5)
    assert book == {
        "lastUpdateId": 20,
        "E": T0 + 100,
        "T": T0 + 100,
        "bids": [["1.52", "4.0"]],
        "asks": [["1.56", "1.0"]],
    }
    v.run(0.2)
    _, book, _ = v.get(F + "depth", symbol="AAAUSDT", limit=5)
    assert (book["lastUpdateId"], book["asks"][0]) == (30, ["1.54", "2.0"])
    assert v.venue.true_book("AAAUSDT", 20).asks == ((156, 10),)


def test_trades_and_aggregates_at_the_present_position(virtual, tape):
    v = virtual(tape(speed=1.0))
    public(v)
    s = v.connect("/market/ws/aaausdt@aggTrade")
    assert v.get(F + "aggTrades", symbol="AAAUSDT")[1] == []
    v.run(1)
    key = {"X-MBX-APIKEY": "k"}
    _, rows, _ = v.get(F + "historicalTrades", key, symbol="AAAUSDT", fromId=8)
    assert [(r["id"], r["price"], r["isBuyerMaker"]) for r in rows] == [
        *((8, "1.56", False), (9, "1.52", True))
    ]
    _, aggs, _ = v.get(F + "aggTrades", symbol="AAAUSDT")
    assert [(a["a"], a["f"], a["l"], a["q"]) for a in aggs] == [(1, 7, 8, "2.0")]  # 9 may grow
    v.run(62)
    _, aggs, _ = v.get(F + "aggTrades", symbol="AAAUSDT")
    assert [(a["f"], a["l"]) for a in aggs] == [(7, 8), (9, 9), (10, 10)]
    assert [(a["f"], a["l"]) for a in v.frames(s)] == [(7, 8), (9, 9), (10, 10)]
    _, candles, _ = v.get(F + "klines", symbol="AAAUSDT", interval="1m")
    assert sum(c[8] for c in candles) == 4
    assert v.get(F + "premiumIndex", symbol="AAAUSDT")[1]["markPrice"] == "1.54000000"


def test_venue_time_is_the_tapes(virtual, tape):
    v = virtual(tape(speed=2.0))
    assert v.get(F + "time")[1] == {"serverTime": T0}
    public(v)
    v.run(3)
    assert v.get(F + "time")[1]["serverTime"] == T0 + 2 * (3000 - 10)


def test_what_a_recording_tells_of_its_symbol(virtual, tape):
    _, info, _ = virtual(tape()).get(F + "exchangeInfo")
    (symbol,) = info["symbols"]
    filters = {each["filterType"]: each for each in symbol["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.02"  # all that three prices can tell
    assert (symbol["pricePrecision"], symbol["baseAsset"]) == (2, "AAA")


@pytest.mark.parametrize(("end", "ends"), [(TapeEnd.HOLD, 0), (TapeEnd.CLOSE, 1)])
def test_the_end_holds_or_closes(virtual, tape, end, ends):
    v = virtual(tape(speed=None, on_end=end))
    s = public(v)
    v.run(1)
    assert v.venue.market.finished
    assert v.ends(s) == [Close(1001, "the tape has ended")][:ends]
    assert len(v.frames(s)) == len(TAPE) - 1


def test_a_number_finer_than_its_symbol_is_an_error_and_the_tape_goes_on(virtual, tmp_path):
    path = tmp_path / "fine"
    path.write_bytes(b"".join(TAPE[:5]) + trade(205, 8, "1.5678") + b"".join(TAPE[5:]))
    v = virtual(VenueConfig(TapeConfig((path,), speed=None)))
    public(v)
    v.run(1)
    (error,) = v.venue.recording_errors
    assert (error.line, error.kept) == (6, 5)
    assert "more than 2 decimals" in str(error)
    assert [t.id for t in v.venue.true_trades("AAAUSDT")] == [7, 8, 9, 10]
