"""A whole desk on virtual time against the loopback, with a mix of faults drawn from one number.

    python -m tests.runtime.fault_desk SEED [SEED ...]

replays runs and says what happened in them. Real `Feed`, `BinanceUsdm`, `Sequencer` and `Engine`;
only sockets, REST and time are virtual. Nothing here reads a clock or draws from the system.
"""

import functools
import random
import sys
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from poise.core.events import DepthDiff, DepthSnapshot, PairSpec, Quote, RunStarted, Timer
from poise.core.events import TimeframeSpec
from poise.core.outputs import BookState, Diagnostic, Gap, HealBook, HealTrades
from poise.engine.digest import RunDigest
from poise.engine.step import Engine
from poise.loopback import outputs as out_kinds
from poise.loopback.config import GeneratedConfig, Limits, VenueConfig
from poise.loopback.faults import REQUEST_KINDS, WINDOW_KINDS, Fault, FaultKind, FaultPlan
from poise.loopback.venue import Venue
from poise.net.virtual import Ended, PeerAnswer, Pinged, Pong, VirtualDriver
from poise.runtime.sequencer import Sequencer
from poise.venues.binance.instruments import parse_exchange_info
from poise.venues.binance.usdm import BinanceUsdm
from tests.runtime.fault_truth import MS, SECOND, TrueBook, check_trades, levels, true_trades

START_NS = 1_790_000_000 * SECOND
TIMER_NS = 100 * MS
LOOK_NS = 10 * MS
UNNOTICED_S = 16.0
"""A half-open socket is taken for a quiet one for 10 s, and has 5 s to answer a ping."""
CALM_S = 5
"""How long everything must be well before a run ends."""
LONGEST_S = 1200
"""Bans, retries and back-off end by then; a run that is not well is stuck."""
CROSSED_FOR_NS = 1_100 * MS + 2 * 40 * MS
"""How long a lie of the venue may stand: the grace of 1 s, a timer, and the way there."""
KEY = {"X-MBX-APIKEY": "test"}


