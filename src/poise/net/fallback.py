"""REST polling while sockets fail: which instruments, when, and whether the answers still count.

Every request of an instrument is its own cycle: asked, answered, and asked again a period after the
answer, so one is under way at most. The period grows with what is polled, so that all of it fits
into most of the weight budget: a burst and then a minute of nothing would not be a stand-in.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from poise.core.events import Channel
from poise.core.units import NS_PER_S, InstrumentIx
from poise.core.venue import RestRequest, WeightLimits
from poise.net.settings import NEVER, NetSettings

_MINUTE_NS = 60 * NS_PER_S


@dataclass(slots=True)
class _Cycle:
    request: RestRequest
    due_ns: int
    waiting: bool = False
    served_ns: int = -NEVER
    channels: frozenset[Channel] = field(default_factory=frozenset)


class Fallback:
    """The polling schedule of one venue.

    Parameters
    ----------
    requests_of
        Gives an instrument's requests.
    limits
        Of whose weight polling may use four fifths of what is not reserved.
    """

    def __init__(
        self,
        requests_of: Callable[[InstrumentIx], tuple[RestRequest, ...]],
        limits: WeightLimits,
        settings: NetSettings,
    ) -> None:
        self._requests_of = requests_of
        self._weight_per_min = max(1, (limits.weight_per_min - limits.reserved) * 4 // 5)
        self._settings = settings
        self._period_ns = settings.poll_every_ns
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
        self._cycles |= {
            ix: [_Cycle(request, now_ns) for request in self._requests_of(ix)] for ix in fresh
        }
        weight = sum(c.request.weight for cycles in self._cycles.values() for c in cycles)
        self._period_ns = max(
            self._settings.poll_every_ns, weight * _MINUTE_NS // self._weight_per_min
        )
        for place, ix in enumerate(fresh):
            for cycle in self._cycles[ix]:
                cycle.due_ns += self._period_ns * place // len(fresh)

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
                cycle.due_ns = now_ns + self._period_ns
                if channels is not None:
                    self.answers += 1
                    cycle.served_ns = now_ns
                    cycle.channels |= channels

    def serves(self, ix: InstrumentIx, channel: Channel, now_ns: int) -> bool:
        """Whether a recent answer stood in for a channel."""
        limit_ns = max(self._settings.poll_stale_ns, 2 * self._period_ns)
        return any(
            channel in cycle.channels and now_ns - cycle.served_ns < limit_ns
            for cycle in self._cycles.get(ix, ())
        )
