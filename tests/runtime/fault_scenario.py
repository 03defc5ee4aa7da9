"""What one fault run is made of, all of it drawn from the run's number; and the venue as a peer."""

import functools
import random
from dataclasses import dataclass

import msgspec

from poise.core.events import PairSpec, RunStarted, TimeframeSpec
from poise.loopback import outputs
from poise.loopback.config import GeneratedConfig, Limits, VenueConfig
from poise.loopback.faults import WINDOW_KINDS, Fault, FaultKind, FaultPlan
from poise.loopback.venue import Venue
from poise.net.virtual import Ended, PeerAnswer, Pinged, Pong
from poise.venues.binance.instruments import parse_exchange_info
from poise.venues.binance.usdm import BinanceUsdm

SECOND = 1_000_000_000
MS = 1_000_000
START_NS = 1_790_000_000 * SECOND
LOOK_NS = 10 * MS
KEY = {"X-MBX-APIKEY": "test"}
MARKETS = 5
CHANNELS = (("trade", True), ("aggTrade", False), ("trade", False))
"""Raw trades with a key heal, aggregates heal without one, raw ones without a key cannot."""


@dataclass(frozen=True)
class Scenario:
    """One run: trade channel, whether there is a key, faults and the venue's rules."""

    seed: int
    channel: str
    has_key: bool
    until_s: float
    rotate_s: int
    config: VenueConfig

    @classmethod
    def drawn(cls, seed):
        """Between two and twelve kinds of faults within 12 to 20 seconds."""
        chance = random.Random(f"scenario {seed}")
        channel, has_key = CHANNELS[seed % len(CHANNELS)]
        until_s = chance.uniform(12.0, 20.0)
        faults = [*FaultPlan.drawn(seed, until_s, most=chance.choice((4, 6, 12))).faults]
        if chance.random() < 0.1:
            # Over the connector's limit of a frame, unlike those that plans draw.
            onset_s = chance.uniform(3.0, until_s)
            faults.append(Fault(FaultKind.HUGE_FRAME, at_s=(onset_s,), amount=9 << 20))
        if chance.random() < 0.4:
            faults.append(Fault(FaultKind.LOST, f"*@{channel}", share=0.03))
        plan = FaultPlan(seed, tuple(faults), until_s)
        limits = Limits(
            ping_every_ns=chance.randint(2, 20) * SECOND,
            pong_within_ns=5 * SECOND,
            retry_after=chance.random() < 0.5,
        )
        config = VenueConfig(market(seed % MARKETS), limits, plan, keep_truth=True)
        return cls(seed, channel, has_key, until_s, chance.choice((0, 0, 15)), config)

    @property
    def kinds(self):
        """Kinds of the plan, whether or not they come to pass."""
        return {fault.kind for fault in self.config.faults.faults}

    @property
    def last_s(self):
        """When the last window has closed."""
        windows = [f.duration_s for f in self.config.faults.faults if f.kind in WINDOW_KINDS]
        return self.until_s + max(windows, default=0.0)

    @property
    def instruments(self):
        """Instruments of its market."""
        return instruments_of(self.seed % MARKETS)

    def connector(self):
        """Return the venue's adapter; some rotate their sockets in seconds, not in 23 hours."""
        kind = BinanceUsdm
        if self.rotate_s:
            kind = type("Rotated", (Rotated,), {"lifetime_ns": self.rotate_s * SECOND})
        return kind(self.instruments, self.channel)


class Rotated(BinanceUsdm):
    """The same venue with short-lived sockets."""

    lifetime_ns = 0

    @property
    def socket_limits(self):
        return msgspec.structs.replace(super().socket_limits, lifetime_ns=self.lifetime_ns)


def market(number):
    """Three instruments, quick to make."""
    return GeneratedConfig(
        seed=number, instruments=3, trades_per_s=2.0, depth_levels=20, history_days=1, recent_s=60
    )


@functools.cache
def instruments_of(number):
    """Instruments as the connector reads them from an untroubled venue."""
    venue = Venue(VenueConfig(market(number)), START_NS)
    body = venue.request("GET", "/fapi/v1/exchangeInfo", {}, {}, START_NS).body
    found = parse_exchange_info(body, quote="USDT", now_ns=START_NS)
    return tuple(
        msgspec.structs.replace(each, ix=place) for place, each in enumerate(found.values())
    )


def run_started(instruments, channel, recv_ns=START_NS):
    """The first input of a run."""
    count = len(instruments)
    return RunStarted(
        environment="demo",
        run_id="faults",
        instruments=instruments,
        timeframes=(TimeframeSpec("1s", 20),),
        pairs=tuple(PairSpec(y, x) for x in range(count) for y in range(x + 1, count)),
        trade_channel=channel,
        recv_ns=recv_ns,
    )


class LoopbackPeer:
    """The loopback venue as a `poise.net.virtual.Peer`."""

    def __init__(self, venue, headers):
        self.venue = venue
        self.headers = headers

    def connect(self, path, now_ns):
        answer = self.venue.connect(path, {}, now_ns)
        return answer if isinstance(answer, int) else f"handshake refused: HTTP {answer.status}"

    def receive(self, session, text, now_ns):
        return told(self.venue.receive(session, text, now_ns))

    def ping(self, session, now_ns):
        return told(self.venue.receive_ping(session, b"", now_ns))

    def pong(self, session, payload, now_ns):
        return told(self.venue.receive_pong(session, now_ns))

    def disconnected(self, session):
        self.venue.disconnected(session)

    def advance(self, now_ns):
        return told(self.venue.advance(now_ns))

    def next_due_ns(self):
        """Look at the market every 10 ms at most, as the server does every 5."""
        due_ns = self.venue.next_due_ns()
        return due_ns and -(-due_ns // LOOK_NS) * LOOK_NS

    def request(self, request, now_ns):
        answer = self.venue.request("GET", request.path, dict(request.query), self.headers, now_ns)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return PeerAnswer(answer.status, headers, answer.body)


def told(outs):
    """What the venue puts out, in the words of the virtual driver."""
    words = []
    for session, out in outs:
        if isinstance(out, bytes):
            word = out
        elif isinstance(out, outputs.Binary):
            word = out.payload
        elif isinstance(out, outputs.Ping):
            word = Pinged(out.payload)
        elif isinstance(out, outputs.Pong):
            word = Pong()
        elif isinstance(out, outputs.Close):
            word = Ended(f"closed by the venue: {out.code} {out.reason}")
        else:
            word = Ended("connection lost in the middle of a frame")
        words.append((session, word))
    return words
