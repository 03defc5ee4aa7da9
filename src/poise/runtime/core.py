"""The core process: sockets, sequencer, step. One Python thread, and the journal's."""

import asyncio
import contextlib
import gc
import hashlib
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

import msgspec
import numpy as np

from poise import __version__
from poise.core.errors import TransientError, UserError, VenueRejected
from poise.core.events import ControlEvent, Event, PairAdded, PairSpec, RunStarted, Timer
from poise.core.instrument import Instrument
from poise.core.outputs import Bar, Diagnostic, HealBook, HealTrades, Output
from poise.core.units import NS_PER_MS, InstrumentIx, Ns
from poise.engine.step import Engine
from poise.market.timeframes import timeframe_seconds
from poise.net.driver import Driver
from poise.runtime import messages as link
from poise.runtime.boot import choose_instruments, choose_pairs, tls_context
from poise.runtime.kernels import warm_kernels
from poise.runtime.latency import LatencyRing
from poise.runtime.link_server import LinkServer
from poise.runtime.recovery import (
    Checkpoint,
    continued_from,
    drop_old_segments,
    last_trade_ids,
    write_checkpoint,
)
from poise.runtime.sequencer import Sequencer
from poise.runtime.settings import CoreSettings
from poise.runtime.views import quote_table
from poise.runtime.warm import Warmer
from poise.store.journal_thread import JournalThread
from poise.store.journal_writer import JournalWriter
from poise.venues.binance.usdm import BinanceUsdm

TIMER_S = 0.1
SAMPLE_MASK = 15
"""One frame in 16 is timed."""
CHECKPOINT_S = 600.0
COLLECT_EVERY = 100
"""Timers between two collections of garbage: 10 s."""


