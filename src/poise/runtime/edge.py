"""The edge: replica, lake, link and history as one object that the API reads and asks."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from poise.core.errors import InvariantBroken, PoiseError, TransientError, UserError
from poise.core.events import RunStarted
from poise.core.outputs import Diagnostic
from poise.runtime import messages as link
from poise.runtime.edge_bars import BarTable
from poise.runtime.edge_history import History, LakeReader, warm_from_lake
from poise.runtime.edge_lake import EdgeLake
from poise.runtime.edge_link import CoreLink, Present
from poise.runtime.edge_tail import JournalFeed
from poise.runtime.kernels import warm_history_kernel
from poise.runtime.replica import Replica
from poise.runtime.settings import EdgeSettings
from poise.store.journal_tail import journal_identity

HELLO_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 5.0
STATE_TIMEOUT_S = 2.0
MEND_EVERY_S = 2.0
MEND_AGAIN_S = 20.0
CAUGHT_UP_NS = 2_000_000_000


class Edge:
    """Everything behind the API; start it, read it, stop it.

    Attributes
    ----------
    replica
        The journal's market.
    present
        The core's latest state; None before the first.
    quote_versions, row_versions
        Per instrument and per pair row, the number of the state that last changed it.
    version
        Number of the latest state; it also rises when the core comes or goes.
    """

    def __init__(self, settings: EdgeSettings) -> None:
        self.settings = settings
        self.core = CoreLink(Path(settings.link), self._on_hello, self._on_state)
        self.replica = Replica()
        self.present: Present | None = None
        self.version = 1
        self.quote_versions = np.zeros(0, np.int64)
        self.row_versions = np.zeros(0, np.int64)
        self.lake: EdgeLake | None = None
        self.lake_refused = ""
        self.started_ns = time.time_ns()
        self._folder = Path(settings.data)
        self._feed = JournalFeed(
            self._folder / "journal", settings.environment, self.replica, None, self._alarm
        )
        self.history = History(self.core, self._feed, lambda: self._reader)
        self._reader: LakeReader | None = None
        self._state_came = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the lake, begin to read the journal, and wait for the core for a while."""
        self._tasks.append(asyncio.create_task(self._listen()))
        # Before the first request: compiling would hold up every page for seconds.
        await asyncio.gather(
            self.core.wait_for_hello(HELLO_TIMEOUT_S), asyncio.to_thread(warm_history_kernel)
        )
        if self.settings.lake:
            self._open_lake()
        self._feed = JournalFeed(
            self._folder / "journal",
            self.settings.environment,
            self.replica,
            self.lake,
            self._alarm,
        )
        self.history = History(self.core, self._feed, lambda: self._reader)
        try:
            self._feed.locate()
            await self._warm()
        except (PoiseError, OSError) as error:
            self._alarm(f"what was stored before could not be read: {error}")
        self._reading = asyncio.create_task(self._feed.run())
        self._tasks.append(asyncio.create_task(self._mend_books()))

    async def stop(self) -> None:
        """Commit what was read, and let everything go."""
        await self._feed.stop()
        if self._reading is not None:
            await self._reading
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._reader is not None:
            self._reader.close()
        if self.lake is not None:
            self.lake.close()

    @property
    def run(self) -> RunStarted | None:
        """The run that is shown: the core's, or while none was ever seen the journal's."""
        hello = self.core.hello
        return self.replica.run if hello is None else hello.run

    @property
    def bars(self) -> BarTable | None:
        """Bars of the run that is shown; None while the journal has not come so far."""
        run, replica = self.run, self.replica
        if run is None or replica.run is None or replica.run.run_id != run.run_id:
            return None
        return replica.bars

    @property
    def journal_state(self) -> str:
        """``reading``, or ``stopped:`` and why."""
        return self._feed.state

    async def add_pair(self, y: int, x: int) -> None:
        """Follow one more pair; returns when its rows are in the present state.

        Raises
        ------
        UserError, TransientError
            What the core refused, or that it did not answer.
        """
        seq = await self.core.command(
            lambda request: link.AddPairCommand(request, y, x), COMMAND_TIMEOUT_S
        )
        try:
            async with asyncio.timeout(STATE_TIMEOUT_S):
                while self.present is None or self.present.seq < seq:
                    self._state_came.clear()
                    await self._state_came.wait()
        except TimeoutError:
            raise TransientError("the pair was added, but the core sends no state") from None

    def _open_lake(self) -> None:
        hello = self.core.hello
        try:
            journal = journal_identity(self._folder / "journal")
            if journal is None:
                raise UserError(f"there is no journal in {self._folder}")
            self.lake = EdgeLake(
                self._folder / "lake",
                environment=self.settings.environment,
                run_id=hello.run.run_id if hello is not None else "",
                journal_id=journal,
                wall_ns=time.time_ns,
                alarm=self._alarm,
            )
        except (PoiseError, OSError) as error:
            self.lake_refused = str(error)
            self._alarm(f"the tick lake is off: {error}")
            return
        self.replica.rows = self.lake.add
        assert self.lake.writer is not None
        self._reader = LakeReader(self._folder / "lake", self.lake.writer)

    async def _warm(self) -> None:
        """An edge that starts again within a run shows the bars from before."""
        lake, run, table = self.lake, self.replica.run, self.replica.bars
        if lake is not None and lake.writer is not None and run is not None and table is not None:
            root = self._folder / "lake"
            await asyncio.to_thread(warm_from_lake, table, run, root, lake.writer)

    async def _listen(self) -> None:
        try:
            await self.core.run()
        except InvariantBroken as error:
            self._alarm(str(error))

    def _alarm(self, text: str) -> None:
        self.replica.note(Diagnostic("alarm", "edge", text), time.time_ns())

    def _on_hello(self, hello: link.Hello) -> None:
        if self.present is not None:
            self.present = None  # another run's rows are other instruments' rows
        self.quote_versions = np.zeros(len(hello.run.instruments), np.int64)
        self.row_versions = np.zeros(0, np.int64)

    def _on_state(self, present: Present) -> None:
        old, self.present = self.present, present
        self.version += 1
        version = self.version
        if old is None or old.quotes.shape != present.quotes.shape:
            self.quote_versions = np.full(len(present.quotes), version)
        else:
            self.quote_versions[_changed(old.quotes, present.quotes)] = version
        rows = len(present.params)
        if old is None or len(old.params) > rows:
            self.row_versions = np.full(rows, version)
        else:
            before = len(old.params)
            changed = _changed(old.params, present.params[:before])
            changed |= _changed(old.outputs, present.outputs[:before])
            versions = np.full(rows, version)
            versions[:before] = np.where(changed, version, self.row_versions)
            self.row_versions = versions
        self._state_came.set()

    def touch_quotes(self) -> None:
        """Have every quote row sent again: something about all of them changed."""
        self.version += 1
        self.quote_versions[:] = self.version

    async def _mend_books(self) -> None:
        """Ask for a snapshot of books that the core holds and this copy cannot begin."""
        asked: dict[int, float] = {}
        while True:
            await asyncio.sleep(MEND_EVERY_S)
            now = time.monotonic()
            for ix in self._books_missing():
                if now - asked.get(ix, -MEND_AGAIN_S) >= MEND_AGAIN_S:
                    asked[ix] = now
                    with contextlib.suppress(UserError, TransientError):
                        await self.core.command(_refresh(ix), COMMAND_TIMEOUT_S)

    def _books_missing(self) -> list[int]:
        present, market, run = self.present, self.replica.market, self.replica.run
        if present is None or market is None or run is None or not self.core.connected:
            return []
        if self.run is not run and self.run is not None and self.run.run_id != run.run_id:
            return []
        if present.recv_ns - self.replica.recv_ns > CAUGHT_UP_NS:
            return []  # what is missing may yet come
        live = present.quotes[:, link.BOOK_LIVE] == 1.0
        return [
            ix
            for ix, state in enumerate(market.instruments)
            if ix < len(live) and live[ix] and not state.book.live
        ]


def _refresh(instrument: int) -> Callable[[int], link.RefreshBook]:
    return lambda request: link.RefreshBook(request, instrument)


def _changed(old: Any, new: Any) -> Any:
    """Rows that differ; NaN equals NaN."""
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    return ~same.all(axis=1)