class LoopbackPeer:
    """The loopback venue as a `poise.net.virtual.Peer`."""

    def __init__(self, venue, headers):
        self.venue = venue
        self.headers = headers

    def _told(self, outputs):
        told = []
        for session, out in outputs:
            if isinstance(out, bytes):
                told.append((session, out))
            elif isinstance(out, out_kinds.Binary):
                told.append((session, out.payload))
            elif isinstance(out, out_kinds.Ping):
                told.append((session, Pinged(out.payload)))
            elif isinstance(out, out_kinds.Pong):
                told.append((session, Pong()))
            elif isinstance(out, out_kinds.Close):
                told.append((session, Ended(f"closed by the venue: {out.code} {out.reason}")))
            else:
                told.append((session, Ended("connection lost in the middle of a frame")))
        return told

    def connect(self, path, now_ns):
        answer = self.venue.connect(path, {}, now_ns)
        return answer if isinstance(answer, int) else f"handshake refused: HTTP {answer.status}"

    def receive(self, session, text, now_ns):
        return self._told(self.venue.receive(session, text, now_ns))

    def ping(self, session, now_ns):
        return self._told(self.venue.receive_ping(session, b"", now_ns))

    def pong(self, session, payload, now_ns):  # noqa: ARG002 - a peer's shape
        return self._told(self.venue.receive_pong(session, now_ns))

    def disconnected(self, session):
        self.venue.disconnected(session)

    def advance(self, now_ns):
        return self._told(self.venue.advance(now_ns))

    def next_due_ns(self):
        """Look at the market every 10 ms at most, as the server does every 5."""
        due_ns = self.venue.next_due_ns()
        return due_ns and -(-due_ns // LOOK_NS) * LOOK_NS

    def request(self, request, now_ns):
        answer = self.venue.request("GET", request.path, dict(request.query), self.headers, now_ns)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return PeerAnswer(answer.status, headers, answer.body)


class ShortLived(BinanceUsdm):
    """The same venue with sockets that are rotated every few seconds instead of every 23 hours."""

    lifetime_ns = 0

    @property
    def socket_limits(self):
        return msgspec.structs.replace(super().socket_limits, lifetime_ns=self.lifetime_ns)


@dataclass(frozen=True)
class Scenario:
    """All that makes one run."""

    seed: int
    channel: str
    has_key: bool
    until_s: float
    rotate_s: int
    config: VenueConfig

    @classmethod
    def drawn(cls, seed):
        chance = random.Random(f"scenario {seed}")
        channel, has_key = (("trade", True), ("aggTrade", False), ("trade", False))[seed % 3]
        until_s = chance.uniform(15.0, 25.0)
        plan = FaultPlan.drawn(seed, until_s, most=chance.choice((4, 6, 12)))
        if chance.random() < 0.1:
            # Over the connector's limit of a frame, unlike those that plans draw.
            huge = Fault(FaultKind.HUGE_FRAME, at_s=(chance.uniform(3.0, until_s),), amount=9 << 20)
            plan = FaultPlan(plan.seed, (*plan.faults, huge), until_s)
        limits = Limits(
            ping_every_ns=chance.randint(2, 20) * SECOND,
            pong_within_ns=5 * SECOND,
            lifetime_ns=chance.choice((12, 20, 86_400, 86_400)) * SECOND,
            retry_after=chance.random() < 0.5,
        )
        config = VenueConfig(market(seed % 5), limits, plan, keep_truth=True)
        return cls(seed, channel, has_key, until_s, chance.choice((0, 0, 15)), config)

    @property
    def last_s(self):
        """When the last window is over and the last half-open socket has been found out."""
        faults = self.config.faults.faults
        window_s = max((f.duration_s for f in faults if f.kind in WINDOW_KINDS), default=0.0)
        return self.until_s + max(window_s, UNNOTICED_S * (FaultKind.HALF_OPEN in self.kinds))

    @property
    def kinds(self):
        return {fault.kind for fault in self.config.faults.faults}


def market(number):
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


class Watched(Engine):
    """The engine, with a witness behind every step."""

    def __init__(self, witness):
        super().__init__()
        self._witness = witness

    def step(self, event):
        outputs = super().step(event)
        self._witness(event, outputs)
        return outputs


@dataclass
class Witness:
    """Sees every step of an engine and compares its books and quotes with the venue's on the spot.

    Attributes
    ----------
    lies
        Times at which the venue crossed a book on the wire, by symbol.
    """

    engine: Engine
    instruments: tuple
    truths: list
    lies: dict = field(default_factory=dict)
    accepted: dict = field(default_factory=dict)
    gaps: dict = field(default_factory=dict)
    books_checked: int = 0
    quotes_checked: int = 0
    states: list = field(default_factory=list)

    def __call__(self, event, outputs):
        market = self.engine.market if self.engine.run else None
        if market is None:
            return
        for trade in market.accepted:
            self.accepted.setdefault(trade.instrument, []).append(trade)
        for output in outputs:
            if isinstance(output, Gap):
                self.gaps.setdefault(output.instrument, []).append(output)
            elif isinstance(output, BookState):
                self.states.append(output)
        if isinstance(event, DepthDiff | DepthSnapshot):
            self._check_book(event.instrument, event.recv_ns)
        elif isinstance(event, Quote) and market.quote is not None:
            self._check_quote(market.quote)

    def _check_book(self, ix, now_ns):
        sync = self.engine.market.instruments[ix].book
        if not sync.live:
            return
        self.books_checked += 1
        ours, theirs = levels(sync.book), self.truths[ix].at(sync.book.last_id)
        if ours == theirs:
            return
        wrong = set(ours[0].items()) ^ set(theirs[0].items())
        lied = [at for at in self.lies.get(ix, ()) if 0 <= now_ns - at <= CROSSED_FOR_NS]
        assert ours[1] == theirs[1], f"asks of {ix} differ at {sync.book.last_id}"
        assert len(wrong) <= len(lied), f"bids of {ix} differ at {sync.book.last_id}: {wrong}"

    def _check_quote(self, quote):
        truth = self.truths[quote.instrument].best_at(quote.update_id)
        if truth is None:
            return
        self.quotes_checked += 1
        seen = (quote.bid, quote.bid_qty, quote.ask, quote.ask_qty)
        swapped = (quote.ask, quote.bid_qty, quote.bid, quote.ask_qty)
        assert truth in {seen, swapped}, f"quote {quote} is not the venue's {truth}"


class Desk:
    """One run; also the sink of its driver."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.instruments = instruments_of(scenario.seed % 5)
        self.venue = Venue(scenario.config, START_NS)
        kind = BinanceUsdm
        if scenario.rotate_s:
            kind = type("Rotated", (ShortLived,), {"lifetime_ns": scenario.rotate_s * SECOND})
        connector = kind(self.instruments, scenario.channel)
        self.digest = RunDigest()
        self.engine = Watched(self._witness)
        truths = [TrueBook(feed.book) for feed in self.venue.market._feeds]
        symbols = [feed.spec.symbol for feed in self.venue.market._feeds]
        truths = [truths[symbols.index(item.symbol)] for item in self.instruments]
        self.witness = Witness(self.engine, self.instruments, truths)
        self.sequencer = Sequencer(
            connector, self.engine, on_step=self._on_step, digest=self.digest
        )
        headers = KEY if scenario.has_key else {}
        self.driver = VirtualDriver(
            connector,
            self.instruments,
            self,
            LoopbackPeer(self.venue, headers),
            seed=scenario.seed,
            start_ns=START_NS,
            has_key=scenario.has_key,
        )
        self.connector = connector
        self.log = []
        self.events = []
        self.diagnostics = Counter()
        self.settled_ns = 0
        self.calls = []
        self._lies_read = 0

    # --- the sink

    def on_frame(self, source, payload, recv_ns):
        self.log.append(("frame", source, payload, recv_ns))
        self.sequencer.frame(source, payload, recv_ns)

    def on_answer(self, source, payload, recv_ns):
        self.log.append(("answer", source, payload, recv_ns))
        self.sequencer.answer(source, payload, recv_ns)

    def on_event(self, event):
        self.events.append(event)
        self._control(event)

    def on_diagnostic(self, diagnostic):
        self.diagnostics[diagnostic.code] += 1

    def _control(self, event):
        self.log.append(("control", event))
        self.sequencer.control(event)

    def _on_step(self, event, outputs):  # noqa: ARG002 - one shape
        for output in outputs:
            if isinstance(output, HealTrades | HealBook):
                self.driver.heal(output)
            elif isinstance(output, Diagnostic):
                self.diagnostics[output.code] += 1

    def _witness(self, event, outputs):
        injected = self.venue.injected
        for each in injected[self._lies_read :]:
            if each.kind is FaultKind.CROSSED_DEPTH:
                symbol = each.target.partition("@")[0].upper()
                ix = next(item.ix for item in self.instruments if item.symbol == symbol)
                self.witness.lies.setdefault(ix, []).append(each.at_ns)
        self._lies_read = len(injected)
        self.witness(event, outputs)

    # --- the run

    def run(self):
        """Until the faults are over and everything has been well for a while."""
        self._control(run_started(self.scenario, self.instruments))
        self.driver.start()
        faulty_ns = START_NS + int(self.scenario.last_s * SECOND)
        well_since = 0
        ticks = 0
        while self.driver.now_ns < START_NS + LONGEST_S * SECOND:
            self.driver.run(self.driver.now_ns + TIMER_NS)
            self._control(Timer(self.driver.now_ns))
            ticks += 1
            if ticks % 70 == 0:
                self._ask()
            if self.driver.now_ns < faulty_ns or not self.is_well():
                well_since = 0
                continue
            well_since = well_since or self.driver.now_ns
            if self.driver.now_ns - well_since >= CALM_S * SECOND:
                self.settled_ns = well_since
                break
        return self

    def is_well(self):
        """All books live, all streams up by socket, nothing healing."""
        states = self.engine.market.instruments
        return all(state.book.live and not state.trades.healing for state in states) and all(
            stream.source == "socket" for stream in self.driver.feed.session.streams()
        )

    def _ask(self):
        """A request of a caller's own, as the history of a chart."""
        place = len(self.calls)
        self.calls.append(0)

        def done(payload, error):
            assert bool(payload) is (error is None)
            self.calls[place] += 1

        item = self.instruments[place % len(self.instruments)]
        self.driver.fetch(self.connector.klines_request(item, "1m", 5), done)

    # --- what must hold at the end

    def check(self):
        assert self.settled_ns, f"not well after {LONGEST_S} s: {self.trouble()}"
        clock_lied = FaultKind.CLOCK_SKEW in self.scenario.kinds
        for item in self.instruments:
            accepted = self.witness.accepted.get(item.ix, [])
            assert accepted, f"{item.symbol}: no trade at all"
            truth = true_trades(
                self.venue.market, item.symbol, self.scenario.channel, accepted[0].trade_id
            )
            gaps = self.witness.gaps.get(item.ix, [])
            until_ns = self.driver.now_ns - SECOND
            since_ns = self.settled_ns
            # What was lost at the very end of the faults is found by the next trade only.
            if not any(since_ns < row[4] <= until_ns for row in truth):
                until_ns = 0
            check_trades(truth, accepted, gaps, until_ns, times=not clock_lied)
            self._check_present(item)
        self._check_losses()
        assert self.witness.books_checked > 100
        assert self.witness.quotes_checked > 20
        alternate(self.events)
        self._check_nothing_left()

    def _check_present(self, item):
        sync = self.engine.market.instruments[item.ix].book
        assert levels(sync.book) == self.witness.truths[item.ix].at(sync.book.last_id)
        newest = self.venue.market._feeds[item.ix].book.last_update_id
        assert sync.book.last_id <= newest

    def _check_losses(self):
        """Where REST answers and may be asked, nothing is lost for good."""
        able = self.scenario.has_key or self.scenario.channel == "aggTrade"
        if able and not self.scenario.kinds & REQUEST_KINDS:
            lost = [g for gaps in self.witness.gaps.values() for g in gaps if not g.healed]
            assert not lost, lost[:3]

    def _check_nothing_left(self):
        self.driver.stop()
        self.driver.run(self.driver.now_ns + 5 * SECOND)
        assert not self.driver.feed._healing
        assert self.driver.open_sockets == 0
        assert self.venue.sessions == 0
        assert self.driver.feed.desk.waiting == 0
        assert self.driver.feed._purposes == {}
        assert set(self.calls) == {1}, "every caller is answered once"

    def trouble(self):
        states = self.engine.market.instruments
        down = [s for s in self.driver.feed.session.streams() if s.source != "socket"]
        return (
            f"books {[s.book.state.name for s in states]}, "
            f"healing {[s.trades.healing for s in states]}, "
            f"down {[(s.spec.wire_name, s.source, s.reason) for s in down]}"
        )

    def replayed(self):
        """Digest of the recorded inputs through a fresh core, without any transport."""
        digest = RunDigest()
        sequencer = Sequencer(self.connector, Engine(), digest=digest)
        for kind, *record in self.log:
            getattr(sequencer, kind)(*record)
        return digest.hexdigest()


def run_started(scenario, instruments):
    pairs = tuple(PairSpec(y, x) for x in range(3) for y in range(x + 1, 3))
    return RunStarted(
        environment="demo",
        run_id=f"faults-{scenario.seed}",
        instruments=instruments,
        timeframes=(TimeframeSpec("1s", 20),),
        pairs=pairs,
        trade_channel=scenario.channel,
        recv_ns=START_NS,
    )


def alternate(events):
    """A stream never goes down twice in a row, nor up twice by the same way."""
    state = {}
    for event in events:
        if type(event).__name__ == "HealFailed":
            continue
        key = event.instrument, event.channel
        source = getattr(event, "source", None)
        assert state.get(key, "never") != source, f"{event} changes nothing"
        state[key] = source


def main():
    for seed in map(int, sys.argv[1:]):
        scenario = Scenario.drawn(seed)
        print(scenario)
        desk = Desk(scenario).run()
        gaps = [gap for found in desk.witness.gaps.values() for gap in found]
        print(
            f"seed {seed}: {(desk.driver.now_ns - START_NS) / SECOND:.1f} s, "
            f"{sum(map(len, desk.witness.accepted.values()))} trades, "
            f"{desk.witness.books_checked} books and {desk.witness.quotes_checked} quotes compared, "
            f"{sum(gap.healed for gap in gaps)} gaps healed, "
            f"{sum(not gap.healed for gap in gaps)} recorded; injected "
            f"{dict(Counter(str(each.kind) for each in desk.venue.injected))}; "
            f"{dict(desk.diagnostics)}; digest {desk.digest.hexdigest()[:16]}"
        )
        desk.check()
        print("all invariants hold")


if __name__ == "__main__":
    main()
