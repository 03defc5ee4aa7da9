"""The generated market keeps every invariant a connector checks, and is the same each time."""

from collections import defaultdict
from itertools import pairwise

import pytest

from poise.loopback.config import GeneratedConfig, VenueConfig

F = "/fapi/v1/"
KEY = {"X-MBX-APIKEY": "k"}
MINUTE = 60_000


def listen(v, *kinds, route="public"):
    symbols = [spec.stream for spec in v.venue.market.specs.values()]
    names = [f"{symbol}@{kind}" for symbol in symbols for kind in kinds]
    return v.connect(f"/{route}/stream", streams="/".join(names))


def by_stream(v, session):
    found = defaultdict(list)
    for frame in v.frames(session):
        found[frame["stream"]].append(frame["data"])
    return found


def test_depth_rebuilt_from_a_snapshot_equals_every_book_ticker_it_meets(
    virtual, small, naive_book
):
    v = virtual(VenueConfig(small, keep_truth=True))
    s = listen(v, "depth@100ms", "bookTicker")
    v.run(3.003)
    snapshots = {x: v.get(F + "depth", symbol=x, limit=1000)[1] for x in v.venue.market.specs}
    v.run(20)
    frames = by_stream(v, s)
    for symbol, snapshot in snapshots.items():
        book = naive_book(snapshot)
        tickers = {t["u"]: t for t in frames[f"{symbol.lower()}@bookTicker"]}
        met = 0
        for event in frames[f"{symbol.lower()}@depth@100ms"]:
            book.apply(event)
            if book.last in tickers:
                t = tickers[book.last]
                met += 1
                assert book.best() == (t["b"], t["B"], t["a"], t["A"])
            if book.last:
                spec = v.venue.market.specs[symbol]
                truth = v.venue.true_book(symbol, book.last)
                assert truth.last_update_id == book.last
                assert sorted(book.bids, key=float) == [
                    spec.price(p) for p, _ in reversed(truth.bids)
                ]
        assert met > 30
        spread = [(float(t["a"]) - float(t["b"])) for t in tickers.values()]
        assert min(spread) > 0


def test_some_snapshots_fall_inside_a_diff(virtual, small):
    v = virtual(VenueConfig(small))
    s = listen(v, "depth@100ms")
    ids = []
    for _ in range(40):
        v.run(0.107, step_ms=1)
        ids.append(v.get(F + "depth", symbol="ARDENUSDT", limit=5)[1]["lastUpdateId"])
    events = by_stream(v, s)["ardenusdt@depth@100ms"]
    assert sum(any(e["U"] <= i < e["u"] for e in events) for i in ids) > 3


@pytest.mark.parametrize("speed", ["depth", "depth@100ms", "depth@500ms"])
def test_each_speed_is_an_unbroken_chain(virtual, small, naive_book, speed):
    v = virtual(VenueConfig(small))
    s = listen(v, speed)
    v.run(2)
    snapshot = v.get(F + "depth", symbol="BELMOUSDT", limit=1000)[1]
    v.run(10)
    events = by_stream(v, s)[f"belmousdt@{speed}"]
    book = naive_book(snapshot)
    for event in events:
        book.apply(event)
        assert event["U"] <= event["u"]
    gap = {"depth": 250, "depth@100ms": 100, "depth@500ms": 500}[speed]
    assert all((b["E"] - a["E"]) % gap == 0 for a, b in pairwise(events))


def test_trades_stand_at_the_quote_and_aggregates_cover_them(virtual, small):
    v = virtual(VenueConfig(GeneratedConfig(3, 2, activity=5.0)))
    public = listen(v, "trade", "bookTicker")
    market = listen(v, "aggTrade", route="market")
    v.run(30)
    frames = by_stream(v, public) | by_stream(v, market)
    for symbol in ("ardenusdt", "belmousdt"):
        trades = frames[f"{symbol}@trade"]
        assert len(trades) > 60
        assert [t["t"] for t in trades] == list(range(trades[0]["t"], trades[-1]["t"] + 1))
        aggs = frames[f"{symbol}@aggTrade"]
        assert [a["a"] for a in aggs] == list(range(aggs[0]["a"], aggs[-1]["a"] + 1))
        assert all(b["f"] == a["l"] + 1 for a, b in pairwise(aggs))
        assert any(a["l"] > a["f"] for a in aggs)
        by_id = {t["t"]: t for t in trades}
        for agg in aggs:
            own = [by_id[i] for i in range(agg["f"], agg["l"] + 1)]
            assert {t["p"] for t in own} == {agg["p"]}
            assert {t["m"] for t in own} == {agg["m"]}
            assert sum(float(t["q"]) for t in own) == pytest.approx(float(agg["q"]))
    quote = {}
    for frame in v.frames(public):
        data = frame["data"]
        if data["e"] == "bookTicker":
            quote[data["s"]] = data
        elif data["s"] in quote:
            q = quote[data["s"]]
            assert data["p"] == (q["b"] if data["m"] else q["a"])


def test_same_seed_same_bytes_whoever_listens_and_however_it_is_driven(virtual, small):
    first = virtual(VenueConfig(small))
    a = first.connect("/public/stream", streams="ardenusdt@trade/ardenusdt@bookTicker")
    first.run(15, step_ms=7)
    second = virtual(VenueConfig(small))
    listen(second, "depth@100ms", "trade")
    b = second.connect("/public/stream", streams="ardenusdt@trade/ardenusdt@bookTicker")
    for place in range(10):
        second.run(1.5, step_ms=333)
        second.get(F + "klines", symbol="ARDENUSDT", interval="1m", limit=1 + place)
    assert first.sent[a] == second.sent[b]
    other = virtual(VenueConfig(GeneratedConfig(4, 4)))
    c = other.connect("/public/stream", streams="ardenusdt@trade/ardenusdt@bookTicker")
    other.run(15)
    assert other.sent[c] != first.sent[a]


