"""The edge's writer of the tick lake: rows in, commits in a thread, a clean stop when it must.

Exactly once over any crash: `LakeWriter` commits rows together with the journal position behind
them, `LakeFeed` knows by its ids every trade that the lake holds, and `edge_marks` keeps for that
position what neither knows. So rows depend on the journal alone, wherever reading was cut: a
trade is stored when it comes, also behind an open gap, and its backfill when that comes.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from poise.core.errors import InvariantBroken, PoiseError, UserError
from poise.core.events import Quote, RunStarted, Trade, TradesBackfill
from poise.core.outputs import Bar, BarCorrected, Gap
from poise.runtime.edge_marks import Marks, forget_marks, load_marks, save_marks
from poise.store.disk import Disk, disk_failure
from poise.store.journal_format import Position
from poise.store.lake_compaction import compact, remove_replaced
from poise.store.lake_feed import LakeFeed
from poise.store.lake_manifest import LakePosition
from poise.store.lake_writer import LakeWriter

HELD_MAX = 200_000
"""Rows that may wait while a commit is on its way; the journal's reader pauses beyond."""
STORED = frozenset({RunStarted, Trade, TradesBackfill, Quote, Bar, BarCorrected, Gap})


class EdgeLake:
    """A lake being written.

    Parameters
    ----------
    root
        Its folder.
    environment, run_id, journal_id
        As `LakeWriter`.
    wall_ns
        Wall clock, nanoseconds UTC.
    alarm
        Told in one sentence why writing stopped.

    Attributes
    ----------
    writer
        The open writer; None once writing has stopped.
    state
        For the health page: ``writing``, or ``stopped:`` and why.
    rows
        Rows stored or waiting since it was opened.

    Raises
    ------
    UserError
        When the lake cannot be used.
    """

    def __init__(
        self,
        root: Path,
        *,
        environment: str,
        run_id: str,
        journal_id: str,
        wall_ns: Callable[[], int],
        alarm: Callable[[str], None],
        disk: Disk | None = None,
    ) -> None:
        writer = LakeWriter(
            root,
            environment=environment,
            run_id=run_id,
            journal_id=journal_id,
            wall_ns=wall_ns,
            disk=disk,
        )
        try:
            self.marks: Marks = load_marks(writer.disk, root, writer.committed)
            self._feed = LakeFeed(writer)
        except OSError as error:
            writer.close()
            raise disk_failure(error, "the tick lake", root) from error
        except BaseException:
            writer.close()
            raise
        self.writer: LakeWriter | None = writer
        self.resume: Position = writer.resume
        self.state = "writing"
        self.rows = 0
        self._wall_ns = wall_ns
        self._alarm = alarm
        self._ids: list[str] = []
        self._held: list[tuple[Any, int]] | None = None
        self._waiting_since_ns = 0
        if self.marks.run is not None:
            self._register(self.marks.run)

    @property
    def committing(self) -> bool:
        """Whether a commit is on its way."""
        return self._held is not None

    @property
    def full(self) -> bool:
        """Whether so many rows wait that the reader should pause."""
        return self._held is not None and len(self._held) >= HELD_MAX

    def lag_s(self) -> float | None:
        """Age of the oldest row that is not committed, seconds; None when writing stopped."""
        if self.writer is None:
            return None
        if not self._waiting_since_ns:
            return 0.0
        return max(0, self._wall_ns() - self._waiting_since_ns) / 1e9

    def begin(self, run: RunStarted) -> None:
        """Say which run the position lies in, where no `RunStarted` will come to say it."""
        self.marks.run = run
        self._register(run)

    def add(self, fact: Any, seq: int) -> None:
        """Take one event or output; what the lake does not store is passed over."""
        if self.writer is None or type(fact) not in STORED:
            return
        if self._held is not None:
            self._held.append((fact, seq))
        else:
            self._put(fact, seq)

    def commit_if_due(self, position: Position, *, now: bool = False) -> asyncio.Task[None] | None:
        """Begin to commit the rows up to `position`, if due; they are those added so far.

        Rows added while it runs belong behind `position`. Whatever fails stops the lake, not the
        caller.
        """
        writer = self.writer
        if writer is None or self._held is not None:
            return None
        try:
            due = writer.due(self._wall_ns())
        except InvariantBroken as error:
            self.stop(str(error))
            return None
        if not due and not (now and writer.rows):
            return None
        end = LakePosition(writer.committed.journal, *position)
        marks = msgspec.json.decode(msgspec.json.encode(self.marks), type=Marks)
        self._held = []
        return asyncio.create_task(self._finish(writer, position, end, marks))

    def stop(self, why: str) -> None:
        """Write no more; the journal keeps the rows for the next start."""
        if self.writer is None:
            return
        self.writer.close()
        self.writer = None
        self.state = f"stopped: {why}"
        self._alarm(
            f"the tick lake stopped: {why}. The desk goes on; its journal keeps the rows, and the "
            "next start stores them"
        )

    def close(self) -> None:
        """Let the lake go."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None
            self.state = "closed"

    async def _finish(
        self, writer: LakeWriter, position: Position, end: LakePosition, marks: Marks
    ) -> None:
        try:
            await asyncio.to_thread(self._commit, writer, position, end, marks)
        except PoiseError as error:
            self.stop(str(error))
        finally:
            held, self._held = self._held or [], None
            self._waiting_since_ns = 0
            for fact, seq in held:
                self.add(fact, seq)

    def _commit(
        self, writer: LakeWriter, position: Position, end: LakePosition, marks: Marks
    ) -> None:
        """Body of a commit, in its own thread."""
        try:
            save_marks(writer.disk, writer.root, end, marks)
            writer.commit(position)
            forget_marks(writer.disk, writer.root, end)
        except OSError as error:
            raise disk_failure(error, "the tick lake", writer.root) from error
        except ValueError as error:
            raise InvariantBroken(str(error)) from error
        now_ns = self._wall_ns()
        remove_replaced(writer, now_ns)
        compact(writer, now_ns)

    def _put(self, fact: Any, seq: int) -> None:
        kind = type(fact)
        if kind is Quote:
            if not self.marks.is_new(self._ids[fact.instrument], fact):
                return
        elif kind is RunStarted:
            self.begin(fact)
            return
        if not self._waiting_since_ns:
            self._waiting_since_ns = self._wall_ns()
        self.rows += 1
        self._feed.add(fact, seq)

    def _register(self, run: RunStarted) -> None:
        self._ids = [item.id for item in run.instruments]
        try:
            self._feed.register(run.instruments)
        except UserError as error:
            self.stop(str(error))
