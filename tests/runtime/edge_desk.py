"""The real core over the loopback's frames on virtual time: journals for tests of the edge."""

import itertools
import random
from pathlib import Path

import msgspec

from poise.core.events import PairSpec, RunStarted, TimeframeSpec, Timer
from poise.core.outputs import HealBook, HealTrades
from poise.engine.step import Engine
from poise.loopback.config import GeneratedConfig, VenueConfig
from poise.loopback.venue import Venue
from poise.runtime.sequencer import Sequencer
from poise.store.journal_writer import JournalWriter
from poise.venues.binance.instruments import parse_exchange_info
from poise.venues.binance.usdm import BinanceUsdm

START = 1_780_000_000_000_000_000
STEP_NS = 20_000_000


class Desk:
    """The real core over the loopback's frames on virtual time, with a bad line between them."""

    def __init__(self, folder: Path, venue: Venue, run_id: str, seed: int, now_ns: int) -> None:
        self.loopback = venue
        self.now_ns = now_ns
        self.random = random.Random(seed)
        self.wishes = []
        self.trailing = []
        self.run = make_run(venue, run_id, now_ns)
        self.venue = BinanceUsdm(self.run.instruments, "aggTrade")
        self.journal = JournalWriter(
            folder,
            environment="demo",
            run_id=run_id,
            code_version="t",
            config_hash="t",
            wall_ns=lambda: self.now_ns,
            segment_bytes=200_000,
        )
        self.engine = Engine()
        self.sequencer = Sequencer(
            self.venue,
            self.engine,
            journal=self.journal,
            on_step=self._note,
            first_seq=self.journal.recovered.last_seq + 1,
        )

    def _note(self, event, outputs):
        self.wishes += [each for each in outputs if isinstance(each, HealTrades | HealBook)]

    def play(self, seconds: float) -> None:
        self.sequencer.start(self.run)
        sessions = [self._open(route) for route in ("public", "market")]
        end_ns = self.now_ns + int(seconds * 1e9)
        for tick in itertools.count():
            if self.now_ns >= end_ns:
                break
            self.now_ns += STEP_NS
            for session, out in self.loopback.advance(self.now_ns):
                if session in sessions and isinstance(out, bytes):
                    self._frame(out)
            while self.trailing and self.trailing[0][0] <= self.now_ns:
                self.sequencer.frame("ws:2", self.trailing.pop(0)[1], self.now_ns)
            self._grant()
            if tick % 5 == 0:
                self.sequencer.control(Timer(self.now_ns))
            if tick % 3 == 0:
                self.journal.pump(self.now_ns, sync=tick % 6 == 0)
        self.journal.close(self.now_ns)

    def _open(self, route: str) -> int:
        session = self.loopback.connect(self.venue.socket_path(route), {}, self.now_ns)
        names = [
            spec.wire_name
            for item in self.run.instruments
            for spec in self.venue.streams(item)
            if spec.route == route
        ]
        self.loopback.receive(session, self.venue.subscribe(tuple(names), 1), self.now_ns)
        return session

    def _frame(self, payload: bytes) -> None:
        dice = self.random.random()
        if b"aggTrade" in payload and dice < 0.1:
            return  # lost: the core finds the gap and heals it
        for _ in range(2 if dice > 0.9 else 1):
            self.sequencer.frame("ws:1", payload, self.now_ns)
        if 0.5 < dice < 0.8:  # a second socket that trails the first
            self.trailing.append((self.now_ns + 400_000_000, payload))
        if dice > 0.995:
            self.sequencer.frame("ws:1", payload[:-7], self.now_ns)

    def _grant(self) -> None:
        wishes, self.wishes = self.wishes, []
        for wish in wishes:
            if self.random.random() < 0.5:
                self.wishes.append(wish)  # an answer that takes its time
                continue
            request = self.venue.heal_request(wish)
            answer = self.loopback.request(
                "GET", request.path, dict(request.query), {}, self.now_ns
            )
            assert answer.status == 200, answer
            self.sequencer.answer(request.source, answer.body, self.now_ns)


def make_run(venue: Venue, run_id: str, now_ns: int) -> RunStarted:
    info = venue.request("GET", "/fapi/v1/exchangeInfo", {}, {}, now_ns).body
    known = parse_exchange_info(info, quote="USDT", now_ns=now_ns)
    items = tuple(known.values())
    return RunStarted(
        environment="demo",
        run_id=run_id,
        instruments=tuple(msgspec.structs.replace(item, ix=ix) for ix, item in enumerate(items)),
        timeframes=(TimeframeSpec("1s", 20), TimeframeSpec("1m", 20)),
        pairs=(PairSpec(0, 1),),
        trade_channel="aggTrade",
        recv_ns=now_ns,
    )


def make_desk(folder: Path) -> tuple[Path, Venue, Desk]:
    """A journal of two runs, the venue behind it, and the second run's core."""
    market = GeneratedConfig(seed=3, instruments=3, trades_per_s=12.0, history_days=1, recent_s=60)
    venue = Venue(VenueConfig(market), START)
    first = Desk(folder, venue, "run-1", 1, START)
    first.play(6.0)
    second = Desk(folder, venue, "run-2", 2, first.now_ns + 300_000_000)
    second.play(5.0)
    return folder, venue, second
