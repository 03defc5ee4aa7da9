"""Sockets without sockets: routes, control messages, limits, pings and the end of a life."""

import pytest

from poise.loopback.config import Limits, VenueConfig
from poise.loopback.outputs import Close, Ping, Refusal

SECOND = 1_000_000_000
STREAMS = "ardenusdt@trade", "ardenusdt@bookTicker", "ardenusdt@depth@100ms"
MARKET = "ardenusdt@aggTrade", "ardenusdt@markPrice@1s", "ardenusdt@kline_1m"


def subscribe(*streams, number=1):
    return {"method": "SUBSCRIBE", "params": list(streams), "id": number}


def test_combined_sockets_wrap_and_raw_ones_do_not(virtual, small):
    v = virtual(VenueConfig(small))
    combined = v.connect("/public/stream", streams="/".join(STREAMS))
    raw = v.connect("/public/ws/" + STREAMS[0])
    v.run(20)
    assert {f["stream"] for f in v.frames(combined)} == set(STREAMS)
    assert v.frames(raw)
    assert v.frames(raw) == [f["data"] for f in v.frames(combined) if f["stream"] == STREAMS[0]]


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("/public/stream", STREAMS),
        ("/market/stream", MARKET),
        ("/stream", STREAMS),
        ("/private/stream", ()),
    ],
)
def test_wrong_routes_acknowledge_and_never_send(virtual, small, path, served):
    v = virtual(VenueConfig(small))
    s = v.connect(path)
    asked = (*STREAMS, *MARKET, "nosuchusdt@trade", "ARDENUSDT@trade", "ardenusdt@nonsense")
    v.send(s, subscribe(*asked))
    assert v.sent[s] == [b'{"result":null,"id":1}']
    v.run(20)
    assert {f["stream"] for f in v.frames(s)} == set(served)
    v.send(s, {"method": "LIST_SUBSCRIPTIONS", "id": "x"})
    assert b'"ardenusdt@nonsense"],"id":"x"}' in v.sent[s][-1]


def test_unsubscribe_ends_the_stream(virtual, small):
    v = virtual(VenueConfig(small))
    s = v.connect("/public/ws/" + STREAMS[1])
    v.run(5)
    assert v.frames(s)
    v.send(s, {"method": "UNSUBSCRIBE", "params": [STREAMS[1]], "id": 2})
    count = len(v.frames(s))
    v.run(5)
    assert len(v.frames(s)) == count


@pytest.mark.parametrize(
    "text",
    [b"{", b"[]", b'{"method":"SUBSCRIBE","params":[1],"id":1}', b'{"method":"NONE","id":1}'],
)
def test_bad_requests_get_an_error_and_the_socket_lives(virtual, small, text):
    v = virtual(VenueConfig(small))
    s = v.connect("/public/ws")
    v.send(s, text)
    assert v.sent[s][0].startswith(b'{"error":{"code":')
    v.send(s, subscribe(STREAMS[0], number=9))
    assert v.sent[s][-1] == b'{"result":null,"id":9}'


def test_an_eleventh_message_within_a_second_closes(virtual, small):
    v = virtual(VenueConfig(small))
    s = v.connect("/public/ws")
    for number in range(10):
        v.send(s, subscribe(STREAMS[0], number=number))
    assert v.ends(s) == []
    v.run(1.1)
    for number in range(11):
        v.send(s, subscribe(STREAMS[0], number=number))
    assert v.ends(s) == [Close(1008, "Too many requests")]
    assert v.venue.sessions == 0


def test_a_socket_takes_1024_streams(virtual, small):
    v = virtual(VenueConfig(small))
    s = v.connect("/public/ws")
    v.send(s, subscribe(*(f"x{n}@trade" for n in range(1024))))
    v.send(s, subscribe("one@trade", number=2))
    assert v.sent[s][0] == b'{"result":null,"id":1}'
    assert b'"error"' in v.sent[s][1]


def test_pings_missed_pongs_and_the_last_hour(virtual, small):
    limits = Limits(ping_every_ns=3 * SECOND, pong_within_ns=10 * SECOND, lifetime_ns=40 * SECOND)
    v = virtual(VenueConfig(small, limits))
    lazy, good = v.connect("/public/ws"), v.connect("/public/ws")
    answered = 0
    for _ in range(50):
        v.run(1, step_ms=100)
        pings = sum(isinstance(out, Ping) for out in v.sent.get(good, []))
        if pings > answered:
            answered = pings
            v.pong(good)
    assert v.ends(lazy)[-1] == Close(1008, "Pong timeout")
    assert v.times[lazy][-1] - v.times[lazy][0] == 10 * SECOND
    assert answered >= 12
    assert v.ends(good)[-1] == Close(1001, "24 hours")


def test_a_client_ping_is_answered_with_its_payload(virtual, small):
    v = virtual(VenueConfig(small))
    s = v.connect("/public/ws")
    assert [p.payload for p in v.ping(s, b"abc")] == [b"abc"]


def test_paths_without_a_socket_are_refused(virtual, small):
    v = virtual(VenueConfig(small))
    assert v.connect("/fapi/v1/time") == Refusal(404, b"")
    assert v.connect("/nowhere/ws") == Refusal(404, b"")
    assert v.connect("/public/stream/a@trade") == Refusal(404, b"")
