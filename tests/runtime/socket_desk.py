"""A real core over real sockets against the loopback server, with faults; all in one event loop.

The connector's patience is shortened, the rules are the same: what waits 15 s live waits 2 s here.
No assertion depends on how fast anything is; every wait ends when its condition holds.
"""

import asyncio
import contextlib
import gc
import random
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import msgspec
import psutil
from tests.runtime.fault_scenario import CHANNELS, KEY, MS, SECOND, market
from tests.runtime.fault_truth import (
    Watched,
    Witness,
    check_trades,
    is_well,
    trouble,
    true_trades,
)

from poise.core.events import TimeframeSpec
from poise.loopback.config import ServerConfig, VenueConfig
from poise.loopback.faults import (
    FRAME_KINDS,
    REQUEST_KINDS,
    SESSION_KINDS,
    Fault,
    FaultKind,
    FaultPlan,
)
from poise.loopback.faulty import Faults
from poise.loopback.server import LoopbackServer
from poise.net.driver import Driver
from poise.net.settings import NetSettings
from poise.runtime.boot import choose_instruments, tls_context
from poise.runtime.core import Core
from poise.runtime.journal_replay import JournalReplay
from poise.runtime.settings import CoreSettings
from poise.venues.binance.usdm import BinanceUsdm

PATIENCE = NetSettings(
    connect_timeout_ns=5 * SECOND,
    ack_timeout_ns=2 * SECOND,
    quiet_grace_ns=300 * MS,
    ping_after_ns=1 * SECOND,
    pong_timeout_ns=1500 * MS,
    backoff_base_ns=100 * MS,
    backoff_cap_ns=2 * SECOND,
    repair_base_ns=500 * MS,
    repair_cap_ns=3 * SECOND,
    stable_ns=3 * SECOND,
    request_timeout_ns=5 * SECOND,
)
FAULTY_S = 2.2
WINDOW_S = 0.8
CALM_LOOKS = 8
LOOK_S = 0.05
MOST_LOOKS = 3_000
"""Waits are bounded far beyond any slow machine, within the timeout of a test."""
LET_GO_LOOKS = 400
CROSSED_FOR_NS = 60 * SECOND
"""A machine that stops for a while stops the timer too: how long a lie stood proves nothing."""
DRAWN = 6


class Impatient(BinanceUsdm):
    """The same venue with shorter deadlines for streams."""

    def streams(self, instrument):
        return tuple(
            msgspec.structs.replace(
                spec,
                first_frame_ns=min(spec.first_frame_ns, 3 * SECOND),
                stale_ns=min(spec.stale_ns, 4 * SECOND),
            )
            for spec in super().streams(instrument)
        )


def plan_of(number):
    """A handful of kinds within seconds, always with lost depth and a lost socket among them."""
    chance = random.Random(f"sockets {number}")
    kinds = chance.sample(list(FaultKind), DRAWN)
    faults = [
        Fault(FaultKind.LOST, "*@depth*", at_s=(0.5, 1.5)),
        Fault(FaultKind.DISCONNECT, at_s=(0.4, 1.4)),
    ]
    return FaultPlan(number, (*faults, *(fault_of(kind, chance) for kind in kinds)), FAULTY_S)


def fault_of(kind, chance):
    times = tuple(sorted(chance.uniform(0.2, FAULTY_S) for _ in range(3)))
    if kind in SESSION_KINDS:
        return Fault(kind, at_s=times[:1])
    if kind in REQUEST_KINDS:
        amounts = {FaultKind.HTTP_503: chance.randrange(3)}
        return Fault(kind, at_s=(0.0, *times[:2]), amount=amounts.get(kind, 1))
    if kind is FaultKind.HUGE_FRAME:
        return Fault(kind, at_s=times[:1], amount=9 << 20)
    if kind in FRAME_KINDS:
        target = "*" if kind is not FaultKind.CROSSED_DEPTH else "*@depth*"
        return Fault(kind, target, at_s=times)
    amount = chance.randint(-5000, 5000) if kind is FaultKind.CLOCK_SKEW else 0
    # Over both lost sockets, so that those opened anew meet a window too.
    return Fault(kind, at_s=(0.35, 1.35), duration_s=WINDOW_S, amount=amount)


