"""Rules of the session, one test each, on a hand-held clock."""

from itertools import pairwise

from poise.net.actions import Close, Down, Open, Send

SECOND = 1_000_000_000


def test_streams_are_sharded_over_sockets_per_route(rig, mini):
    venue = mini(max_streams=3, channels=("quote", "trade", "mark"))
    bench = rig(venue, instruments=4)
    paths = sorted(action.path for action in bench.all(Open))
    assert paths == ["/market", "/market", "/public", "/public", "/public"]
    assert len({action.socket for action in bench.all(Open)}) == 5


def test_nothing_is_sent_before_the_handshake(rig):
    bench = rig()
    bench.run(3)
    assert not bench.all(Send)


def test_subscriptions_are_batched_and_paced(rig, mini):
    bench = rig(mini(rate=4.0), instruments=60, streams_per_subscribe=10)
    bench.opened(1)
    bench.run(4)
    asks = bench.asks(1)
    assert [len(message["params"]) for _, message in asks] == [10] * 12
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(asks)]
    assert min(gaps) >= SECOND / 4
    assert sorted(name for _, m in asks for name in m["params"]) == sorted(bench.sources())


def test_an_acknowledgement_is_no_proof_and_a_frame_is(rig):
    bench = rig()
    bench.opened(1)
    bench.ack(1)
    bench.run(2)
    assert bench.ups() == []
    bench.frame(1, "S0@quote")
    assert bench.ups()[0] == ("S0@quote", "socket")


def test_a_frame_may_overtake_its_acknowledgement(rig):
    bench = rig()
    bench.opened(1)
    bench.frame(1, "S0@quote")
    assert bench.ups() == [("S0@quote", "socket")]
    bench.ack(1)
    bench.run(8, feeding=[(1, "S0@quote")])
    assert bench.downs() == []


def test_a_quiet_stream_is_up_after_its_grace_once_a_neighbour_talks(rig):
    bench = rig()
    bench.opened(1)
    bench.ack(1)
    bench.run(3)
    assert ("S0@trade", "socket") not in bench.ups()
    bench.run(3, feeding=[(1, "S0@quote")])
    assert ("S0@trade", "socket") in bench.ups()
    bench.run(600, feeding=[(1, "S0@quote")])
    assert bench.downs() == []


def test_a_quiet_stream_alone_is_up_by_its_acknowledgement(rig, mini):
    bench = rig(mini(channels=("trade",)))
    bench.opened(1)
    bench.run(0.5)
    assert bench.ups() == []
    bench.ack(1)
    bench.run(2)
    assert bench.ups() == [("S0@trade", "socket")]


def test_unanswered_subscriptions_are_sent_again_and_then_the_socket_is_given_up(rig):
    bench = rig()
    bench.opened(1)
    for _ in range(16):
        bench.run(1)
        bench.session.heard(1, bench.now)
    assert len([m for _, m in bench.asks(1) if m["method"] == "SUB"]) == 3
    assert bench.closes[0][0] == 1
    assert "not acknowledged" in bench.closes[0][1]
    assert len(bench.opens) > 1


def test_a_late_acknowledgement_of_the_first_try_counts(rig):
    bench = rig()
    bench.opened(1)
    bench.run(6)
    assert len(bench.asks(1)) == 2
    bench.answered.add((1, bench.asks(1)[1][1]["id"]))
    bench.ack(1)
    bench.frame(1, "S0@quote")
    bench.run(20, feeding=[(1, "S0@quote")])
    assert bench.closes == []
    assert set(bench.sources().values()) == {"socket"}


def test_a_repaired_stream_comes_back(rig):
    bench = rig(instruments=2)
    bench.live(1, ["S0@quote"])
    bench.run(6, feeding=[(1, "S0@quote")])
    bench.ack(1)
    bench.run(6, feeding=[(1, "S0@quote"), (1, "S1@quote")])
    assert bench.sources()["S1@quote"] == "socket"
    bench.run(60, feeding=[(1, "S0@quote"), (1, "S1@quote")])
    assert bench.opens == [1]


def test_frames_left_over_from_before_the_repair_do_not_cancel_it(rig):
    bench = rig(instruments=2)
    bench.live(1, ["S0@quote"])
    while not any(m["method"] == "UNSUB" for _, m in bench.asks(1)):
        bench.run(0.05, feeding=[(1, "S0@quote")])
    bench.frame(1, "S1@quote")
    bench.run(1, feeding=[(1, "S0@quote")])
    assert bench.asks(1)[-1][1] == {"method": "SUB", "params": ["S1@quote"], "id": 3}


