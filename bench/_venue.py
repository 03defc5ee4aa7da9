"""The sender: a process of its own that speaks just enough of the venue's wire, and keeps time.

Frames are built, headers and all, before a stretch begins. Each then leaves at its intended time,
or as soon after it as the sender is on the processor and the socket takes it; whoever comes late
never makes the next one later (open loop). Everything due goes out by one `send`.
"""

import base64
import bisect
import ctypes
import hashlib
import json
import socket
import threading
import time
from urllib.parse import parse_qs, urlsplit

import numpy as np
from _feed import stamp
from _stages import exchange_info, snapshot

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STAMP_NS = 2_000
_AT_ONCE = 64
_PR_SET_TIMERSLACK = 29
PAST_S = 330
STREAMS = 3
"""Flowing streams of an instrument: trade, quote, depth."""


def run(feed, pipe):
    """Serve until the other end of the pipe closes; first message out is the port."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    venue = _Venue(feed)
    pipe.send(venue.port)
    while True:
        try:
            command = pipe.recv()
        except EOFError:
            return
        pipe.send(venue.play(*command))


class _Venue:
    def __init__(self, feed):
        self.feed = feed
        self.next_frame = 0
        self._rng = np.random.default_rng(11)  # noqa: TID251 - a bench draws its data
        self._flow = None
        self._marks = None
        self._subscribed = 0
        self._paged = {}
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = server.getsockname()[1]
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()
        threading.Thread(target=self._send_marks, daemon=True).start()

    def play(self, rate, seconds, pace):
        """Send a stretch; returns its first number, and intended times in ns."""
        wanted = STREAMS * len(self.feed.symbols)
        with self._changed:
            if not self._changed.wait_for(lambda: self._subscribed >= wanted, timeout=60):
                raise RuntimeError(f"{self._subscribed} of {wanted} streams subscribed")
        first, count = self.next_frame, int(rate * seconds)
        if pace == "recorded":
            places = np.arange(first, first + count) % len(self.feed.gaps)
            gaps = self.feed.gaps[places]
        elif pace == "poisson":
            gaps = self._rng.exponential(1.0, count)
        else:
            gaps = np.ones(count)
        wire, ends, places = self.feed.build(first, count)
        self.next_frame += count
        start = time.time_ns() + 500_000_000 + _STAMP_NS * count
        times = start + np.rint(np.cumsum(gaps) * (1e9 / rate)).astype(np.int64)
        stamp(wire, places, times)
        if time.time_ns() > start:
            raise RuntimeError("stamping took longer than foreseen: the machine is too busy")
        late_ns = _send(self._flow, self._writing, memoryview(wire), ends.tolist(), times.tolist())
        return first, times.tobytes(), late_ns

    # --- the venue's side of the sockets, one thread each

    def _accept(self, server):
        while True:
            peer, _ = server.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer, peer.makefile("rb") as lines:
            while True:
                target, key = _request(lines)
                if target is None:
                    return
                if key:
                    self._serve_socket(peer, lines, target, key)
                    return
                body = self._answer(urlsplit(target))
                status = b"200 OK" if body else b"404 Not Found"
                peer.sendall(
                    b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                    % (status, len(body), body)
                )

    def _serve_socket(self, peer, lines, target, key):
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        peer.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-accept: %b\r\n\r\n" % accept
        )
        public = target.startswith("/public")
        for kind, payload in _frames_of(lines):
            if kind == 9:
                with self._writing:
                    peer.sendall(bytes((0x8A, len(payload))) + payload)
                continue
            command = json.loads(payload)
            peer.sendall(_text(json.dumps({"result": None, "id": command["id"]}).encode()))
            with self._changed:
                if public:
                    self._flow = peer
                    self._subscribed += len(command["params"])
                else:
                    self._marks = peer
                self._changed.notify_all()

    def _send_marks(self):
        while True:
            time.sleep(1.0)
            now = time.time_ns() // 1_000_000
            for symbol in self.feed.symbols if self._marks else ():
                data = (
                    f'{{"stream":"{symbol.lower()}@markPrice@1s","data":{{"e":"markPriceUpdate",'
                    f'"E":{now},"s":"{symbol}","p":"61800.20000000","i":"61801.00000000",'
                    f'"P":"61800.00000000","r":"0.00010000","T":{now + 3_600_000}}}}}'
                )
                try:
                    self._marks.sendall(_text(data.encode()))
                except OSError:
                    return  # the core has gone

    # --- REST

    def _answer(self, url):
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        name = url.path.rpartition("/")[2]
        if name == "exchangeInfo":
            return json.dumps(exchange_info(self.feed.symbols)).encode()
        if name == "time":
            return json.dumps({"serverTime": time.time_ns() // 1_000_000}).encode()
        ix = self.feed.symbols.index(query["symbol"])
        if name == "depth":
            return snapshot(self.feed, ix)
        if name == "klines":
            return json.dumps(_klines(ix, query["interval"], int(query["limit"]))).encode()
        if name == "aggTrades":
            return json.dumps(self._past_trades(ix, first="startTime" in query)).encode()
        return b""

    def _past_trades(self, ix, *, first):
        """One trade a second: those before the first that is sent, then those since that answer."""
        now = time.time_ns() // 1_000_000
        next_id = self.feed.first_trade_id(ix)
        if first:
            self._paged[ix] = now
        since = (now - self._paged[ix]) // 1000
        rows = range(-PAST_S, 0) if first else range(since)
        path = _walk(ix, PAST_S + since)
        return [
            {
                "a": PAST_S + n + 1,
                "p": f"{path[PAST_S + n]:.2f}",
                "q": "0.100",
                "f": next_id + n,
                "l": next_id + n,
                "T": self._paged[ix] + n * 1000,
                "m": False,
            }
            for n in rows
        ]


def _walk(ix, count):
    rng = np.random.default_rng(ix)  # noqa: TID251
    return 61_800.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-4, count)))


def _klines(ix, interval, limit):
    step = int(interval[:-1]) * 60_000
    start = (time.time_ns() // 1_000_000 // step - limit + 1) * step
    rows = []
    for n, price in enumerate(_walk(ix, limit).tolist()):
        text = f"{price:.2f}"
        at = start + n * step
        rows.append([at, text, text, text, text, "10.000", at + step - 1, "100.0", 10])
    return rows


def _send(peer, writing, wire, ends, times):
    """Keep the schedule; returns the latest start of a `send` behind its intended time.

    A `send` that waits for room holds the lock, so that no pong lands in the middle of a frame; it
    takes few frames, so that no pong is late.
    """
    at = begin = latest = 0
    count = len(times)
    clock, sleep, due = time.time_ns, time.sleep, bisect.bisect_right
    while at < count:
        wait = times[at] - clock()
        if wait > 0:
            sleep(wait / 1e9)
        now = clock()
        latest = max(latest, now - times[at])
        upto = min(due(times, now, at), at + _AT_ONCE)
        if upto > at:
            end = ends[upto - 1]
            with writing:
                peer.sendall(wire[begin:end])
            at, begin = upto, end
    return latest


def _request(lines):
    """Target of the next request, and the key of a WebSocket handshake."""
    head = lines.readline().split()
    key = b""
    while (line := lines.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"sec-websocket-key":
            key = value.strip()
    return (head[1].decode(), key) if len(head) == 3 else (None, b"")


def _frames_of(lines):
    """Kind and payload of each frame of a client."""
    while len(head := lines.read(2)) == 2 and head[0] & 15 != 8:
        size = head[1] & 127
        if size == 126:
            size = int.from_bytes(lines.read(2), "big")
        mask, body = lines.read(4), lines.read(size)
        yield head[0] & 15, bytes(byte ^ mask[n & 3] for n, byte in enumerate(body))


def _text(payload):
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload
    return bytes((0x81, 126)) + len(payload).to_bytes(2, "big") + payload
