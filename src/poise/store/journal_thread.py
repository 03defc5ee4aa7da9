"""The thread that writes and syncs the journal, and nothing else."""

import contextlib
import threading
import time
from types import TracebackType
from typing import Self

from poise.core.errors import InvariantBroken
from poise.store.journal_writer import JournalWriter

WRITE_EVERY_S = 0.02


class JournalThread:
    """Pump a `JournalWriter` every 20 ms, or at once when a sync is wanted.

    Under the interpreter's lock it only joins a list; checksums of long blocks, writing and
    syncing release it.
    """

    def __init__(self, writer: JournalWriter, write_every_s: float = WRITE_EVERY_S) -> None:
        self._writer = writer
        self._every_s = write_every_s
        self._wake = threading.Event()
        self._sync_wanted = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def request_sync(self) -> None:
        """Have everything appended so far synced as soon as the disk allows; returns at once."""
        self._sync_wanted = True
        self._wake.set()

    def stop(self) -> None:
        """Stop the thread, then write, sync and close; raises the writer's error if it has one."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._writer.close(time.monotonic_ns())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
        else:  # the first error is the one to tell
            with contextlib.suppress(Exception):
                self.stop()

    def _run(self) -> None:
        writer = self._writer
        while not self._stopping:
            self._wake.wait(self._every_s)
            self._wake.clear()
            wanted, self._sync_wanted = self._sync_wanted, False
            try:
                writer.pump(time.monotonic_ns(), sync=wanted)
            except Exception as error:  # noqa: BLE001 - a dead thread must be seen by the owner
                failure = InvariantBroken(f"the journal thread stopped: {error!r}")
                failure.__cause__ = error
                writer.fail(failure)
                return
