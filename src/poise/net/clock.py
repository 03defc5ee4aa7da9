"""The venue's clock against ours, by the answers to its time request.

    offset = server - (t_send + t_recv) / 2

The error is at most half the round trip, so the sample with the shortest one is believed. Samples
age: clocks drift, and a network path that was fast yesterday may lead elsewhere today.
"""

from collections import deque
from dataclasses import dataclass

from poise.core.units import NS_PER_S

_SAMPLES = 16
_OLDEST_NS = 900 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Sample:
    """One comparison, ns: venue minus ours, its round trip, and when."""

    offset_ns: int
    round_trip_ns: int
    at_ns: int


class ClockOffset:
    """Lowest-round-trip estimate among the recent samples."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=_SAMPLES)

    def add(self, send_ns: int, recv_ns: int, server_ns: int) -> Sample:
        """Take one answer; the two of our stamps must be of one clock that ran evenly."""
        if recv_ns < send_ns:
            raise ValueError(f"received {send_ns - recv_ns} ns before it was sent")
        sample = Sample(server_ns - (send_ns + recv_ns) // 2, recv_ns - send_ns, recv_ns)
        self._samples.append(sample)
        return sample

    def best(self, now_ns: int) -> Sample | None:
        """Return the most trustworthy of the samples of the last 15 minutes; the later on a tie."""
        recent = [s for s in self._samples if now_ns - s.at_ns <= _OLDEST_NS]
        return min(recent, key=lambda s: (s.round_trip_ns, -s.at_ns), default=None)

    def offset_ns(self, now_ns: int) -> int | None:
        """Venue clock minus ours, ns; None without a recent sample."""
        best = self.best(now_ns)
        return None if best is None else best.offset_ns