def test_longer_candles_are_the_exact_sum_of_minutes(virtual, small):
    v = virtual(VenueConfig(small))
    v.run(130, step_ms=500)
    _, rows, _ = v.get(F + "klines", symbol="ARDENUSDT", interval="1m", limit=1500)
    assert [b[0] - a[0] for a, b in pairwise(rows)] == [MINUTE] * 1499
    for interval, width in (("5m", 5), ("1h", 60)):
        _, longer, _ = v.get(F + "klines", symbol="ARDENUSDT", interval=interval, limit=20)
        for row in longer:
            own = [r for r in rows if row[0] <= r[0] <= row[6]]
            assert len(own) == width or row is longer[-1]
            assert row[1] == own[0][1]
            assert row[4] == own[-1][4]
            assert float(row[2]) == max(float(r[2]) for r in own)
            assert float(row[3]) == min(float(r[3]) for r in own)
            assert row[8] == sum(r[8] for r in own)
            for column in (5, 7, 9, 10):
                total = sum(float(r[column]) for r in own)
                assert float(row[column]) == pytest.approx(total, rel=1e-12)


def test_candles_join_without_a_jump(virtual, small):
    v = virtual(VenueConfig(small))
    v.run(70, step_ms=500)
    for symbol, spec in v.venue.market.specs.items():
        _, rows, _ = v.get(F + "klines", symbol=symbol, interval="1m", limit=1500)
        for left, right in pairwise(rows):
            jump = abs(float(right[1]) / float(left[4]) - 1.0)
            assert jump < 12e-4, (symbol, left, right)
        tick = spec.tick / 10**spec.price_digits
        for row in rows:
            o, h, low, c = (float(text) for text in row[1:5])
            assert low <= min(o, c) <= max(o, c) <= h
            assert round(c / tick) == pytest.approx(c / tick, abs=1e-6)


def test_minutes_of_the_recent_part_are_made_of_the_trades_served(virtual, small):
    v = virtual(VenueConfig(small))
    v.run(61, step_ms=500)
    _, rows, _ = v.get(F + "klines", symbol="CORVAUSDT", interval="1m", limit=8)
    for row in rows[1:-1]:
        window = {"startTime": row[0], "endTime": row[6]}
        _, aggs, _ = v.get(F + "aggTrades", symbol="CORVAUSDT", limit=1000, **window)
        prices = [float(a["p"]) for a in aggs]
        assert (float(row[2]), float(row[3])) == (max(prices), min(prices))
        assert (row[1], row[4]) == (aggs[0]["p"], aggs[-1]["p"])
        assert row[8] == sum(a["l"] - a["f"] + 1 for a in aggs)
        assert float(row[5]) == pytest.approx(sum(float(a["q"]) for a in aggs))


def test_kline_stream_closes_what_rest_then_serves(virtual, small):
    v = virtual(VenueConfig(small))
    s = v.connect("/market/ws/ardenusdt@kline_1m")
    v.run(125)
    candles = [f["k"] for f in v.frames(s)]
    closed = {k["t"]: k for k in candles if k["x"]}
    assert len(closed) == 2
    _, rows, _ = v.get(F + "klines", symbol="ARDENUSDT", interval="1m", limit=4)
    last = max(closed)
    row = next(r for r in rows if r[0] == last)
    k = closed[last]
    assert [k["o"], k["h"], k["l"], k["c"], k["v"], k["q"], k["n"]] == [
        *(*row[1:6], row[7], row[8])
    ]


def test_mark_price_and_funding_stamp(virtual, small):
    v = virtual(VenueConfig(small))
    s = v.connect("/market/ws/ardenusdt@markPrice@1s")
    v.run(10)
    marks = v.frames(s)
    assert len(marks) == 10
    assert all(m["T"] % (8 * 3_600_000) == 0 and m["T"] > m["E"] for m in marks)
    _, index, _ = v.get(F + "premiumIndex", symbol="ARDENUSDT")
    assert float(index["markPrice"]) == pytest.approx(float(marks[-1]["p"]), rel=1e-3)


def test_memory_is_bounded_and_ids_go_on(virtual):
    v = virtual(VenueConfig(GeneratedConfig(1, 2, recent_s=60, memory_s=60, activity=3.0)))
    v.run(200, step_ms=1000)
    _, rows, _ = v.get(F + "historicalTrades", KEY, symbol="ARDENUSDT", fromId=0, limit=500)
    assert rows[0]["time"] > v.now // 1_000_000 - 130_000
    assert rows[0]["id"] + len(rows) - 1 == rows[-1]["id"]


def test_a_market_started_later_has_higher_ids(virtual, small):
    early, late = virtual(VenueConfig(small)), virtual(VenueConfig(small), 1_790_000_100 * 10**9)
    early.run(30)
    ids = early.venue.true_trades("ARDENUSDT")[-1].id
    rows = late.get(F + "historicalTrades", KEY, symbol="ARDENUSDT", fromId=0)[1]
    assert rows[0]["id"] > ids