class Core:
    """A running desk core; use `run_core`."""

    def __init__(
        self,
        settings: CoreSettings,
        instruments: tuple[Instrument, ...],
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._say = say
        self._instruments = instruments
        self._frames = 0
        self._timers = 0
        self._latency = LatencyRing()
        self._diagnostics: dict[str, int] = {}
        self._refreshed: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stage = "starting"
        self._failure: Exception | None = None
        self.finished = asyncio.Event()
        self._venue = BinanceUsdm(instruments, settings.trade_channel)
        self.engine = Engine()
        self._data = Path(settings.data)
        continued = continued_from(self._data, settings.trade_channel)
        self._journal = JournalWriter(
            self._data / "journal",
            environment=settings.environment,
            run_id=settings.run_id,
            code_version=__version__,
            config_hash=hashlib.blake2b(msgspec.msgpack.encode(settings)).hexdigest()[:32],
            wall_ns=time.time_ns,
        )
        self._journal_thread = JournalThread(self._journal)
        self.sequencer = Sequencer(
            self._venue,
            self.engine,
            journal=self._journal,
            on_step=self._on_outputs,
            first_seq=self._journal.recovered.last_seq + 1,
        )
        self._driver = Driver(
            self._venue,
            instruments,
            self,
            ws_url=settings.ws_url,
            rest_url=settings.rest_url,
            tls=tls_context(settings.ca_file),
        )
        self._warmer = Warmer(
            self._venue, settings, self._driver.fetch, self._deliver, self._problem
        )
        self._link = LinkServer(Path(settings.link), self._hello, self._command)
        self._started_ns = time.time_ns()
        self.run = RunStarted(
            environment=settings.environment,
            run_id=settings.run_id,
            instruments=instruments,
            timeframes=settings.timeframes,
            pairs=choose_pairs(instruments, settings.pairs, settings.max_pairs),
            trade_channel=settings.trade_channel,
            recv_ns=Ns(self._started_ns),
            continued=continued,
        )

    async def start(self) -> None:
        """Journal, link, sockets, history; returns at once, warming goes on beside."""
        self._journal_thread.start()
        self.sequencer.start(self.run)
        await self._link.start()
        await self._driver.start()
        self._spawn(self._tick())
        self._spawn(self._watch())
        self._spawn(self._keep())
        if self._settings.warm:
            self._spawn(self._warm())
        else:
            self._ready()

    async def stop(self) -> None:
        """Close sockets, write and sync everything; raises what stopped the core, if anything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._driver.stop()
        await self._link.stop()
        checkpoint = self._checkpoint()
        self._journal_thread.stop()
        if self._failure is None:
            write_checkpoint(self._data, checkpoint)
        gc.unfreeze()
        gc.enable()
        if self._failure is not None:
            raise self._failure

    # --- the sink of the driver

    def on_frame(self, source: str, payload: bytes, recv_ns: int) -> None:
        """Take one socket frame."""
        self.sequencer.frame(source, payload, recv_ns)
        self._frames += 1
        if not self._frames & SAMPLE_MASK:
            self._latency.add(time.time_ns() - recv_ns)

    def on_answer(self, source: str, payload: bytes, recv_ns: int) -> None:
        """Take one REST answer."""
        self._deliver(source, payload, recv_ns)

    def on_event(self, event: ControlEvent) -> None:
        """Take what became of a stream or a heal request."""
        self.sequencer.control(event)

    def on_diagnostic(self, diagnostic: Diagnostic) -> None:
        """Take what an operator should see."""
        self.sequencer.note(diagnostic, time.time_ns())
        if diagnostic.level == "alarm":
            self._say(f"alarm: {diagnostic.text}")

    # --- what the core asks for

    def _on_outputs(self, event: Event, outputs: list[Output]) -> None:  # noqa: ARG002 - one shape
        for output in outputs:
            kind = type(output)
            if kind is HealTrades or kind is HealBook:
                self._driver.heal(output)  # type: ignore[arg-type]
            elif kind is Bar:
                self._refresh_first(output)  # type: ignore[arg-type]
            elif kind is Diagnostic and output.level == "alarm":  # type: ignore[union-attr]
                self._say(f"alarm: {output.text}")  # type: ignore[union-attr]

    def _refresh_first(self, bar: Bar) -> None:
        """The first live bar of a timeframe had begun before us: fetch it whole."""
        name = bar.timeframe
        if bar.origin == "live" and name not in self._refreshed and name != "1s":
            self._refreshed.add(name)
            if self._settings.warm and timeframe_seconds(name) % 60 == 0:
                self._spawn(self._refresh_soon(name))

    async def _refresh_soon(self, timeframe: str) -> None:
        await asyncio.sleep(1.0)
        await self._warmer.refresh(self._instruments, timeframe)

    def _deliver(self, source: str, payload: bytes, recv_ns: int) -> None:
        self.sequencer.answer(source, payload, recv_ns)

    def _problem(self, text: str) -> None:
        self.on_diagnostic(Diagnostic("warning", "history", text))
        self._say(text)

    # --- tasks

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        """Stop the run when the driver or the core fails."""
        try:
            await self._driver.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the run and is told
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
        self.finished.set()

    async def _keep(self) -> None:
        """Every ten minutes: a checkpoint, and old journal segments dropped."""
        settings = self._settings
        while True:
            await asyncio.sleep(CHECKPOINT_S)
            checkpoint = self._checkpoint()
            # In a thread: writing and syncing a small file must not hold the loop up.
            await asyncio.to_thread(write_checkpoint, self._data, checkpoint)
            await asyncio.to_thread(
                drop_old_segments,
                self._data,
                checkpoint,
                time.time_ns(),
                settings.keep_hours,
                settings.keep_gib,
            )

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            seq=self.sequencer.seq,
            segment=self._journal.position.segment,
            run=self.run,
            last_ids=last_trade_ids(self.engine.market),
        )

    async def _warm(self) -> None:
        self._stage = "paging history"
        await self._warmer.run(self._instruments, time.time_ns)
        self._ready()

    def _ready(self) -> None:
        self._stage = "ready"
        rows = self.engine.pairs.params
        ready = int(np.nansum(rows[:, 4])) if len(rows) else 0
        self._say(f"ready: {ready} of {len(rows)} pair rows warm")
        # From here on nearly all garbage is freed by count; what cycles remain wait for idle time.
        gc.collect()
        gc.freeze()
        gc.disable()

    async def _tick(self) -> None:
        """Ten times a second: time into the core, state to the edge."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + TIMER_S, loop.time())
            await asyncio.sleep(due - loop.time())
            if self._journal.error is not None:
                self._fail(self._journal.error)
                return
            self.sequencer.control(Timer(Ns(time.time_ns())))
            self._timers += 1
            if self._link.connected:
                self._link.send(self._state())
                if self._timers % 10 == 0:
                    self._link.send(self._health())
            if self._timers % COLLECT_EVERY == 0:
                gc.collect(1)

    # --- the link

    def _hello(self) -> link.Hello:
        return link.Hello(self.run, self._started_ns, self._settings.notice)

    def _state(self) -> link.State:
        pairs = self.engine.pairs
        return link.State(
            seq=self.sequencer.seq,
            recv_ns=time.time_ns(),
            quotes=quote_table(self.engine.market).tobytes(),
            params=pairs.params.tobytes(),
            outputs=pairs.outputs.tobytes(),
            rows=len(pairs.params),
        )

    def _health(self) -> link.CoreHealth:
        feeds = [
            link.Feed(
                name=row.name,
                state=row.state,
                source=row.source,
                streams=row.streams,
                messages=row.messages,
                age_ms=None if row.age_ns is None else row.age_ns / NS_PER_MS,
                reconnects=row.reconnects,
                detail=row.detail,
            )
            for row in self._driver.reports()
        ]
        p50, p99 = self._latency.percentiles_us()
        offset_ns = self._driver.clock_offset_ns
        return link.CoreHealth(
            feeds=feeds,
            quarantined=self.sequencer.quarantined,
            last_refusal=self.sequencer.last_refusal,
            journal_bytes=self._journal.bytes_written,
            journal_unsynced=self.sequencer.seq - self._journal.synced_seq,
            clock_offset_ms=None if offset_ns is None else offset_ns / NS_PER_MS,
            p50_us=p50,
            p99_us=p99,
            stage=self._stage,
            ready=self._stage == "ready",
        )

    async def _command(self, command: link.FromEdge) -> link.Done:
        error = ""
        try:
            if isinstance(command, link.AddPairCommand):
                pair = PairSpec(InstrumentIx(command.y), InstrumentIx(command.x))
                self.engine.pairs.check(pair)
                self.sequencer.control(PairAdded(pair, Ns(time.time_ns())))
            elif isinstance(command, link.RefreshBook):
                self._driver.heal(HealBook(self._instruments[command.instrument].ix, 0))
            else:
                item = self._instruments[command.instrument]
                await self._warmer.older(item, command.timeframe, command.end_ns, command.limit)
        except (UserError, TransientError, VenueRejected) as refusal:
            error = str(refusal)
        return link.Done(command.request, self.sequencer.seq, error)


async def run_core(
    settings: CoreSettings,
    stop: asyncio.Event,
    say: Callable[[str], None],
    ready: Callable[[str], None],
) -> None:
    """Run a core until `stop` is set or something breaks; `ready` once its link is open.

    Raises
    ------
    UserError
        When the settings, the data folder or the venue cannot be used.
    PoiseError
        What stopped the core while running (disk full, a broken invariant).
    """
    say(f"venue {settings.rest_url}")
    instruments = await choose_instruments(settings, Ns(time.time_ns()))
    warm_kernels()
    core = Core(settings, instruments, say)
    say(f"{len(instruments)} instruments, {len(core.run.pairs)} pairs")
    await core.start()
    ready(settings.link)
    stopping = asyncio.ensure_future(stop.wait())
    finished = asyncio.ensure_future(core.finished.wait())
    try:
        await asyncio.wait({stopping, finished}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        finished.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await core.stop()
