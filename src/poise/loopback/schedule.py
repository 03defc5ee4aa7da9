"""When a fault of a plan happens: onsets by time and at random, and shares by draw."""

from fnmatch import fnmatchcase

from poise.loopback.chance import Chance
from poise.loopback.config import SECOND_NS
from poise.loopback.faults import FaultPlan

_NEVER_NS = 1 << 62


class FaultClock:
    """One fault's own clock and dice; nothing that another fault draws can shift them."""

    def __init__(self, plan: FaultPlan, place: int, start_ns: int) -> None:
        self.fault = plan.faults[place]
        self.dice = Chance(plan.seed, "dice", place)
        self._gaps = Chance(plan.seed, "onsets", place)
        endless = plan.until_s == float("inf")
        self._until_ns = _NEVER_NS if endless else start_ns + int(plan.until_s * SECOND_NS)
        self._timed = sorted(start_ns + int(at * SECOND_NS) for at in self.fault.at_s)
        self._random_ns = self._gap_after(start_ns)
        self._armed = 0
        self._window_end_ns = 0

    def _gap_after(self, now_ns: int) -> int:
        if not self.fault.per_minute:
            return _NEVER_NS
        return now_ns + 1 + int(self._gaps.exponential(60.0 / self.fault.per_minute) * SECOND_NS)

    def next_ns(self) -> int | None:
        """When the next onset is due; None without one."""
        due = min(self._timed[0] if self._timed else _NEVER_NS, self._random_ns)
        return due if due <= self._until_ns and due < _NEVER_NS else None

    def poll(self, now_ns: int) -> int:
        """Return how many onsets fell due; each opens a window and arms one hit."""
        count = 0
        while (due := self.next_ns()) is not None and due <= now_ns:
            if self._timed and due == self._timed[0]:
                self._timed.pop(0)
            else:
                self._random_ns = self._gap_after(due)
            lasting = int(self.fault.duration_s * SECOND_NS) or _NEVER_NS
            self._window_end_ns = max(self._window_end_ns, due + lasting)
            count += 1
        self._armed += count
        return count

    def is_open(self, now_ns: int) -> bool:
        """Say whether a window is open."""
        return now_ns < self._window_end_ns

    def matches(self, subject: str) -> bool:
        """Say whether the target means this stream, route, symbol or path."""
        return self.fault.target == "*" or fnmatchcase(subject, self.fault.target)

    def hits(self, subject: str, now_ns: int) -> bool:
        """Decide whether this very frame or request is hit, and use up an armed hit."""
        if not self.matches(subject):
            return False
        if self._armed:
            self._armed -= 1
            return True
        share = self.fault.share
        return bool(share) and now_ns <= self._until_ns and self.dice.uniform() < share
