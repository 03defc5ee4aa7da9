"""The REST desk: what is asked next, what is asked again, and what is given up.

Bounded everywhere: requests waiting, under way, tries of each, and the time one may wait for
weight. Whatever is taken in comes out exactly once, as `Answered` or `GivenUp`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from poise.core.errors import TransientError, VenueRejected
from poise.core.venue import RestRequest, Venue
from poise.net.actions import Fetch
from poise.net.budget import BANNED, TOO_MANY, WeightBudget
from poise.net.pacing import Jitter, backoff_ns
from poise.net.settings import NEVER, NetSettings

_SECOND_NS = 1_000_000_000


class Priority(IntEnum):
    """Who goes first. Healing and snapshots may use the reserved weight."""

    HEAL = 0
    SNAPSHOT = 1
    CLOCK = 2
    HISTORY = 3
    POLL = 4


class Answered(msgspec.Struct, frozen=True):
    """The venue answered with 200."""

    tag: int
    request: RestRequest
    payload: bytes


class GivenUp(msgspec.Struct, frozen=True):
    """No answer; `error` is a `VenueRejected` when asking again would not help."""

    tag: int
    request: RestRequest
    error: Exception


Result = Answered | GivenUp


@dataclass(slots=True)
class _Ticket:
    number: int
    tag: int
    request: RestRequest
    priority: Priority
    expires_ns: int
    not_before_ns: int
    tries: int = 0
    under_way: bool = False
    last_error: str = ""


class Desk:
    """Requests of one venue, by priority and within its weight budget. Times: ns UTC, even."""

    def __init__(
        self, venue: Venue, settings: NetSettings, jitter: Jitter, budget: WeightBudget
    ) -> None:
        self.budget = budget
        self._venue = venue
        self._settings = settings
        self._jitter = jitter
        self._used_header = venue.weight_limits.used_header.lower()
        self._tickets: dict[int, _Ticket] = {}
        self._next_ticket = 1

    @property
    def waiting(self) -> int:
        """Requests that are queued or under way."""
        return len(self._tickets)

    def ask(self, tag: int, request: RestRequest, priority: Priority, now_ns: int) -> list[GivenUp]:
        """Queue a request; returns what had to give way, perhaps itself."""
        settings = self._settings
        reserved = priority <= Priority.SNAPSHOT
        if self.budget.next_free_ns(request.weight, now_ns, reserved=reserved) == NEVER:
            text = f"{request.path} costs {request.weight}, more than a minute allows"
            return [GivenUp(tag, request, VenueRejected(text, 0, TOO_MANY))]
        ticket = _Ticket(
            self._next_ticket, tag, request, priority, now_ns + settings.request_wait_ns, now_ns
        )
        self._next_ticket += 1
        self._tickets[ticket.number] = ticket
        if len(self._tickets) <= settings.requests_queued:
            return []
        idle = [each for each in self._tickets.values() if not each.under_way]
        last = max(idle, key=_urgency)
        return [self._give_up(last, TransientError("too many requests are waiting"))]

    def start(self, now_ns: int) -> list[Fetch]:
        """Requests to send now."""
        under_way = sum(ticket.under_way for ticket in self._tickets.values())
        fetches: list[Fetch] = []
        for ticket in sorted(self._tickets.values(), key=_urgency):
            if under_way >= self._settings.requests_in_flight:
                break
            if ticket.under_way or ticket.not_before_ns > now_ns:
                continue
            reserved = ticket.priority <= Priority.SNAPSHOT
            if not self.budget.take(ticket.request.weight, now_ns, reserved=reserved):
                break  # what is less urgent must not eat what this one waits for
            ticket.under_way = True
            ticket.tries += 1
            under_way += 1
            fetches.append(Fetch(ticket.number, ticket.request))
        return fetches

    def expire(self, now_ns: int) -> list[GivenUp]:
        """Give up what has waited too long, or can never be afforded."""
        late = [
            ticket
            for ticket in self._tickets.values()
            if not ticket.under_way and now_ns >= ticket.expires_ns
        ]
        waited_s = self._settings.request_wait_ns / 1e9
        return [
            self._give_up(
                ticket,
                TransientError(
                    f"no answer in {waited_s:g} s ({ticket.last_error or 'no weight left'})"
                ),
            )
            for ticket in late
        ]

    def next_due_ns(self, now_ns: int) -> int:
        """When `start` or `expire` has something to do."""
        idle = [ticket for ticket in self._tickets.values() if not ticket.under_way]
        due_ns = min((ticket.expires_ns for ticket in idle), default=NEVER)
        if len(self._tickets) - len(idle) >= self._settings.requests_in_flight:
            return due_ns
        for ticket in sorted(idle, key=_urgency):  # as `start` goes through them
            if ticket.not_before_ns > now_ns:
                due_ns = min(due_ns, ticket.not_before_ns)
                continue
            reserved = ticket.priority <= Priority.SNAPSHOT
            weight = ticket.request.weight
            return min(due_ns, self.budget.next_free_ns(weight, now_ns, reserved=reserved))
        return due_ns

    def answered(
        self, number: int, status: int, headers: Mapping[str, str], payload: bytes, now_ns: int
    ) -> list[Result]:
        """Take an answer (header names in lower case); nothing is returned when it is retried."""
        ticket = self._tickets.get(number)
        if ticket is None:
            return []
        used = headers.get(self._used_header, "")
        if used.isascii() and used.isdigit() and len(used) < 10:
            self.budget.observe(int(used), now_ns)
        if status == 200:
            self.budget.succeed()
            del self._tickets[number]
            return [Answered(ticket.tag, ticket.request, payload)]
        retry_after_ns = _seconds(headers.get("retry-after", ""))
        if status in {TOO_MANY, BANNED}:
            retry_after_ns = self.budget.stop(status, retry_after_ns, now_ns) - now_ns
        error = self._venue.failure(status, payload)
        if isinstance(error, VenueRejected) and status not in {TOO_MANY, BANNED}:
            return [self._give_up(ticket, error)]
        return self._retry(ticket, str(error), retry_after_ns or 0, now_ns)

    def failed(self, number: int, reason: str, now_ns: int) -> list[Result]:
        """Take a request without an answer: refused, reset, timed out."""
        ticket = self._tickets.get(number)
        return [] if ticket is None else self._retry(ticket, reason, 0, now_ns)

    def clear(self) -> list[GivenUp]:
        """Give up everything."""
        stopped = TransientError("the feed has stopped")
        return [self._give_up(ticket, stopped) for ticket in list(self._tickets.values())]

    def _retry(self, ticket: _Ticket, reason: str, after_ns: int, now_ns: int) -> list[Result]:
        settings = self._settings
        ticket.under_way = False
        ticket.last_error = reason
        if ticket.tries >= settings.request_attempts:
            return [self._give_up(ticket, TransientError(f"{reason} ({ticket.tries} tries)"))]
        pause_ns = backoff_ns(
            settings.backoff_base_ns, settings.backoff_cap_ns, ticket.tries, self._jitter
        )
        ticket.not_before_ns = now_ns + max(after_ns, pause_ns)
        if ticket.not_before_ns >= ticket.expires_ns:
            wait_s = (ticket.not_before_ns - now_ns) / 1e9
            return [self._give_up(ticket, TransientError(f"{reason}; next try in {wait_s:.0f} s"))]
        return []

    def _give_up(self, ticket: _Ticket, error: Exception) -> GivenUp:
        del self._tickets[ticket.number]
        return GivenUp(ticket.tag, ticket.request, error)


def _urgency(ticket: _Ticket) -> tuple[int, int]:
    return ticket.priority, ticket.number


def _seconds(text: str) -> int | None:
    """Retry-After in ns; None when absent or a date, which these venues never send."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        return None
    return int(text) * _SECOND_NS
