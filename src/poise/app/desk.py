"""A whole desk in the foreground: its processes started, watched and stopped in order."""

import contextlib
import shutil
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType

from poise.core.errors import PoiseError, UserError
from poise.runtime.processes import Child, Ended, News, Ready, Said

EDGE_RESTARTS = 5
"""Times an edge that dies is started again within a minute."""


class Desk:
    """Venue (in a demo), core and edge, by name.

    Parameters
    ----------
    say
        Prints one line.
    link
        Path of the core's local socket, removed at the end.
    """

    def __init__(self, say: Callable[[str], None], link: Path) -> None:
        self._say = say
        self._link = link
        self._children: list[Child] = []
        self._stopping = False
        self._edge_deaths: list[float] = []

    def speak_through(self, say: Callable[[str], None]) -> None:
        """Print by another way from now on."""
        self._say = say

    def begin(self, child: Child) -> str:
        """Start a child and wait until it is ready; returns what it says then.

        Raises
        ------
        UserError, PoiseError
            What ended it instead.
        """
        child.start()
        self._children.append(child)
        while not self._stopping:
            for news in self._news(0.2):
                if isinstance(news[1], Ready) and news[0] is child:
                    return news[1].detail
                self._take(*news)
        raise KeyboardInterrupt

    def run(self, each: Callable[[], None] = lambda: None, every_s: float = 0.5) -> None:
        """Watch until Ctrl-C, or until a child that cannot be spared ends."""
        while not self._stopping:
            for child, news in self._news(every_s):
                self._take(child, news)
            each()

    def stop(self) -> float:
        """Stop all children at once; returns the seconds it took."""
        started = time.monotonic()
        for child in reversed(self._children):
            child.stop()
        for child in reversed(self._children):
            child.join()
        with contextlib.suppress(OSError):
            shutil.rmtree(self._link.parent)
        return time.monotonic() - started

    def on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - its shape
        """Ask the desk to stop."""
        self._stopping = True

    def catch_signals(self) -> None:
        """Let Ctrl-C and SIGTERM stop the desk cleanly."""
        signal.signal(signal.SIGINT, self.on_signal)
        signal.signal(signal.SIGTERM, self.on_signal)

    def _news(self, timeout_s: float) -> list[tuple[Child, News]]:
        """What children said within the timeout, one message each."""
        pipes: dict[object, Child] = {child.pipe: child for child in self._children}
        return [(pipes[pipe], pipes[pipe].news()) for pipe in wait(list(pipes), timeout_s)]  # type: ignore[arg-type]

    def _take(self, child: Child, news: News) -> None:
        if isinstance(news, Said):
            self._say(news.text)
        elif isinstance(news, Ended) and not self._stopping:
            if child.name == "edge" and not news.user and self._may_restart():
                self._say(f"edge ended ({news.error}); starting it again: nothing is lost")
                child.start()
                return
            if news.user:
                raise UserError(news.error)
            raise PoiseError(news.error or f"{child.name} stopped")

    def _may_restart(self) -> bool:
        now = time.monotonic()
        self._edge_deaths = [at for at in self._edge_deaths if now - at < 60.0] + [now]
        return len(self._edge_deaths) <= EDGE_RESTARTS
