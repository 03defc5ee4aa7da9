"""The core with a stop-watch: two times a frame into memory that the bench reads, and no more.

One row a frame of the public route, in order of arrival (so number n here is frame n of the
sender): receive time of its socket read, and the time when the core was done with it.
"""

import asyncio
import contextlib
import gc
import mmap
import time
from pathlib import Path

import msgspec
import numpy as np

import poise.runtime.core as core_module
from poise.runtime.core import Core
from poise.runtime.settings import CoreSettings

ROWS = 1 << 22
_HEAD = 8
_COLLECTIONS, _COLLECTING_NS = 0, 1
_BYTES = 8 * (_HEAD + 2 * ROWS)


def _shared(path):
    with Path(path).open("r+b") as file:
        return mmap.mmap(file.fileno(), _BYTES)


class ProbeSettings(msgspec.Struct, frozen=True):
    """Of the core, and of the file that is shared."""

    core: CoreSettings
    path: str


class Ring:
    """The bench's end."""

    def __init__(self, path):
        Path(path).write_bytes(b"\0" * _BYTES)
        cells = np.frombuffer(_shared(path), dtype=np.int64)
        self._head, self._rows = cells[:_HEAD], cells[_HEAD:].reshape(ROWS, 2)

    @property
    def collections(self):
        return int(self._head[_COLLECTIONS])

    @property
    def collecting_ms(self):
        return float(self._head[_COLLECTING_NS]) / 1e6

    def clear(self, first, count):
        """Make the rows of frames that will come recognisable as not there yet."""
        assert count <= ROWS, "the stretch is longer than the ring"
        self._rows[np.arange(first, first + count) % ROWS] = 0

    def wait(self, last, timeout_s):
        """Wait until a frame is done; false after the timeout."""
        end = time.monotonic() + timeout_s
        while self._rows[last % ROWS, 1] == 0 and time.monotonic() < end:
            time.sleep(0.05)
        return self._rows[last % ROWS, 1] != 0

    def rows(self, first, count):
        """Receive and finish times of frames."""
        return self._rows[np.arange(first, first + count) % ROWS].T


async def core_work(settings, stop, say, ready):
    """Run a core that writes its times down."""
    cells = memoryview(_shared(settings.path)).cast("q")
    sum(cells[::512])  # touch every page now: resident memory must not grow because of us
    _Watched.cells = cells
    gc.callbacks.append(_count_collections(cells))
    core_module.Core = _Watched
    with contextlib.suppress(asyncio.CancelledError):
        await core_module.run_core(settings.core, stop, say, ready)


def _count_collections(cells):
    started = 0

    def note(phase, info):  # noqa: ARG001 - the interpreter's shape
        nonlocal started
        if phase == "start":
            started = time.perf_counter_ns()
        else:
            cells[_COLLECTIONS] += 1
            cells[_COLLECTING_NS] += time.perf_counter_ns() - started

    return note


class _Watched(Core):
    cells = None

    def __init__(self, *args):
        super().__init__(*args)
        self.on_frame = _watch(super().on_frame, self.cells)


def _watch(on_frame, cells):
    """`Core.on_frame` with two stores behind it; a closure, for it is on the path it measures."""
    at, end, public, clock = _HEAD, _HEAD + 2 * ROWS, "", time.time_ns

    def watched(source, payload, recv_ns):
        nonlocal at, public
        on_frame(source, payload, recv_ns)
        if source is public:
            cells[at] = recv_ns
            cells[at + 1] = clock()
            at += 2
            if at == end:
                at = _HEAD
        elif source.startswith("ws:public") and payload.startswith(b'{"stream"'):
            public = source
            cells[at] = recv_ns
            cells[at + 1] = clock()
            at += 2

    return watched
