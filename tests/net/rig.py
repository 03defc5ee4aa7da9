"""A session whose clock is held by hand."""

import random

import msgspec
import pytest
from tests.net.mini import SECOND, START, MiniVenue, make_instruments

from poise.core.outputs import Diagnostic
from poise.net.actions import Close, Down, Open, Ping, Send, Up
from poise.net.session import Session
from poise.net.settings import NetSettings


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