def test_a_deaf_socket_is_closed_and_dialled_again(rig):
    bench = rig()
    bench.opened(1)
    bench.ack(1)
    bench.run(8)
    assert bench.closes[0][0] == 1
    assert "every stream is silent" in bench.closes[0][1]
    assert bench.opens[:2] == [1, 2]
    assert "net.silent_stream" in bench.alarms()


def test_a_stale_stream_goes_down_is_repaired_and_its_return_is_a_gap_alarm(rig):
    bench = rig(instruments=2).live(1, ["S0@quote", "S1@quote"])
    bench.run(5, feeding=[(1, "S0@quote"), (1, "S1@quote")])
    bench.run(10.5, feeding=[(1, "S0@quote")])
    assert bench.downs() == ["S1@quote"]
    assert "stale" in bench.all(Down)[0].reason
    bench.run(1, feeding=[(1, "S0@quote")])
    bench.ack(1)
    bench.run(3, feeding=[(1, "S0@quote"), (1, "S1@quote")])
    assert bench.ups()[-1] == ("S1@quote", "socket")
    assert "net.gap" in bench.alarms()


def test_a_silent_socket_is_pinged_and_lives_by_its_pong(rig, mini):
    bench = rig(mini(channels=("trade",)))
    bench.opened(1)
    bench.ack(1)
    for _ in range(10):
        bench.run(11)
        bench.session.heard(1, bench.now)
    assert bench.pings == 10
    assert bench.closes == []


def test_pings_count_against_the_pace_of_messages(rig, mini):
    bench = rig(mini(rate=0.05, channels=("trade",)))
    bench.opened(1)
    bench.ack(1)
    bench.run(21)
    assert bench.pings == 0
    bench.run(3)
    assert bench.pings == 1


def test_a_half_open_socket_is_given_up(rig, mini):
    bench = rig(mini(channels=("trade",)))
    bench.opened(1)
    bench.ack(1)
    bench.run(20)
    assert bench.pings == 1
    assert bench.closes[0][0] == 1
    assert bench.closes[0][1].startswith("half-open")
    assert bench.downs() == ["S0@trade"]


def test_talking_sockets_are_not_pinged(rig):
    bench = rig().live()
    bench.run(120, feeding=[(1, "S0@quote")])
    assert bench.pings == 0


def test_a_closed_socket_takes_its_streams_down_and_comes_back(rig):
    bench = rig().live()
    bench.run(3, feeding=[(1, "S0@quote")])
    bench.lost(1, "closed by the venue: 1001")
    assert sorted(bench.downs()) == ["S0@quote", "S0@trade"]
    assert bench.all(Down)[0].reason == "closed by the venue: 1001"
    bench.run(2)
    assert bench.opens == [1, 2]
    bench.live(2)
    bench.run(3, feeding=[(2, "S0@quote")])
    assert set(bench.sources().values()) == {"socket"}


def test_a_handshake_that_never_ends_is_given_up(rig):
    bench = rig(connect_timeout_ns=2 * SECOND)
    bench.run(2.1)
    assert bench.closes == [(1, "no handshake in time")]


def test_refused_subscriptions_are_silent_streams_with_the_venues_words(rig):
    bench = rig()
    bench.opened(1)
    bench.ack(1, error="Invalid request: too many streams")
    bench.run(1)
    assert any("too many streams" in reason for _, reason in bench.closes)


def test_inputs_of_forgotten_sockets_are_ignored(rig):
    bench = rig().live()
    bench.lost(1)
    before = len(bench.log)
    bench.frame(1, "S0@quote")
    bench.opened(1)
    bench.lost(1)
    bench.session.heard(1, bench.now)
    ours, _ = bench.session.control(1, b'{"id":1,"result":null}', bench.now)
    assert not ours
    assert len(bench.log) == before


def test_frames_nobody_asked_for_are_counted(rig):
    bench = rig().live()
    bench.frame(1, "OTHER@quote")
    assert bench.session.strays == 1


def test_streams_can_be_added_while_running(rig, mini, instruments):
    venue = mini(max_streams=4)
    bench = rig(venue, instruments=1).live()
    more = [s for i in instruments(4)[1:] for s in venue.streams(i)]
    bench.keep(bench.session.add(more, bench.now))
    bench.run(1, feeding=[(1, "S0@quote")])
    assert {name for _, m in bench.asks(1) for name in m["params"]} >= {"S1@quote", "S1@trade"}
    assert bench.opens == [1, 2]
    bench.keep(bench.session.add(more, bench.now))
    assert len(bench.sources()) == 8


def test_stopping_closes_every_socket_and_sleeps(rig, mini):
    bench = rig(mini(max_streams=2), instruments=3).live()
    bench.keep(bench.session.stop())
    assert [socket for socket, _ in bench.closes] == [1, 2, 3]
    bench.run(100)
    assert len(bench.opens) == 3
    assert len(bench.all(Close)) == 3
