"""Rules of the session on opening, replacing and doing without sockets."""

import pytest

from poise.net.actions import Open, Up

SECOND = 1_000_000_000


def test_one_wrong_route_stream_is_repaired_then_replaced_and_alarms(rig):
    bench = rig(instruments=2)
    talking = [(1, "S0@quote")]
    bench.opened(1)
    bench.ack(1)
    bench.run(5.5, feeding=talking)
    assert "net.silent_stream" in bench.alarms()
    assert [m["method"] for _, m in bench.asks(1)][:2] == ["SUB", "UNSUB"]
    bench.run(1, feeding=talking)
    assert [m["params"] for _, m in bench.asks(1)][1:] == [["S1@quote"], ["S1@quote"]]
    bench.ack(1)
    bench.run(12, feeding=talking)
    assert bench.opens == [1, 2]  # the successor
    assert bench.closes == []  # and the healthy stream stays where it is
    assert bench.downs() == []
    (report,) = bench.session.reports({1: 7}, bench.now)
    assert (report.state, report.messages) == ("stale", 7)
    assert "DEGRADED: S1@quote" in report.detail


def test_back_off_has_full_jitter_and_a_cap(rig):
    bench = rig(backoff_base_ns=SECOND, backoff_cap_ns=8 * SECOND)
    pauses = []
    for _ in range(60):
        bench.lost(bench.opens[-1], "refused")
        before = bench.now
        bench.until_opens(len(bench.opens) + 1)
        pauses.append((bench.times(Open)[-1] - before) / SECOND)
    assert max(pauses) <= 8.0
    late = pauses[5:]
    assert min(late) < 2.0
    assert max(late) > 6.0


def test_the_handshake_budget_is_shared_by_all_sockets(rig, mini):
    bench = rig(mini(max_streams=2, connects=7), instruments=4)
    for _ in range(400):
        for socket in bench.opens[:]:
            bench.lost(socket, "refused")
        bench.run(1)
    opens = bench.times(Open)
    assert len(opens) > 7
    for first, last in zip(opens, opens[7:], strict=False):
        assert last - first >= 300 * SECOND


def test_streams_without_a_socket_come_before_hand_overs_in_the_budget(rig, mini):
    bench = rig(mini(max_streams=2, connects=1, lifetime_s=250), instruments=2).live()
    bench.until_opens(2, [(1, "S0@quote")])
    bench.opened(2)
    assert bench.asks(2)[0][1]["params"] == ["S1@quote", "S1@trade"]


def test_rotation_opens_a_successor_and_closes_the_old_one_after_first_frames(rig, mini):
    bench = rig(mini(lifetime_s=1000)).live()
    talking = [(1, "S0@quote")]
    bench.run(890, feeding=talking)
    assert bench.opens == [1]
    bench.until_opens(2, talking)
    assert bench.now - bench.times(Open)[0] < 952 * SECOND
    bench.opened(2)
    bench.ack(2)
    bench.run(2, feeding=talking)
    assert bench.closes == []
    bench.run(0.8, feeding=[*talking, (2, "S0@quote")])
    assert bench.closes == []  # the old one lingers for what is still on its way
    bench.run(1.5, feeding=[*talking, (2, "S0@quote")])
    assert bench.closes == [(1, "replaced")]
    assert bench.downs() == []
    bench.run(800, feeding=[(2, "S0@quote")])
    assert bench.downs() == []


def test_a_successor_that_delivers_less_is_dropped_and_tried_again(rig, mini):
    bench = rig(mini(lifetime_s=1000)).live()
    bench.until_opens(2, [(1, "S0@quote")])
    bench.opened(2)
    bench.ack(2)
    bench.run(12, feeding=[(1, "S0@quote")])
    assert bench.closes[0][0] == 2
    bench.run(10, feeding=[(1, "S0@quote")])
    assert bench.opens == [1, 2, 3]
    assert bench.downs() == []


