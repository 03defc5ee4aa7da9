"""Every fault does what it says, is listed, and leaves the truth untouched."""

from itertools import pairwise

import msgspec
import pytest

from poise.loopback.config import GeneratedConfig, VenueConfig
from poise.loopback.errors import ConfigError
from poise.loopback.faults import Fault, FaultKind, FaultPlan
from poise.loopback.outputs import Binary, Close, Cut, Refusal

K = FaultKind
F = "/fapi/v1/"
MARKET = GeneratedConfig(seed=3, instruments=2, history_days=1, recent_s=60)
PUBLIC = "ardenusdt@trade/ardenusdt@bookTicker/ardenusdt@depth@100ms/belmousdt@bookTicker"


@pytest.fixture
def play(virtual):
    """Run a plan next to the same market without faults; returns both and their sockets."""

    def run(*faults, seconds=10, seed=1, until_s=float("inf"), path="/public/stream"):
        plan = FaultPlan(seed, faults, until_s)
        v = virtual(VenueConfig(MARKET, faults=plan, keep_truth=True))
        clean = virtual(VenueConfig(MARKET))
        sockets = [each.connect(path, streams=PUBLIC) for each in (v, clean)]
        for each in (v, clean):
            each.run(seconds)
        return v, sockets[0], clean.sent.get(sockets[1], [])

    return run


def stream_of(text):
    return msgspec.json.decode(text)["stream"]


def kinds(v):
    return {each.kind for each in v.venue.injected}


def test_without_faults_nothing_is_listed(play):
    v, s, clean = play()
    assert v.sent[s] == clean
    assert v.venue.injected == []


def test_disconnect_cut_and_half_open(play):
    v, s, clean = play(Fault(K.DISCONNECT, at_s=(2.0,)))
    assert v.ends(s) == [Close(1001, "")]
    assert v.times[s][-1] - v.times[s][0] < 2e9
    v, s, _ = play(Fault(K.CUT, at_s=(2.0,)))
    (end,) = v.ends(s)
    assert isinstance(end, Cut)
    assert end.partial[0] == 0x81
    assert len(end.partial) - 2 < end.partial[1]
    v, s, _ = play(Fault(K.HALF_OPEN, at_s=(2.0,)))
    assert v.ends(s) == []
    assert v.venue.sessions == 1
    count = len(v.sent[s])
    v.send(s, {"method": "LIST_SUBSCRIPTIONS", "id": 1})
    v.ping(s, b"x")
    assert len(v.sent[s]) == count < len(clean) / 2
    assert [(i.kind, i.target) for i in v.venue.injected] == [(K.HALF_OPEN, "socket 1")]


def test_faults_on_a_route_spare_the_others(virtual):
    plan = FaultPlan(1, (Fault(K.DISCONNECT, "market", at_s=(1.0,)),))
    v = virtual(VenueConfig(MARKET, faults=plan))
    public, market = v.connect("/public/ws"), v.connect("/market/ws")
    v.run(2)
    assert v.ends(public) == []
    assert v.ends(market)


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_lost_frames_are_missing_and_nothing_else(play, share):
    v, s, clean = play(Fault(K.LOST, "*@trade", share=share), seconds=60)
    lost = [each for each in v.venue.injected if each.kind is K.LOST]
    left = list(clean)
    sent = list(v.sent[s])
    assert len(clean) - len(sent) == len(lost) > 0
    for text in sent:
        left.remove(text)
    assert {stream_of(text) for text in left} == {"ardenusdt@trade"}


def test_doubled_frames_come_twice_in_a_row(play):
    v, s, clean = play(Fault(K.DOUBLED, "*@depth@100ms", share=0.2))
    doubled = sum(a == b for a, b in pairwise(v.sent[s]))
    assert doubled == len(v.venue.injected) > 5
    assert list(dict.fromkeys(v.sent[s])) == clean


