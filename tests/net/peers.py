"""Venues for the virtual driver: a scripted one, and the loopback."""

import msgspec
from tests.net.mini import SECOND, START, frame_of

from poise.net.virtual import Ended, PeerAnswer, Pinged, Pong


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
