"""One stream of the venue, whatever sockets carry it: up by which way, or down since when."""

from dataclasses import dataclass

from poise.core.venue import StreamSpec
from poise.net.actions import Source


@dataclass(slots=True)
class Stream:
    """Attributes.

    source
        The way by which it is up; None while it is down.
    since_ns
        Since when `source` has been what it is.
    down_ns
        Since when no socket has delivered it (kept while REST stands in).
    silences
        Times in a row that it missed a deadline on a living socket.
    ever_up
        Whether it was ever up, so that a slow start is not called a gap.
    """

    spec: StreamSpec
    since_ns: int
    down_ns: int
    source: Source | None = None
    silences: int = 0
    ever_up: bool = False
    reason: str = "not connected yet"

    def go_up(self, source: Source, now_ns: int) -> None:
        """Become up."""
        self.source, self.since_ns, self.ever_up, self.reason = source, now_ns, True, ""

    def go_down(self, reason: str, now_ns: int) -> None:
        """Become down."""
        if self.source == "socket":
            self.down_ns = now_ns
        self.source, self.since_ns, self.reason = None, now_ns, reason
