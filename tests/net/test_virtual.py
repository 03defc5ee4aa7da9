"""Whole runs on virtual time: chaos, hand-overs and polling, each repeatable from its seed."""

import hashlib
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poise.core.outputs import HealBook
from poise.net.settings import NetSettings
from poise.net.virtual import VirtualDriver

SECOND = 1_000_000_000
FIVE_MINUTES = 300 * SECOND


@pytest.fixture
def build():
    def make(peer, venue, sink, seed, start_ns, members, **changes):
        return VirtualDriver(
            venue, members, sink, peer, seed=seed, start_ns=start_ns,
            settings=NetSettings(**changes),
        )  # fmt: skip

    return make


@pytest.fixture
def run_of(build, mini, scripted, recorder, instruments, start_ns):
    def make(seed=1, count=4, venue=None, **changes):
        peer, sink = scripted(), recorder()
        driver = build(peer, venue or mini(), sink, seed, start_ns, instruments(count), **changes)
        driver.start()
        return driver, peer, sink

    return make


def everything(count, channels=("quote", "trade")):
    return {(ix, channel): "socket" for ix in range(count) for channel in channels}


def test_a_healthy_venue_is_up_within_seconds_and_stays(run_of, start_ns):
    driver, _, sink = run_of(count=6)
    driver.run(start_ns + 5 * SECOND)
    assert sink.up() == everything(6)
    driver.run(start_ns + 3600 * SECOND)
    assert sink.up() == everything(6)
    assert len(sink.events) == 12
    assert len(driver.sockets_opened) == 1
    assert {report.state for report in driver.reports()} == {"live"}


def test_a_run_repeats_exactly_from_its_seed(run_of, start_ns):
    def digest(seed):
        driver, peer, sink = run_of(seed=seed)
        driver.run(start_ns + 20 * SECOND)
        peer.mute.add(1)
        driver.run(start_ns + 80 * SECOND)
        whole = repr((sink.frames, sink.answers, sink.events, sink.diagnostics, peer.received))
        return hashlib.blake2b(whole.encode()).hexdigest()

    assert digest(3) == digest(3)
    assert digest(3) != digest(4)


def test_half_open_sockets_are_found_and_replaced(run_of, start_ns):
    driver, peer, sink = run_of()
    driver.run(start_ns + 10 * SECOND)
    peer.mute.add(1)
    driver.run(start_ns + 60 * SECOND)
    assert sink.up() == everything(4)
    assert peer.accepted == 2
    assert driver.open_sockets == 1


def test_a_silent_stream_on_a_living_socket_ends_on_a_new_socket(run_of, start_ns):
    driver, peer, sink = run_of()
    driver.run(start_ns + 10 * SECOND)
    peer.silent.add("S2@quote")
    driver.run(start_ns + 40 * SECOND)
    assert sink.up() == {k: v for k, v in everything(4).items() if k != (2, "quote")}
    peer.silent.clear()
    driver.run(start_ns + 400 * SECOND)
    assert sink.up() == everything(4)
    downs = [e for e in sink.events if type(e).__name__ == "StreamDown"]
    assert {(e.instrument, e.channel) for e in downs} == {(2, "quote")}


def test_rotation_leaves_no_interval_without_frames(run_of, mini, start_ns):
    driver, peer, sink = run_of(venue=mini(lifetime_s=120), count=3)
    driver.run(start_ns + 1200 * SECOND)
    assert peer.accepted > 9
    assert sink.up() == everything(3)
    assert len(sink.events) == 6
    for ix in range(3):
        name = b"S%d@quote" % ix
        times = [at for _, payload, at in sink.frames if name in payload]
        assert max(b - a for a, b in itertools.pairwise(times)) <= peer.period + 40_000_000
    # Every frame that any socket was sent in the time a stream was up has come at least once.
    numbers = {int(payload.rsplit(b":")[-1][:-1]) for _, payload, _ in sink.frames}
    assert len(numbers) == len(sink.frames)


