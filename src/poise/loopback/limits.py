"""Request weight per address and minute, and what the venue does about too much of it."""

from dataclasses import dataclass

from poise.loopback.config import SECOND_NS, Limits

_MINUTE_NS = 60 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass: status 200, 429 or 418, and when to come back."""

    status: int
    used: int
    retry_after_s: int


@dataclass(slots=True)
class _Account:
    minute: int = -1
    used: int = 0
    refused: int = 0
    banned_until_ns: int = 0


class WeightLimit:
    """The counter behind X-MBX-USED-WEIGHT-1M, by calendar minute."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._accounts: dict[str, _Account] = {}

    def charge(self, client: str, weight: int, now_ns: int) -> Verdict:
        """Count a request. Refused ones count too: who goes on after 429 is banned."""
        account = self._accounts.setdefault(client, _Account())
        minute = now_ns // _MINUTE_NS
        if account.minute != minute:
            account.minute, account.used, account.refused = minute, 0, 0
        if now_ns < account.banned_until_ns:
            return self._refuse(418, account, account.banned_until_ns - now_ns)
        account.used += weight
        if account.used <= self._limits.weight_per_minute:
            return Verdict(200, account.used, 0)
        account.refused += 1
        if account.refused > self._limits.refusals_before_ban:
            account.banned_until_ns = now_ns + self._limits.ban_ns
            return self._refuse(418, account, self._limits.ban_ns)
        return self._refuse(429, account, (minute + 1) * _MINUTE_NS - now_ns)

    def _refuse(self, status: int, account: _Account, wait_ns: int) -> Verdict:
        return Verdict(status, account.used, -(-wait_ns // SECOND_NS))
