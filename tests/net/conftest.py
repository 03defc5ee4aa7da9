"""A tiny venue, a session on a hand-held clock, a scripted peer, and the loopback as a peer."""

import random

import msgspec
import pytest

from poise.core.errors import TransientError, VenueMessageError, VenueRejected
from poise.core.events import Quote, StreamDown, StreamUp, TradesBackfill
from poise.core.instrument import Instrument
from poise.core.outputs import HealBook
from poise.core.venue import RestRequest, SocketLimits, StreamSpec, WeightLimits
from poise.net.actions import Close, Down, Open, Ping, Send, Up
from poise.net.session import Session
from poise.net.settings import NetSettings
from poise.net.virtual import Ended, PeerAnswer, Pinged, Pong

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND


def make_instruments(count):
    return tuple(
        Instrument(
            ix=i, venue="mini", symbol=f"S{i}", base=f"S{i}", quote="USDT", kind="PERP",
            price_scale=2, qty_scale=3, tick=1, step=1,
        )
        for i in range(count)
    )  # fmt: skip


class MiniVenue:
    """A venue of one line a frame: quotes talk, trades are quiet, marks live on another route."""

    name = "mini"

    def __init__(self, *, max_streams=200, rate=5.0, lifetime_s=86400, connects=100, first_s=5,
                 stale_s=10, channels=("quote", "trade"), weight=1200, reserved=200):  # fmt: skip
        self.socket_limits = SocketLimits(
            max_streams=max_streams, control_messages_per_s=rate, lifetime_ns=lifetime_s * SECOND,
            max_frame_bytes=1 << 16, connects_per_5_min=connects,
        )  # fmt: skip
        self.weight_limits = WeightLimits(
            weight_per_min=weight, reserved=reserved, used_header="X-Used"
        )
        self._first, self._stale, self._channels = first_s * SECOND, stale_s * SECOND, channels

    def streams(self, instrument):
        def spec(channel):
            quiet = channel == "trade"
            return StreamSpec(
                wire_name=f"{instrument.symbol}@{channel}",
                channel=channel,
                instrument=instrument.ix,
                route="market" if channel == "mark" else "public",
                first_frame_ns=0 if quiet else self._first,
                stale_ns=0 if quiet else self._stale,
            )

        return tuple(spec(channel) for channel in self._channels)

    def socket_path(self, route):
        return f"/{route}"

    def subscribe(self, wire_names, request_id):
        return msgspec.json.encode({"method": "SUB", "params": wire_names, "id": request_id})

    def unsubscribe(self, wire_names, request_id):
        return msgspec.json.encode({"method": "UNSUB", "params": wire_names, "id": request_id})

    def stream_of(self, payload):
        if not payload.startswith(b'{"stream":"'):
            return None
        return payload[11 : payload.index(b'"', 11)].decode()

    def decode_frame(self, payload, recv_ns):
        raise NotImplementedError

    def decode_answer(self, source, payload, recv_ns):
        _, endpoint, symbol = source.split(":")
        ix = int(symbol[1:])
        if payload.startswith(b"<"):
            raise VenueMessageError("not JSON")
        if endpoint == "quote":
            return (Quote(ix, 1, 1, 1, 2, 1, recv_ns, recv_ns),)
        return (TradesBackfill(ix, "trade", (), recv_ns),)

    def heal_request(self, wish):
        kind = "book" if isinstance(wish, HealBook) else "trades"
        return RestRequest(
            path=f"/{kind}", query=(("ix", str(wish.instrument)),), weight=20,
            source=f"rest:{kind}:S{wish.instrument}", needs_key=wish.instrument == 99,
        )  # fmt: skip

    def poll_requests(self, instrument):
        return tuple(
            RestRequest(
                path=f"/{kind}", query=(), weight=2, source=f"rest:{kind}:{instrument.symbol}"
            )
            for kind in ("quote", "trades")
        )  # fmt: skip

    def time_request(self):
        return RestRequest(path="/time", query=(), weight=1, source="rest:time:")

    def server_time_ns(self, payload):
        return int(payload) * 1_000_000

    def failure(self, status, payload):
        if payload.startswith(b"<") or status >= 429 or status == 418:
            return TransientError(f"HTTP {status}")
        return VenueRejected(f"HTTP {status}", -1, status)


def frame_of(name, number=0):
    return b'{"stream":"%b","data":%d}' % (name.encode(), number)


