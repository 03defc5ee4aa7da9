"""The processes of a desk: started together, watched, stopped together.

Parent and child hold the two ends of a pipe. The child tells what it does; when the parent's end
closes, also because the parent was killed, the child stops: no process outlives its desk.
"""

import asyncio
import contextlib
import importlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import uvloop

from poise.core.errors import PoiseError, UserError

_CONTEXT = multiprocessing.get_context("spawn")
STOP_S = 2.5
"""What a child gets to stop before it is killed."""


class Said(msgspec.Struct, frozen=True):
    """Something a child did, in words for the terminal."""

    process: str
    text: str


class Ready(msgspec.Struct, frozen=True):
    """A child is up; `detail` is what others need of it (an address)."""

    process: str
    detail: str


class Ended(msgspec.Struct, frozen=True):
    """A child ended; `error` is empty when it was told to, `user` true for a user's mistake."""

    process: str
    error: str
    user: bool


News = Said | Ready | Ended
Work = Callable[[Any, asyncio.Event, Callable[[str], None], Callable[[str], None]], Awaitable[None]]
"""``await work(settings, stop, say, ready)``: the body of a child, until `stop` is set."""


class Child:
    """One child process.

    Parameters
    ----------
    name
        For messages.
    work
        Where its `Work` is, ``package.module:function``: only the child imports it, so that the
        parent stays small and starts at once.
    settings
        Its first argument; must pickle.
    """

    def __init__(self, name: str, work: str, settings: object) -> None:
        self.name = name
        self._work = work
        self._settings = settings
        self._pipe: Connection | None = None
        self._process: Any = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def pipe(self) -> Connection:
        """Where its news come from."""
        assert self._pipe is not None, "start the child first"
        return self._pipe

    def start(self) -> None:
        """Start, or start again after its end."""
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(
            target=_main, args=(self.name, self._work, self._settings, theirs), name=self.name
        )
        self._process.start()
        theirs.close()

    def news(self) -> News:
        """Next message; an `Ended` when the pipe has closed without one."""
        try:
            message: News = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(STOP_S)
            return Ended(self.name, f"{self.name} died (exit code {self._process.exitcode})", False)
        return message

    def stop(self) -> None:
        """Ask it to stop."""
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                self._pipe.send("stop")

    def join(self, timeout_s: float = STOP_S) -> None:
        """Wait for its end; kill it after the timeout."""
        if self._process is not None:
            self._process.join(timeout_s)
            if self._process.exitcode is None:
                self._process.kill()
                self._process.join()


def _main(name: str, work: str, settings: object, pipe: Connection) -> None:
    """Body of the child process."""
    # Ctrl-C reaches the whole terminal group; the parent decides in which order we stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    error, user = "", False
    try:
        module, _, function = work.partition(":")
        body: Work = getattr(importlib.import_module(module), function)
        uvloop.run(_run(name, body, settings, pipe))
    except UserError as failure:
        error, user = str(failure), True
    except PoiseError as failure:
        error = f"{type(failure).__name__}: {failure}"
    except Exception as failure:  # noqa: BLE001 - a defect: told whole, once
        traceback.print_exc()
        error = f"{type(failure).__name__}: {failure}"
    with contextlib.suppress(OSError):
        pipe.send(Ended(name, error, user))
    pipe.close()


async def _run(name: str, work: Work, settings: object, pipe: Connection) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def parent_spoke() -> None:
        loop.remove_reader(pipe.fileno())
        stop.set()

    def tell(news: News) -> None:
        with contextlib.suppress(OSError):
            pipe.send(news)

    loop.add_reader(pipe.fileno(), parent_spoke)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    try:
        await work(
            settings,
            stop,
            lambda text: tell(Said(name, text)),
            lambda detail: tell(Ready(name, detail)),
        )
    finally:
        loop.remove_reader(pipe.fileno())


def lower_priority(step: int = 5) -> None:
    """Let the core go first where cores are few."""
    with contextlib.suppress(OSError):
        os.nice(step)