@pytest.mark.parametrize("ready", [False, True])
def test_the_old_socket_dies_during_the_hand_over(rig, mini, ready):
    bench = rig(mini(lifetime_s=1000)).live()
    bench.until_opens(2, [(1, "S0@quote")])
    bench.opened(2)
    bench.ack(2)
    if ready:
        bench.frame(2, "S0@quote")
    bench.lost(1)
    assert ("S0@quote" in bench.downs()) is not ready
    bench.frame(2, "S0@quote")
    bench.run(5, feeding=[(2, "S0@quote")])
    assert bench.opens == [1, 2]
    assert set(bench.sources().values()) == {"socket"}
    bench.until_opens(3, [(2, "S0@quote")])  # it will be followed in its turn
    assert bench.times(Open)[2] - bench.times(Open)[1] < 960 * SECOND


def test_a_successor_that_lacks_one_stream_is_dropped(rig, mini):
    talking = [(1, "S0@quote"), (1, "S1@quote")]
    bench = rig(mini(lifetime_s=1000), instruments=2).live(1, ["S0@quote", "S1@quote"])
    bench.until_opens(2, talking)
    bench.opened(2)
    bench.ack(2)
    bench.run(12, feeding=[*talking, (2, "S0@quote")])
    assert bench.closes[0][0] == 2
    assert "does not deliver S1@quote" in bench.closes[0][1]
    assert bench.downs() == []


def test_a_successor_that_cannot_connect_is_tried_again_and_harms_nothing(rig, mini):
    bench = rig(mini(lifetime_s=1000)).live()
    for _ in range(100):
        bench.run(10, feeding=[(1, "S0@quote")])
        for socket in bench.opens[1:]:
            bench.lost(socket, "refused")
    assert len(bench.opens) > 2
    assert bench.downs() == []


def test_after_failures_in_a_row_rest_stands_in_labelled_until_sockets_deliver(rig):
    bench = rig(failures_before_rest=3, rest_after_ns=1000 * SECOND)
    while not bench.polls:
        bench.lost(bench.opens[-1], "refused")
        bench.run(1)
    assert [request.source for _, request in bench.polls] == ["rest:quote:S0", "rest:trades:S0"]
    assert "net.rest_polling" in bench.alarms()
    bench.keep(bench.session.polled(0, "rest:quote:S0", frozenset({"quote"}), bench.now))
    assert bench.ups() == [("S0@quote", "rest")]
    states = {row.name: row for row in bench.session.reports({}, bench.now)}
    assert states["mini REST polling"].source == "rest"
    assert states["mini public 1"].state == "stale"  # the trades are still missing
    opened = len(bench.opens)
    bench.run(40)
    assert len(bench.opens) > opened  # attempts go on
    bench.live(bench.opens[-1])
    bench.run(3, feeding=[(bench.opens[-1], "S0@quote")])
    assert bench.ups()[-2:] == [("S0@quote", "socket"), ("S0@trade", "socket")]
    assert bench.session.polls_due(bench.now + 100 * SECOND) == []


def test_rest_that_stops_answering_is_down_again(rig):
    bench = rig(rest_after_ns=2 * SECOND, poll_stale_ns=5 * SECOND)
    bench.run(3)
    assert bench.polls
    bench.keep(bench.session.polled(0, "rest:quote:S0", frozenset({"quote"}), bench.now))
    bench.keep(bench.session.polled(0, "rest:quote:S0", None, bench.now))
    bench.run(6)
    assert bench.ups() == [("S0@quote", "rest")]
    assert bench.downs() == ["S0@quote"]


def test_a_flapping_socket_does_not_count_as_a_success(rig):
    """Delivering for a moment forgives nothing, or the budget would be spent in seconds."""
    bench = rig(failures_before_rest=1000)
    for _ in range(12):
        socket = bench.opens[-1]
        bench.live(socket)
        bench.lost(socket)
        bench.until_opens(len(bench.opens) + 1)
    assert bench.times(Open)[-1] - bench.times(Open)[0] > 20 * SECOND
    assert len(bench.all(Up)) == 12