@dataclass
class Run:
    """One run and what is kept of it."""

    number: int
    folder: object
    ca: object = None
    said: list = field(default_factory=list)
    injected: Counter = field(default_factory=Counter)
    books: int = 0
    seconds: float = 0.0

    async def play(self):
        """From an empty loop to an empty loop."""
        before = held()
        started = time.monotonic()
        server = LoopbackServer(self._server_config())
        async with server:
            core, witness = await self._make_core(server)
            await core.start()
            try:
                await self._trouble_it(server, core)
                await self._catch_up(server, core, witness)
                self._check(server, core, witness)
            finally:
                await core.stop()
        self.injected = Counter(each.kind for each in server.venue.injected)
        self.books = witness.books
        self.seconds = time.monotonic() - started
        assert server.venue.sessions == 0
        await nothing_more_than(before)
        self._check_journal(core)

    @property
    def starts_troubled(self):
        """Half of the runs meet their faults from the first byte on."""
        return self.number % 2 == 1

    def _server_config(self):
        faults = plan_of(self.number) if self.starts_troubled else FaultPlan()
        tls = None
        if self.ca is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.ca.issue_cert("127.0.0.1").configure_cert(tls)
        venue = VenueConfig(market(self.number), faults=faults, keep_truth=True)
        return ServerConfig(venue, tls=tls)

    async def _make_core(self, server):
        channel, has_key = CHANNELS[self.number % len(CHANNELS)]
        ca_file = ""
        if self.ca is not None:
            ca_file = str(self.folder / "authority.pem")
            self.ca.cert_pem.write_to_path(ca_file)
        settings = CoreSettings(
            environment="demo",
            run_id=f"sockets-{self.number}",
            data=str(self.folder / "data"),
            link=str(self.folder / "link"),
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            ca_file=ca_file,
            most_traded=3,
            timeframes=(TimeframeSpec("1s", 20),),
            trade_channel=channel,
            warm=False,
        )
        instruments = await until(lambda: instruments_or_none(settings), "no instruments")
        core = Core(settings, instruments, self.said.append)
        witness = Witness(instruments, server.venue, CROSSED_FOR_NS)
        core.engine = Watched(witness)
        core.sequencer._step = core.engine.step
        core._driver = Driver(
            Impatient(instruments, channel),
            instruments,
            core,
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            settings=PATIENCE,
            tls=tls_context(ca_file),
            key_headers=KEY if has_key else None,
            seed=self.number,
        )
        return core, witness

    async def _trouble_it(self, server, core):
        """Let the faults happen, and wait until all is well again and stays so."""
        if not self.starts_troubled:
            await self._calm(server, core)
            venue = server.venue
            venue._faults = Faults(plan_of(self.number), venue.market, time.time_ns())
        await asyncio.sleep(FAULTY_S + WINDOW_S)
        await self._calm(server, core)

    async def _calm(self, server, core):
        looks = 0
        for _ in range(MOST_LOOKS):
            await asyncio.sleep(LOOK_S)
            session = core._driver.feed.session
            ran = core.engine.run is not None and not core.finished.is_set()
            looks = looks + 1 if ran and is_well(core.engine, session, server.venue) else 0
            if looks >= CALM_LOOKS:
                return
        problem = core._failure or trouble(core.engine, core._driver.feed.session)
        raise AssertionError(f"it does not get well: {problem}")

    async def _catch_up(self, server, core, witness):
        """Wait until every trade that has been made by now has come."""
        channel = core.run.trade_channel
        for item in core.run.instruments:
            await until(lambda ix=item.ix: witness.accepted[ix], f"{item.symbol}: no trade")
            first_id = witness.accepted[item.ix][0].trade_id
            last_id = true_trades(server.venue.market, item.symbol, channel, first_id)[-1][0]
            state = core.engine.market.instruments[item.ix]
            await until(
                lambda state=state, last_id=last_id: state.trades.last_id >= last_id,
                f"{item.symbol}: trade {last_id} does not come",
            )

    def _check(self, server, core, witness):
        channel, has_key = CHANNELS[self.number % len(CHANNELS)]
        kinds = {each.kind for each in server.venue.injected}
        for item in core.run.instruments:
            accepted, gaps = witness.accepted[item.ix], witness.gaps[item.ix]
            first_id = accepted[0].trade_id
            truth = true_trades(server.venue.market, item.symbol, channel, first_id)
            # Trades may be queued behind a gap that has opened this very moment.
            state = core.engine.market.instruments[item.ix]
            check_trades(
                truth,
                accepted,
                gaps,
                until_id=state.trades.last_id,
                times=FaultKind.CLOCK_SKEW not in kinds,
            )
            if has_key or channel == "aggTrade":
                assert all(gap.healed for gap in gaps) or kinds & REQUEST_KINDS, gaps
            witness.check_book(state, time.time_ns())
        assert not witness.errors, witness.errors[:3]
        assert witness.books
        assert witness.quotes

    def _check_journal(self, core):
        """The journal replays to the same outputs, frame by frame."""
        result = JournalReplay(self.folder / "data" / "journal").run()
        assert result.mismatches == 0, result.first_mismatches
        assert result.runs == 1
        assert result.quarantined == core.sequencer.quarantined
        assert result.trades == sum(s.trades.count for s in core.engine.market.instruments)


async def instruments_or_none(settings):
    """Instruments by the ordinary way; None while faults prevent it."""
    with contextlib.suppress(Exception):
        return await choose_instruments(settings, time.time_ns())


async def until(what, complaint):
    """Wait until a call gives something true, and return that."""
    for _ in range(MOST_LOOKS):
        found = what()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        await asyncio.sleep(LOOK_S)
    raise AssertionError(complaint)


def held():
    """What this process holds open: sockets, files, tasks, threads."""
    process = psutil.Process()
    return (
        {(c.fd, c.laddr, c.raddr) for c in process.net_connections("all") if c.fd >= 0},
        {each.path for each in process.open_files()},
        asyncio.all_tasks(),
        {t.name for t in threading.enumerate() if not t.name.startswith("asyncio_")},
    )


async def nothing_more_than(before):
    """No socket, file, task or thread more than before; the loop gets its time to let go."""
    for _ in range(LET_GO_LOOKS):
        gc.collect()
        now = held()
        if now[0] <= before[0] and now[1] <= before[1] and now[2:] == before[2:]:
            return
        await asyncio.sleep(LOOK_S)
    raise AssertionError(f"left over: {now} after {before}")
