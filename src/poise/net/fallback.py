"""REST polling while sockets fail: which instruments, when, and whether the answers still count.

Every request of an instrument is its own cycle: asked, answered, and asked again a period after the
answer. So one is under way at most, and the weight budget alone decides the pace.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from poise.core.events import Channel
from poise.core.units import InstrumentIx
from poise.core.venue import RestRequest
from poise.net.settings import NEVER, NetSettings


@dataclass(slots=True)
class _Cycle:
    request: RestRequest
    due_ns: int
    waiting: bool = False
    served_ns: int = -NEVER
    channels: frozenset[Channel] = field(default_factory=frozenset)


class Fallback:
    """The polling schedule of one venue. `requests_of` gives an instrument's requests."""

    def __init__(
        self,
        requests_of: Callable[[InstrumentIx], tuple[RestRequest, ...]],
        settings: NetSettings,
    ) -> None:
        self._requests_of = requests_of
        self._settings = settings
        self._cycles: dict[InstrumentIx, list[_Cycle]] = {}
        self.answers = 0

    @property
    def polled(self) -> int:
        """Instruments that are polled."""
        return len(self._cycles)

    def want(self, instruments: list[InstrumentIx], now_ns: int) -> None:
        """Poll exactly these from now on; newcomers are spread over one period."""
        for gone in [ix for ix in self._cycles if ix not in instruments]:
            del self._cycles[gone]
        fresh = [ix for ix in instruments if ix not in self._cycles]
        for place, ix in enumerate(fresh):
            start_ns = now_ns + self._settings.poll_every_ns * place // len(fresh)
            self._cycles[ix] = [_Cycle(request, start_ns) for request in self._requests_of(ix)]

    def next_due_ns(self) -> int:
        """When the next request is due."""
        return min(
            (c.due_ns for cycles in self._cycles.values() for c in cycles if not c.waiting),
            default=NEVER,
        )

    def due(self, now_ns: int) -> list[tuple[InstrumentIx, RestRequest]]:
        """Take the requests that are due; each must be `answered`."""
        taken = []
        for ix, cycles in self._cycles.items():
            for cycle in cycles:
                if not cycle.waiting and cycle.due_ns <= now_ns:
                    cycle.waiting = True
                    taken.append((ix, cycle.request))
        return taken

    def answered(
        self, ix: InstrumentIx, source: str, channels: frozenset[Channel] | None, now_ns: int
    ) -> None:
        """Take note of an answer and of the channels it held events of; None for a failure."""
        for cycle in self._cycles.get(ix, ()):
            if cycle.request.source == source:
                cycle.waiting = False
                cycle.due_ns = now_ns + self._settings.poll_every_ns
                if channels is not None:
                    self.answers += 1
                    cycle.served_ns = now_ns
                    cycle.channels |= channels

    def serves(self, ix: InstrumentIx, channel: Channel, now_ns: int) -> bool:
        """Whether a recent answer stood in for a channel."""
        return any(
            channel in cycle.channels and now_ns - cycle.served_ns < self._settings.poll_stale_ns
            for cycle in self._cycles.get(ix, ())
        )
