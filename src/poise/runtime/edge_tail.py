"""Reading the journal into replica and lake, a little at a time, so that the API stays awake."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from poise.core.errors import PoiseError
from poise.core.events import ControlEvent, RunStarted
from poise.runtime.edge_lake import EdgeLake
from poise.runtime.replica import Replica
from poise.store.journal_format import START, Block, Kind, Position
from poise.store.journal_reader import JournalReader
from poise.store.journal_tail import JournalTail

POLL_S = 0.02
TURN_S = 0.008
"""Work done before the loop turns: what a request may have to wait for the replica."""
POLL_BYTES = 1 << 20
RECORDS_A_LOOK = 64
RUN_SEARCH_RECORDS = 200_000


class JournalFeed:
    """Follows the journal of a data folder.

    Parameters
    ----------
    folder
        The journal's folder.
    environment
        A journal of another is refused.
    replica, lake
        What records go to; `lake` is None when rows are not stored.
    alarm
        Told in one sentence why reading stopped.

    Attributes
    ----------
    position
        Behind the last whole block taken in.
    state
        ``reading``, or ``stopped:`` and why.
    """

    def __init__(
        self,
        folder: Path,
        environment: str,
        replica: Replica,
        lake: EdgeLake | None,
        alarm: Callable[[str], None],
    ) -> None:
        self.state = "reading"
        self.position = START if lake is None else lake.resume
        self._folder = folder
        self._environment = environment
        self._replica = replica
        self._lake = lake
        self._alarm = alarm
        self._stopping = asyncio.Event()
        self._commit: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()

    def locate(self) -> None:
        """Find the run and the source names at the position where reading begins.

        A lake's marks name the run. Without a lake, reading begins with the newest segment.
        """
        if not any(self._folder.glob("*.journal")):
            return
        reader = JournalReader(self._folder, environment=self._environment)
        if self._lake is None:
            self.position = Position(reader.headers()[-1].segment, 0)
            run = find_run(reader, self.position)
        elif self.position == START:
            return
        else:
            self._replica.sources = reader.sources(self.position)
            run = self._lake.marks.run or find_run(reader, self.position)
        if run is not None:
            self._replica.begin(run)
            if self._lake is not None:
                self._lake.begin(run)

    async def run(self) -> None:
        """Read until stopped; an error ends the reading, never the process."""
        tail = JournalTail(self._folder, self.position, environment=self._environment)
        try:
            while not self._stopping.is_set():
                blocks = tail.poll(POLL_BYTES)
                if not blocks:
                    self._begin_commit()
                    await self._pause()
                for block in blocks:
                    await self._take(block)
        except (PoiseError, OSError) as error:
            self.state = f"stopped: {error}"
            self._alarm(f"reading the journal stopped: {error}")
        finally:
            tail.close()
            await self._last_commit()

    async def read_blocks(self, count: int) -> None:
        """Take in at most `count` blocks that are there already, and leave it at that."""
        tail = JournalTail(self._folder, self.position, environment=self._environment)
        try:
            while count > 0 and (blocks := tail.poll(1)):
                for block in blocks[:count]:
                    await self._take(block)
                count -= len(blocks)
        finally:
            tail.close()
            if self._commit is not None:
                await self._commit

    async def stop(self) -> None:
        """Ask `run` to end after the present block."""
        self._stopping.set()

    async def passed(self, seq: int, timeout_s: float) -> bool:
        """Wait until everything up to journal number `seq` was taken in; false when too late.

        Outputs follow their input under the same number, so only a later number proves it; the
        core's timer brings one every 100 ms.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self._replica.seq <= seq:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    async def _take(self, block: Block) -> None:
        take = self._replica.take
        until = time.perf_counter() + TURN_S
        for count, record in enumerate(block.records()):
            take(record)
            if count % RECORDS_A_LOOK == 0 and time.perf_counter() > until:
                await asyncio.sleep(0)
                until = time.perf_counter() + TURN_S
        self.position = block.end
        self._moved.set()
        self._begin_commit()
        while self._lake is not None and self._lake.full and self._commit is not None:
            await self._commit
        await asyncio.sleep(0)

    def _begin_commit(self) -> None:
        if self._lake is not None:
            self._commit = self._lake.commit_if_due(self.position) or self._commit

    async def _last_commit(self) -> None:
        if self._commit is not None:
            await self._commit
        if self._lake is not None:
            last = self._lake.commit_if_due(self.position, now=True)
            if last is not None:
                await last

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._stopping.wait()
        except TimeoutError:
            pass


def find_run(reader: JournalReader, position: Position) -> RunStarted | None:
    """Read the `RunStarted` in force at a position from the first segment of its run.

    None when that segment was dropped, or is not what a core writes.
    """
    decode = msgspec.msgpack.Decoder(ControlEvent).decode
    run_ids = {header.segment: header.run_id for header in reader.headers()}
    wanted = run_ids.get(position.segment)
    first = position.segment
    while run_ids.get(first - 1) == wanted and first - 1 in run_ids:
        first -= 1
    found = None
    for count, record in enumerate(reader.records(Position(first, 0))):
        if record.kind == Kind.EVENT:
            event = decode(record.payload)
            if isinstance(event, RunStarted):
                found = event
                break
        if count >= RUN_SEARCH_RECORDS:
            break
    return found