def test_reordered_frames_come_after_the_next_of_their_stream(play):
    v, s, clean = play(Fault(K.REORDERED, "ardenusdt@bookTicker", share=0.2))
    held = [text for text in clean if text not in v.sent[s]]
    assert len(held) <= 1  # the last one may still wait for its successor
    assert sorted(v.sent[s] + held) == sorted(clean)
    mine = [t for t in v.sent[s] if stream_of(t) == "ardenusdt@bookTicker"]
    true = [t for t in clean if stream_of(t) == "ardenusdt@bookTicker"]
    moved = [n for n, (a, b) in enumerate(zip(mine, true, strict=False)) if a != b]
    assert moved
    assert all(abs(true.index(text) - n) <= 1 for n, text in enumerate(mine))


def test_extra_frames_leave_the_true_ones_alone(play):
    v, s, clean = play(
        Fault(K.GARBAGE_TEXT, share=0.05),
        Fault(K.GARBAGE_BINARY, share=0.05),
        Fault(K.ZERO_TRADE, "*@trade", at_s=(1.0, 3.0)),
        Fault(K.HUGE_FRAME, at_s=(2.0,), amount=100_000),
        seconds=20,
    )
    extra = list(v.sent[s])
    for text in clean:
        extra.remove(text)
    assert len(extra) == len(v.venue.injected)
    assert kinds(v) == {K.GARBAGE_TEXT, K.GARBAGE_BINARY, K.ZERO_TRADE, K.HUGE_FRAME}
    assert any(isinstance(out, Binary) for out in extra)
    assert max(len(out) for out in extra if isinstance(out, bytes)) > 100_000
    zero = [out for out in extra if isinstance(out, bytes) and b'"X":"NA"' in out]
    assert len(zero) == 2
    assert b'"p":"0.0000","q":"0.00"' in zero[0]


def test_garbage_is_varied_and_never_a_good_frame(play):
    v, s, clean = play(Fault(K.GARBAGE_TEXT, "*@bookTicker", share=0.5), seconds=20)
    known = set(clean)
    foul = [out for out in v.sent[s] if out not in known]
    bad_json = bad_value = 0
    for text in foul:
        try:
            frame = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            bad_json += 1
        else:
            bad_value += 1
            good = isinstance(frame, dict) and isinstance(frame.get("data"), dict)
            assert not good or frame["data"]["b"] in {
                *("NaN", "-1.00", "1e400", "Infinity", "", "0x10", "1_000")
            }
    assert bad_json > 5
    assert bad_value > 5


def test_crossed_quotes_and_crossed_books(play):
    v, s, _ = play(
        Fault(K.CROSSED_TICKER, "*@bookTicker", at_s=(1.0,)),
        Fault(K.CROSSED_DEPTH, "*@depth*", at_s=(1.0,)),
    )
    data = [f["data"] for f in v.frames(s)]
    crossed = [d for d in data if d["e"] == "bookTicker" and float(d["b"]) >= float(d["a"])]
    assert len(crossed) == 1
    spec = v.venue.market.specs["ARDENUSDT"]
    above = (v.venue.market.best("ARDENUSDT")[1][0] + 50 * spec.tick) / 10**spec.price_digits
    spoilt = [d for d in data if d["e"] == "depthUpdate" and d["b"]]
    spoilt = [d for d in spoilt if max(float(p) for p, _ in d["b"]) > above]
    assert len(spoilt) == 1
    truth = v.venue.true_book("ARDENUSDT")
    assert truth.bids[0][0] < truth.asks[0][0]


def test_a_silent_stream_is_cured_by_a_new_socket(virtual):
    plan = FaultPlan(1, (Fault(K.SILENT_STREAM, "ardenusdt@bookTicker", at_s=(3.0,)),))
    v = virtual(VenueConfig(MARKET, faults=plan))
    old = v.connect("/public/stream", streams=PUBLIC)
    v.run(10)
    new = v.connect("/public/stream", streams=PUBLIC)
    v.run(5)
    late = [
        f["stream"] for f, t in zip(v.frames(old), v.times[old], strict=True) if t > v.times[new][0]
    ]
    assert "belmousdt@bookTicker" in late
    assert "ardenusdt@bookTicker" not in late
    assert "ardenusdt@bookTicker" in {f["stream"] for f in v.frames(new)}


