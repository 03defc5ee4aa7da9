"""REST weight: never more than the venue allows in a minute, and silence when it says stop.

The venue counts calendar minutes of its own clock and all programs behind one address; we count a
sliding minute, which bounds every calendar minute, and take its header's word for the others.
Source: "Limits", USD-M general information, developers.binance.com, read August 2026.
``Retry-After`` is documented for spot only, so its absence has defaults.
"""

from collections import deque

import msgspec

from poise.core.units import NS_PER_S
from poise.core.venue import WeightLimits
from poise.net.settings import NEVER

_MINUTE_NS = 60 * NS_PER_S
TOO_MANY = 429
BANNED = 418
_DEFAULT_STOP_NS = {TOO_MANY: 60 * NS_PER_S, BANNED: 120 * NS_PER_S}
_LONGEST_STOP_NS = {TOO_MANY: 600 * NS_PER_S, BANNED: 3 * 86_400 * NS_PER_S}
_MAX_DOUBLINGS = 12


class BudgetState(msgspec.Struct, frozen=True):
    """What must survive a restart; times in ns UTC.

    Without it a program that crashes while banned asks again at once and lengthens the ban.
    """

    stopped_until_ns: int = 0
    refusals: int = 0
    spent: tuple[tuple[int, int], ...] = ()


class WeightBudget:
    """Weight of one address at one venue. `now_ns` is ns UTC and must not go back."""

    def __init__(self, limits: WeightLimits, state: BudgetState | None = None) -> None:
        state = state or BudgetState()
        self._limits = limits
        self._spent: deque[tuple[int, int]] = deque(state.spent)
        self._total = sum(weight for _, weight in self._spent)
        self._stopped_until_ns = state.stopped_until_ns
        self._refusals = state.refusals

    @property
    def stopped_until_ns(self) -> int:
        """Nothing may be asked before this."""
        return self._stopped_until_ns

    def used(self, now_ns: int) -> int:
        """Weight of the last minute."""
        while self._spent and self._spent[0][0] <= now_ns - _MINUTE_NS:
            self._total -= self._spent.popleft()[1]
        return self._total

    def take(self, weight: int, now_ns: int, *, reserved: bool) -> bool:
        """Spend weight, if it may be spent now; `reserved` opens the part kept back."""
        if self.next_free_ns(weight, now_ns, reserved=reserved) > now_ns:
            return False
        self._charge(weight, now_ns)
        return True

    def next_free_ns(self, weight: int, now_ns: int, *, reserved: bool) -> int:
        """When so much weight may be spent, if nothing else is; NEVER when it exceeds the limit."""
        room = self._limits.weight_per_min - (0 if reserved else self._limits.reserved)
        if weight > room:
            return NEVER
        free_ns = max(now_ns, self._stopped_until_ns)
        excess = self.used(now_ns) + weight - room
        for spent_ns, spent in self._spent:
            if excess <= 0:
                break
            excess -= spent
            free_ns = max(free_ns, spent_ns + _MINUTE_NS)
        return free_ns

    def observe(self, used_weight: int, now_ns: int) -> None:
        """Take the venue's count of this minute; what exceeds ours was spent by somebody else."""
        foreign = used_weight - self.used(now_ns)
        if foreign > 0:
            self._charge(foreign, now_ns)

    def succeed(self) -> None:
        """Take note of a normal answer: the next refusal is a first one again."""
        self._refusals = 0

    def stop(self, status: int, retry_after_ns: int | None, now_ns: int) -> int:
        """Take a 429 or 418; returns the time before which nothing may be asked.

        Without Retry-After: 60 s after 429, 120 s after 418, doubled for each refusal in a row.
        A stop is never shortened.
        """
        if now_ns >= self._stopped_until_ns or not self._refusals:
            self._refusals += 1  # else it answers what was under way when the stop began
        doublings = min(self._refusals - 1, _MAX_DOUBLINGS)
        longest_ns = _LONGEST_STOP_NS[status]
        pause_ns = min(_DEFAULT_STOP_NS[status] << doublings, longest_ns)
        if retry_after_ns is not None:
            pause_ns = min(max(retry_after_ns, 0), longest_ns)
        self._stopped_until_ns = max(self._stopped_until_ns, now_ns + pause_ns)
        return self._stopped_until_ns

    def save(self) -> BudgetState:
        """State to give to the next run."""
        return BudgetState(self._stopped_until_ns, self._refusals, tuple(self._spent))

    def _charge(self, weight: int, now_ns: int) -> None:
        self._spent.append((now_ns, weight))
        self._total += weight