class Rig:
    """A session whose clock is a number; keeps every action with its time."""

    def __init__(self, venue=None, instruments=1, settings=None, seed=1, **changes):
        self.venue = venue or MiniVenue()
        self.settings = settings or NetSettings(**changes)
        self.now = START
        self.log = []
        self.instruments = make_instruments(instruments)
        jitter = random.Random(seed).random
        self.session = Session(self.venue, self.instruments, self.settings, jitter, START)
        self.answered = set()
        self.polls = []
        specs = [s for i in self.instruments for s in self.venue.streams(i)]
        self.keep(self.session.add(specs, START))

    def keep(self, actions):
        self.log += [(self.now, action) for action in actions]

    def all(self, kind):
        return [action for _, action in self.log if isinstance(action, kind)]

    def times(self, kind):
        return [at for at, action in self.log if isinstance(action, kind)]

    def alarms(self):
        from poise.core.outputs import Diagnostic

        return [d.code for d in self.all(Diagnostic) if d.level == "alarm"]

    def run(self, seconds, feeding=(), period=0.5):
        """Let time pass, waking when asked; `feeding` is (socket, stream) pairs that talk."""
        end = self.now + int(seconds * SECOND)
        next_frame = self.now if feeding else 1 << 62
        for _ in range(200_000):
            due = min(self.session.next_wake_ns(), next_frame)
            if due > end:
                break
            self.now = max(self.now, due)
            if self.now >= next_frame:
                for socket, name in feeding:
                    self.frame(socket, name)
                next_frame = self.now + int(period * SECOND)
            self.keep(self.session.tick(self.now))
            self.polls += self.session.polls_due(self.now)
        else:
            pytest.fail("the session wants to be woken for ever")
        self.now = end

    def until_opens(self, count, feeding=()):
        for _ in range(10_000):
            if len(self.opens) >= count:
                return
            self.run(0.25, feeding)
        pytest.fail(f"only {self.opens} were opened")

    def opened(self, socket):
        self.keep(self.session.opened(socket, self.now))

    def lost(self, socket, reason="reset"):
        self.keep(self.session.lost(socket, reason, self.now))

    def frame(self, socket, name):
        seen = self.session.seen(socket)
        if name in seen:
            seen[name] = self.now
        else:
            self.keep(self.session.first(socket, name, self.now))

    def asks(self, socket):
        return [
            (at, msgspec.json.decode(action.payload))
            for at, action in self.log
            if isinstance(action, Send) and action.socket == socket
        ]

    def ack(self, socket, error=None):
        """Acknowledge everything sent on a socket and not acknowledged yet."""
        for _, message in self.asks(socket):
            key = (socket, message["id"])
            if key not in self.answered:
                self.answered.add(key)
                body = {"id": message["id"], "result": None}
                if error:
                    body = {"id": message["id"], "error": {"code": 2, "msg": error}}
                _, actions = self.session.control(socket, msgspec.json.encode(body), self.now)
                self.keep(actions)

    def live(self, socket=1, names=("S0@quote",)):
        """Bring a socket to where it delivers."""
        self.opened(socket)
        self.ack(socket)
        for name in names:
            self.frame(socket, name)
        return self

    def ups(self):
        return [(a.spec.wire_name, a.source) for a in self.all(Up)]

    def downs(self):
        return [a.spec.wire_name for a in self.all(Down)]

    def sources(self):
        return {s.spec.wire_name: s.source for s in self.session.streams()}

    opens = property(lambda self: [a.socket for a in self.all(Open)])
    closes = property(lambda self: [(a.socket, a.reason) for a in self.all(Close)])
    pings = property(lambda self: len(self.all(Ping)))


class Recorder:
    """A sink that remembers."""

    def __init__(self):
        self.frames, self.answers, self.events, self.diagnostics = [], [], [], []

    def on_frame(self, source, payload, recv_ns):
        self.frames.append((source, payload, recv_ns))

    def on_answer(self, source, payload, recv_ns):
        self.answers.append((source, payload, recv_ns))

    def on_event(self, event):
        self.events.append(event)

    def on_diagnostic(self, diagnostic):
        self.diagnostics.append(diagnostic)

    def up(self):
        """Streams that are up by the events alone."""
        state = {}
        for event in self.events:
            if isinstance(event, StreamUp):
                state[event.instrument, event.channel] = event.source
            elif isinstance(event, StreamDown):
                state[event.instrument, event.channel] = None
        return {key: source for key, source in state.items() if source}

    def codes(self, level="alarm"):
        return [each.code for each in self.diagnostics if each.level == level]