def test_sockets_refused_for_long_mean_labelled_polling_within_budget(run_of, mini, start_ns):
    driver, peer, sink = run_of(venue=mini(connects=20, weight=100, reserved=20), count=4)
    peer.refusing = "HTTP 503"
    driver.run(start_ns + 600 * SECOND)
    assert sink.up() == dict.fromkeys(everything(4), "rest")
    assert "net.rest_polling" in sink.codes()
    opens = driver.sockets_opened
    assert len(opens) > 20
    assert all(b - a >= FIVE_MINUTES for a, b in zip(opens, opens[20:], strict=False))
    polls = [at for source, _, at in sink.answers if "quote" in source or "trades" in source]
    assert len(polls) * 2 <= 80 * 10
    peer.refusing = ""
    driver.run(start_ns + 960 * SECOND)
    assert sink.up() == everything(4)
    assert {report.state for report in driver.reports()} == {"live"}
    before = len(sink.answers)
    driver.run(start_ns + 1200 * SECOND)
    assert len(sink.answers) - before <= 1  # an answer that was still under way


def test_a_dead_rest_is_no_stand_in(run_of, start_ns):
    driver, peer, sink = run_of(count=2)
    peer.refusing, peer.rest_status = "down", 502
    driver.run(start_ns + 300 * SECOND)
    assert sink.up() == {}
    assert {report.state for report in driver.reports()} == {"offline"}
    driver.heal(HealBook(1, 1))
    driver.run(start_ns + 500 * SECOND)
    assert [(e.instrument, e.permanent) for e in sink.events if hasattr(e, "permanent")] == [
        (1, False)
    ]


@pytest.mark.parametrize("moment_ms", [1, 30, 60, 90, 120, 400])
def test_stopping_at_any_moment_leaves_nothing(run_of, start_ns, moment_ms):
    driver, peer, _ = run_of()
    driver.run(start_ns + moment_ms * 1_000_000)
    driver.stop()
    driver.run(start_ns + 60 * SECOND)
    assert driver.open_sockets == 0
    assert peer.sessions == {}
    assert driver.feed.desk.waiting == 0


TROUBLES = (
    *("cut", "mute", "deaf", "refuse", "accept"),
    *("silence", "speak", "no acks", "acks", "rest"),
)
troubles = st.lists(
    st.tuples(
        st.sampled_from(
            TROUBLES
        ),
        st.integers(0, 20_000),
        st.integers(0, 3),
    ),
    max_size=25,
)  # fmt: skip


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(troubles, st.integers(0, 2**32))
def test_whatever_happens_ends_well_once_the_venue_does(
    build, mini, scripted, recorder, instruments, start_ns, steps, seed
):
    """No dead end: after any troubles everything is up again, and no limit was ever exceeded."""
    peer, sink = scripted(4.0), recorder()
    venue = mini(max_streams=4, connects=30, lifetime_s=400)
    driver = build(peer, venue, sink, seed, start_ns, instruments(4))
    driver.start()
    now = start_ns
    for what, pause_ms, which in steps:
        now += pause_ms * 1_000_000
        driver.run(now)
        trouble(peer, driver, what, which)
    heal(peer)
    driver.run(now + 1500 * SECOND)
    assert sink.up() == everything(4)
    assert {report.state for report in driver.reports()} == {"live"}
    opens = driver.sockets_opened
    assert all(b - a >= FIVE_MINUTES for a, b in zip(opens, opens[30:], strict=False))
    by_socket = {}
    for session, at, _ in peer.received:
        by_socket.setdefault(session, []).append(at)
    for times in by_socket.values():
        # Latency may bunch five a second by its own 39 ms; the venue would allow ten.
        assert all(b - a >= SECOND for a, b in zip(times, times[6:], strict=False))
    alternate(sink.events)


def trouble(peer, driver, what, which):
    sessions = list(peer.sessions)
    victim = sessions[which % len(sessions)] if sessions else 0
    if what == "cut" and victim:
        driver._send_out(peer.cut(victim))
    elif what == "mute" and victim:
        peer.mute.add(victim)
    elif what == "deaf" and victim:
        peer.deaf.add(victim)
    elif what == "refuse":
        peer.refusing = "HTTP 503"
    elif what == "accept":
        peer.refusing = ""
    elif what == "silence":
        peer.silent.add(f"S{which}@quote")
    elif what == "speak":
        peer.silent.clear()
    elif what in {"acks", "no acks"}:
        peer.acknowledges = what == "acks"
    elif what == "rest":
        peer.rest_status = 502 if peer.rest_status == 200 else 200


def heal(peer):
    peer.refusing, peer.rest_status, peer.acknowledges = "", 200, True
    peer.mute.clear()
    peer.deaf.clear()
    peer.silent.clear()


def alternate(events):
    """A stream never goes down twice in a row, nor up twice by the same way."""
    state = {}
    for event in events:
        key = event.instrument, event.channel
        source = getattr(event, "source", None)
        assert state.get(key) != source
        state[key] = source