def test_killed_trades_go_on_in_truth(play):
    v, s, _ = play(Fault(K.KILL_TRADES, "ardenusdt", at_s=(5.0,), duration_s=30.0), seconds=60)
    ids = [f["data"]["t"] for f in v.frames(s) if f["data"]["e"] == "trade"]
    true = [t.id for t in v.venue.true_trades("ARDENUSDT")]
    missing = sorted(set(true) - set(ids))
    assert len(missing) > 10
    assert missing == list(range(missing[0], missing[-1] + 1))
    _, rows, _ = v.get(
        F + "historicalTrades", {"X-MBX-APIKEY": "k"}, symbol="ARDENUSDT", fromId=missing[0]
    )
    assert [r["id"] for r in rows][: len(missing)] == missing


def test_a_deaf_route_acknowledges_and_never_sends(virtual):
    plan = FaultPlan(1, (Fault(K.DEAF_ROUTE, "public", at_s=(1.0,), duration_s=2.0),))
    v = virtual(VenueConfig(MARKET, faults=plan))
    v.run(2)
    deaf = v.connect("/public/stream")
    v.send(deaf, {"method": "SUBSCRIBE", "params": PUBLIC.split("/"), "id": 4})
    v.run(2)
    well = v.connect("/public/stream", streams=PUBLIC)
    v.run(5)
    assert v.sent[deaf] == [b'{"result":null,"id":4}']
    assert v.frames(well)


def test_handshakes_can_be_refused(virtual):
    plan = FaultPlan(1, (Fault(K.REFUSE_CONNECT, at_s=(1.0,), duration_s=2.0, amount=429),))
    v = virtual(VenueConfig(MARKET, faults=plan))
    assert isinstance(v.connect("/public/ws"), int)
    v.run(1.5)
    assert v.connect("/public/ws") == Refusal(429, b"")
    v.run(2)
    assert isinstance(v.connect("/public/ws"), int)


def test_clock_skew_moves_server_time_and_event_times(play):
    v, s, clean = play(Fault(K.CLOCK_SKEW, at_s=(0.0,), amount=-4000))
    assert v.get(F + "time")[1]["serverTime"] == v.now // 1_000_000 - 4000
    for got, true in zip(v.frames(s), map(msgspec.json.decode, clean), strict=True):
        assert got["data"]["E"] == true["data"]["E"] - 4000
        assert got["data"]["T"] == true["data"]["T"] - 4000
        assert got["data"] | {"E": 0, "T": 0} == true["data"] | {"E": 0, "T": 0}


def test_stale_snapshots_are_old_truths(virtual):
    plan = FaultPlan(1, (Fault(K.STALE_SNAPSHOT, share=1.0, amount=3000),))
    v = virtual(VenueConfig(MARKET, faults=plan, keep_truth=True))
    v.run(2)
    fresh = v.get(F + "depth", symbol="ARDENUSDT", limit=5)[1]
    assert fresh["lastUpdateId"] == v.venue.true_book("ARDENUSDT").last_update_id
    assert v.venue.injected == []
    v.run(8)
    _, stale, headers = v.get(F + "depth", symbol="ARDENUSDT", limit=5)
    truth = v.venue.true_book("ARDENUSDT")
    assert 3000 <= truth.event_ms - stale["E"] <= 4200
    old = v.venue.true_book("ARDENUSDT", stale["lastUpdateId"])
    assert stale["bids"][0][0] == v.venue.market.specs["ARDENUSDT"].price(old.bids[0][0])
    assert int(headers["X-MBX-USED-WEIGHT-1M"]) == 4
    assert kinds(v) == {K.STALE_SNAPSHOT}


