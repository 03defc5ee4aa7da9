"""Helpers: a venue on virtual time, a connector's book written naively, the real recordings."""

import os
from pathlib import Path

import msgspec
import pytest

from poise.loopback.config import GeneratedConfig, VenueConfig
from poise.loopback.outputs import Pong
from poise.loopback.venue import Venue

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND


class Virtual:
    """A venue whose time is a number; collects what each socket was sent."""

    def __init__(self, config: VenueConfig, start_ns: int = START):
        self.venue = Venue(config, start_ns)
        self.now = start_ns
        self.sent: dict[int, list] = {}
        self.times: dict[int, list[int]] = {}

    def _keep(self, outputs):
        for session, out in outputs:
            self.sent.setdefault(session, []).append(out)
            self.times.setdefault(session, []).append(self.now)

    def connect(self, path, **query):
        return self.venue.connect(path, query, self.now)

    def send(self, session, message):
        text = message if isinstance(message, bytes) else msgspec.json.encode(message)
        self._keep(self.venue.receive(session, text, self.now))

    def pong(self, session):
        self._keep(self.venue.receive_pong(session, self.now))

    def ping(self, session, payload):
        self._keep(self.venue.receive_ping(session, payload, self.now))
        return [out for out in self.sent[session] if isinstance(out, Pong)]

    def run(self, seconds, step_ms=10):
        end = self.now + int(seconds * SECOND)
        while self.now < end:
            self.now = min(end, self.now + step_ms * 1_000_000)
            self._keep(self.venue.advance(self.now))

    def get(self, path, headers=None, **query):
        texts = {name: str(value) for name, value in query.items()}
        answer = self.venue.request("GET", path, texts, headers or {}, self.now)
        return answer.status, msgspec.json.decode(answer.body), answer.headers

    def frames(self, session):
        """Data frames of a socket, parsed; control answers left out."""
        texts = [out for out in self.sent.get(session, []) if isinstance(out, bytes)]
        parsed = [msgspec.json.decode(text) for text in texts]
        return [each for each in parsed if "id" not in each]

    def ends(self, session):
        return [out for out in self.sent.get(session, []) if not isinstance(out, bytes | Pong)]


class NaiveBook:
    """The official procedure in ten lines of strings and floats-free dicts: the oracle."""

    def __init__(self, snapshot):
        self.bids = dict(map(tuple, snapshot["bids"]))
        self.asks = dict(map(tuple, snapshot["asks"]))
        self.u = snapshot["lastUpdateId"]
        self.last = None

    def apply(self, event):
        if event["u"] < self.u and self.last is None:
            return
        if self.last is None:
            assert event["U"] <= self.u <= event["u"] or event["pu"] == self.u
        else:
            assert event["pu"] == self.last
        self.last = self.u = event["u"]
        for side, levels in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, qty in levels:
                if float(qty):
                    side[price] = qty
                else:
                    side.pop(price, None)

    def best(self):
        bid = max(self.bids, key=float)
        ask = min(self.asks, key=float)
        return bid, self.bids[bid], ask, self.asks[ask]


@pytest.fixture(scope="session")
def virtual():
    return Virtual


@pytest.fixture
def naive_book():
    return NaiveBook


@pytest.fixture
def small():
    """A market of four instruments, quick to make."""
    return GeneratedConfig(seed=3, instruments=4, history_days=3, recent_s=600)


@pytest.fixture(scope="session")
def recordings():
    """Both USD-M recordings; skips without data, unless POISE_DATA promises them."""
    promised = os.environ.get("POISE_DATA")
    root = Path(promised or Path(__file__).parents[3] / "shared" / "data")
    paths = tuple(root / "hftbacktest" / f"usdm_{coin}usdt_20240808.gz" for coin in ("btc", "eth"))
    missing = [path for path in paths if not path.exists()]
    if missing and promised:
        pytest.fail(f"POISE_DATA is set but {missing[0]} is missing")
    if missing:
        pytest.skip("no recordings; set POISE_DATA")
    return paths
