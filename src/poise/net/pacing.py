"""How often something may be done: exact windows, even spacing, and full-jitter back-off."""

from collections import deque
from collections.abc import Callable

Jitter = Callable[[], float]
"""Uniform numbers in [0, 1): ``random.Random(seed).random``, made by the shell."""

_LARGEST_DOUBLING = 40


def backoff_ns(base_ns: int, cap_ns: int, failures: int, jitter: Jitter) -> int:
    """Full jitter: uniform in 0 .. min(cap, base * 2^failures), ns.

    Spreading over the whole range, not around its end, is what parts a herd of clients: see
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    ceiling = min(cap_ns, base_ns << min(failures, _LARGEST_DOUBLING))
    return int(ceiling * jitter())


class Window:
    """At most `limit` events in any half-open span of `span_ns`.

    A token bucket of the same rate would let through twice the limit in one span (a full bucket
    and its refill), and it is spans that venues count.
    """

    def __init__(self, limit: int, span_ns: int) -> None:
        if limit < 1 or span_ns < 1:
            raise ValueError(f"a window needs a limit and a span, got {limit} per {span_ns} ns")
        self.limit = limit
        self.span_ns = span_ns
        self._taken: deque[int] = deque()

    def next_free_ns(self, now_ns: int) -> int:
        """Time of the next permitted event, not before now."""
        if len(self._taken) < self.limit:
            return now_ns
        return max(now_ns, self._taken[-self.limit] + self.span_ns)

    def take(self, now_ns: int) -> bool:
        """Count an event, if it may happen now."""
        if self.next_free_ns(now_ns) > now_ns:
            return False
        self._taken.append(now_ns)
        while len(self._taken) > self.limit:
            self._taken.popleft()
        return True


class Spacing:
    """Events at least ``1.1 / rate`` apart.

    Even spacing, not bursts: the network bunches what we spread, and the venue counts arrivals.
    The tenth covers that and the pongs, which the venue counts too.
    """

    def __init__(self, rate_per_s: float) -> None:
        if rate_per_s <= 0.0:
            raise ValueError(f"a rate must be above 0, got {rate_per_s} per second")
        self.gap_ns = int(1.1e9 / rate_per_s)
        self._free_ns = 0

    def next_free_ns(self, now_ns: int) -> int:
        """Time of the next permitted event, not before now."""
        return max(now_ns, self._free_ns)

    def take(self, now_ns: int) -> bool:
        """Count an event, if it may happen now."""
        if now_ns < self._free_ns:
            return False
        self._free_ns = now_ns + self.gap_ns
        return True