class ScriptedPeer:
    """A venue that talks every `period`, until told to misbehave (sets of names, flags)."""

    def __init__(self, period_s=0.25):
        self.period = int(period_s * SECOND)
        self.next = START
        self.sessions = {}
        self.deaf, self.mute, self.silent = set(), set(), set()
        self.refusing = ""
        self.acknowledges = True
        self.rest_status = 200
        self.accepted = 0
        self.received = []
        self.number = 0

    def connect(self, path, now_ns):
        if self.refusing:
            return self.refusing
        self.accepted += 1
        self.sessions[self.accepted] = {"route": path[1:], "streams": {}}
        return self.accepted

    def receive(self, session, text, now_ns):
        self.received.append((session, now_ns, text))
        if session not in self.sessions or session in self.mute:
            return []
        message = msgspec.json.decode(text)
        streams = self.sessions[session]["streams"]
        for name in message["params"]:
            if message["method"] == "SUB":
                streams[name] = None
            else:
                streams.pop(name, None)
        if not self.acknowledges:
            return []
        return [(session, msgspec.json.encode({"id": message["id"], "result": None}))]

    def ping(self, session, now_ns):
        alive = session in self.sessions and session not in self.mute
        return [(session, Pong())] if alive else []

    def pong(self, session, payload, now_ns):
        return []

    def disconnected(self, session):
        self.sessions.pop(session, None)

    def cut(self, session):
        self.sessions.pop(session, None)
        return [(session, Ended("cut"))]

    def advance(self, now_ns):
        out = []
        while self.next <= now_ns:
            self.next += self.period
            for session, state in self.sessions.items():
                if session in self.mute or session in self.deaf:
                    continue
                for name in state["streams"]:
                    if name not in self.silent:
                        self.number += 1
                        out.append((session, frame_of(name, self.number)))
        return out

    def next_due_ns(self):
        return self.next

    def request(self, request, now_ns):
        if self.rest_status != 200:
            return PeerAnswer(self.rest_status, {}, b"<html>")
        if request.path == "/time":
            return PeerAnswer(200, {}, b"%d" % (now_ns // 1_000_000))
        return PeerAnswer(200, {"x-used": "1"}, b"{}")


class LoopbackPeer:
    """The loopback venue as a `poise.net.virtual.Peer`."""

    def __init__(self, config, start_ns=START, headers=None):
        from poise.loopback.venue import Venue

        self.venue = Venue(config, start_ns)
        self.headers = headers or {}

    def _told(self, outputs):
        from poise.loopback import outputs as kinds

        told = []
        for session, out in outputs:
            if isinstance(out, kinds.Ping):
                told.append((session, Pinged(out.payload)))
            elif isinstance(out, kinds.Pong):
                told.append((session, Pong()))
            elif isinstance(out, kinds.Binary):
                told.append((session, out.payload))
            elif isinstance(out, kinds.Close):
                told.append((session, Ended(f"closed by the venue: {out.code} {out.reason}")))
            elif isinstance(out, kinds.Cut):
                told.append((session, Ended("connection lost")))
            else:
                told.append((session, out))
        return told

    def connect(self, path, now_ns):
        answer = self.venue.connect(path, {}, now_ns)
        return answer if isinstance(answer, int) else f"handshake refused: HTTP {answer.status}"

    def receive(self, session, text, now_ns):
        return self._told(self.venue.receive(session, text, now_ns))

    def ping(self, session, now_ns):
        return self._told(self.venue.receive_ping(session, b"", now_ns))

    def pong(self, session, payload, now_ns):
        return self._told(self.venue.receive_pong(session, now_ns))

    def disconnected(self, session):
        self.venue.disconnected(session)

    def advance(self, now_ns):
        return self._told(self.venue.advance(now_ns))

    def next_due_ns(self):
        return self.venue.next_due_ns()

    def request(self, request, now_ns):
        answer = self.venue.request("GET", request.path, dict(request.query), self.headers, now_ns)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return PeerAnswer(answer.status, headers, answer.body)


@pytest.fixture
def rig():
    return Rig


@pytest.fixture
def mini():
    return MiniVenue


@pytest.fixture
def recorder():
    return Recorder


@pytest.fixture
def scripted():
    return ScriptedPeer


@pytest.fixture
def loopback_peer():
    return LoopbackPeer


@pytest.fixture
def instruments():
    return make_instruments


@pytest.fixture
def start_ns():
    return START
