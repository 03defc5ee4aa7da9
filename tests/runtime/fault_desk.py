"""A whole desk on virtual time against the loopback, with a mix of faults drawn from one number.

    python -m tests.runtime.fault_desk SEED [SEED ...]

replays runs and says what happened in them. Real `Feed`, `BinanceUsdm`, `Sequencer` and `Engine`;
only sockets, REST and time are virtual. Nothing here reads a clock or draws from the system.
"""

import sys
from collections import Counter

from tests.runtime.fault_scenario import (
    KEY,
    MS,
    SECOND,
    START_NS,
    LoopbackPeer,
    Scenario,
    run_started,
)
from tests.runtime.fault_truth import (
    Watched,
    Witness,
    check_alternation,
    check_trades,
    is_well,
    trouble,
    true_trades,
)

from poise.core.events import Timer
from poise.core.outputs import Diagnostic, HealBook, HealTrades
from poise.engine.digest import RunDigest
from poise.engine.step import Engine
from poise.loopback.faults import REQUEST_KINDS, FaultKind
from poise.loopback.venue import Venue
from poise.net.virtual import VirtualDriver
from poise.runtime.sequencer import Sequencer

TIMER_NS = 100 * MS
CALM_S = 5
"""How long everything must be well before a run ends."""
LONGEST_S = 1200
"""Bans, retries and back-off end by then; a run that is not well is stuck."""
ASK_EVERY = 70
"""Timers between two requests of a caller's own."""


class Desk:
    """One run; also the sink of its driver."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.instruments = scenario.instruments
        self.venue = Venue(scenario.config, START_NS)
        self.connector = scenario.connector()
        self.witness = Witness(self.instruments, self.venue)
        self.engine = Watched(self.witness)
        self.digest = RunDigest()
        self.sequencer = Sequencer(
            self.connector, self.engine, on_step=self._on_step, digest=self.digest
        )
        self.driver = VirtualDriver(
            self.connector,
            self.instruments,
            self,
            LoopbackPeer(self.venue, KEY if scenario.has_key else {}),
            seed=scenario.seed,
            start_ns=START_NS,
            has_key=scenario.has_key,
        )
        self.log = []
        self.events = []
        self.diagnostics = Counter()
        self.settled_ns = 0
        self.calls = []

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

    def _on_step(self, event, outputs):
        for output in outputs:
            if isinstance(output, HealTrades | HealBook):
                self.driver.heal(output)
            elif isinstance(output, Diagnostic):
                self.diagnostics[output.code] += 1

    # --- the run

    def begin(self):
        """Start the run and its sockets."""
        self._control(run_started(self.instruments, self.scenario.channel))
        self.driver.start()

    def run(self):
        """Until the faults are over and everything has been well for a while."""
        self.begin()
        faulty_ns = START_NS + int(self.scenario.last_s * SECOND)
        well_since = 0
        for tick in range(1, LONGEST_S * 10):
            self.driver.run(START_NS + tick * TIMER_NS)
            now_ns = self.driver.now_ns
            self._control(Timer(now_ns))
            if tick % ASK_EVERY == 0:
                self._ask()
            if now_ns < faulty_ns or not self.is_well():
                well_since = 0
                continue
            well_since = well_since or now_ns
            if now_ns - well_since >= CALM_S * SECOND:
                self.settled_ns = well_since
                break
        return self

    def is_well(self):
        return is_well(self.engine, self.driver.feed.session, self.venue)

    def _ask(self):
        """A request of a caller's own, as for the history of a chart."""
        place = len(self.calls)
        self.calls.append(0)

        def done(payload, error):
            assert bool(payload) is (error is None)
            self.calls[place] += 1

        item = self.instruments[place % len(self.instruments)]
        self.driver.fetch(self.connector.klines_request(item, "1m", 5), done)

    # --- what must hold at the end

    def check(self):
        """Raise AssertionError for whatever is not as it must be."""
        assert not self.witness.errors, self.witness.errors[:3]
        session = self.driver.feed.session
        assert self.settled_ns, f"not well after {LONGEST_S} s: {trouble(self.engine, session)}"
        for item in self.instruments:
            self._check_trades(item)
        for state in self.engine.market.instruments:
            self.witness.check_book(state, self.driver.now_ns)
        assert not self.witness.errors, self.witness.errors[:3]
        assert self.witness.books > 100
        assert self.witness.quotes > 20
        check_alternation(self.events)
        self._check_nothing_is_left()

    def _check_trades(self, item):
        channel, kinds = self.scenario.channel, self.scenario.kinds
        accepted, gaps = self.witness.accepted[item.ix], self.witness.gaps[item.ix]
        assert accepted, f"{item.symbol}: no trade at all"
        first_id = accepted[0].trade_id
        truth = true_trades(self.venue.market, item.symbol, channel, first_id)
        # A trade after the calm began is here within a second, and shows what was lost before it.
        until_ns = self.driver.now_ns - SECOND
        calm = [row[0] for row in truth if self.settled_ns < row[4] <= until_ns]
        check_trades(
            truth,
            accepted,
            gaps,
            until_id=max(calm, default=0),
            times=FaultKind.CLOCK_SKEW not in kinds,
        )
        lost = [gap for gap in gaps if not gap.healed]
        if channel == "trade" and not self.scenario.has_key:
            assert all("needs an API key" in gap.reason for gap in lost)
        elif not kinds & REQUEST_KINDS:
            assert not lost, "REST had them all"

    def _check_nothing_is_left(self):
        feed = self.driver.feed
        self.driver.stop()
        self.driver.run(self.driver.now_ns + 5 * SECOND)
        assert self.driver.open_sockets == 0
        assert self.venue.sessions == 0
        assert feed.desk.waiting == 0
        assert (feed._healing, feed._purposes) == ({}, {})
        assert set(self.calls) == {1}, "every caller is answered once"

    def replayed(self):
        """Digest of the recorded inputs through a fresh core, without any transport."""
        digest = RunDigest()
        sequencer = Sequencer(self.connector, Engine(), digest=digest)
        for kind, *record in self.log:
            getattr(sequencer, kind)(*record)
        return digest.hexdigest()

    @property
    def injected(self):
        """How often each kind of fault was committed."""
        return Counter(str(each.kind) for each in self.venue.injected)

    def summary(self):
        """What happened, in a line that is the same for every run of a seed."""
        gaps = [gap for found in self.witness.gaps.values() for gap in found]
        return (
            f"seed {self.scenario.seed}: {(self.driver.now_ns - START_NS) / SECOND:.1f} s, "
            f"{sum(map(len, self.witness.accepted.values()))} trades, {self.witness.books} books "
            f"and {self.witness.quotes} quotes compared, {sum(gap.healed for gap in gaps)} gaps "
            f"healed, {sum(not gap.healed for gap in gaps)} recorded; injected "
            f"{dict(self.injected)}; {dict(self.diagnostics)}; digest {self.digest.hexdigest()}"
        )


def main():
    for seed in map(int, sys.argv[1:]):
        scenario = Scenario.drawn(seed)
        desk = Desk(scenario).run()
        print(desk.summary(), flush=True)
        desk.check()
        print("all invariants hold")


if __name__ == "__main__":
    main()