def test_an_early_snapshot_is_ahead_of_the_stream_then_the_chain_goes_on(virtual):
    plan = FaultPlan(1, (Fault(K.EARLY_SNAPSHOT, at_s=(2.0,), duration_s=1.0),))
    v = virtual(VenueConfig(MARKET, faults=plan))
    s = v.connect("/public/stream", streams=PUBLIC)
    v.run(3)
    before = len(v.frames(s))
    snapshot = v.get(F + "depth", symbol="ARDENUSDT", limit=1000)[1]
    at = v.now
    v.run(3)
    depth = [
        (f["data"], t)
        for f, t in list(zip(v.frames(s), v.times[s], strict=True))[before:]
        if f["data"]["e"] == "depthUpdate"
    ]
    assert depth[0][1] == at + 10**9
    assert depth[0][0]["E"] < v.now // 1_000_000 - 2000
    chain = [d for d, _ in depth]
    assert all(b["pu"] == a["u"] for a, b in pairwise(chain))
    assert chain[0]["pu"] <= snapshot["lastUpdateId"]
    assert [t for _, t in depth][:9] == [at + 10**9] * 9


@pytest.mark.parametrize(
    ("kind", "status", "marker"),
    [
        (K.HTTP_429, 429, b"-1003"),
        (K.HTTP_418, 418, b"banned until"),
        (K.HTTP_503, 503, b'{"code":-1000,"msg":'),
        (K.HTTP_502, 502, b"<html>"),
    ],
)
@pytest.mark.parametrize("wait_s", [0, 7])
def test_refused_requests(virtual, kind, status, marker, wait_s):
    plan = FaultPlan(1, (Fault(kind, F + "t*", at_s=(0.5,), amount=wait_s),))
    v = virtual(VenueConfig(MARKET, faults=plan))
    v.run(1)
    assert v.get(F + "depth", symbol="ARDENUSDT")[0] == 200
    answer = v.venue.request("GET", F + "time", {}, {}, v.now)
    assert answer.status == status
    assert marker in answer.body
    limited = kind in {K.HTTP_429, K.HTTP_418}
    assert answer.headers.get("Retry-After") == ("7" if wait_s and limited else None)
    assert "X-MBX-USED-WEIGHT-1M" in answer.headers
    assert v.get(F + "time")[0] == 200


@pytest.mark.parametrize(
    ("amount", "text"), [(0, b"Service Unavailable."), (1, b"Unknown error"), (2, b"-1008")]
)
def test_the_three_meanings_of_503(virtual, amount, text):
    plan = FaultPlan(1, (Fault(K.HTTP_503, share=1.0, amount=amount),))
    v = virtual(VenueConfig(MARKET, faults=plan))
    answer = v.venue.request("GET", F + "time", {}, {}, v.now)
    assert answer.status == 503
    assert text in answer.body


def test_no_fault_begins_after_the_end_of_the_plan(play):
    v, _, _ = play(Fault(K.LOST, share=0.5), Fault(K.DOUBLED, per_minute=60), until_s=3.0)
    start = 1_790_000_000 * 10**9
    assert v.venue.injected
    assert max(each.at_ns for each in v.venue.injected) <= start + 3 * 10**9


@pytest.mark.parametrize("seed", range(8))
def test_drawn_plans_are_the_same_each_time(play, seed):
    plan = FaultPlan.drawn(seed, 8.0)
    assert plan == FaultPlan.drawn(seed, 8.0)
    runs = [play(*plan.faults, seed=seed, until_s=8.0) for _ in range(2)]
    assert runs[0][0].venue.injected == runs[1][0].venue.injected
    assert runs[0][0].sent == runs[1][0].sent
    assert runs[0][0].venue.true_trades("ARDENUSDT") == runs[1][0].venue.true_trades("ARDENUSDT")


def test_every_kind_is_drawn_by_some_seed():
    seen = {fault.kind for seed in range(200) for fault in FaultPlan.drawn(seed, 60.0).faults}
    assert seen == set(FaultKind)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: Fault(K.LOST),
        lambda: Fault(K.CUT, share=0.5),
        lambda: Fault(K.LOST, share=2.0),
        lambda: Fault(K.LOST, per_minute=-1.0),
    ],
)
def test_impossible_faults_are_refused(bad):
    with pytest.raises(ConfigError):
        bad()
