"""One venue's feed without its I/O: sockets, REST, healing and the clock, put together.

`driver.Driver` and `virtual.VirtualDriver` are two shells around this same class: both only carry
out actions and report what happened. Times are ns of one clock that starts at UTC and then runs
evenly: due times need evenness, and the weight budget must survive a restart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from poise.core.errors import PoiseError, TransientError, VenueMessageError, VenueRejected
from poise.core.events import (
    BarsHistory,
    Channel,
    DepthDiff,
    DepthSnapshot,
    MarketEvent,
    MarkPrice,
    Quote,
    Trade,
    TradesBackfill,
)
from poise.core.instrument import Instrument
from poise.core.outputs import Diagnostic, HealBook, HealTrades
from poise.core.units import InstrumentIx, Ns
from poise.core.venue import RestRequest, StreamSpec, Venue
from poise.net.actions import Action, Deliver, HealLost, Settle
from poise.net.budget import BANNED, TOO_MANY, BudgetState, WeightBudget
from poise.net.clock import ClockOffset
from poise.net.desk import Answered, Desk, GivenUp, Priority, Result
from poise.net.pacing import Jitter
from poise.net.session import Session
from poise.net.settings import NEVER, NetSettings

Wish = HealTrades | HealBook

_NO_KEY = 0
_UNAUTHORIZED = 401
_CLOCK_BURST = 4
_CLOCK_BURST_NS = 500_000_000


@dataclass(frozen=True, slots=True)
class _Heal:
    wish: Wish


@dataclass(frozen=True, slots=True)
class _Poll:
    ix: InstrumentIx


@dataclass(frozen=True, slots=True)
class _Clock:
    pass


@dataclass(frozen=True, slots=True)
class _Call:
    number: int


_Purpose = _Heal | _Poll | _Clock | _Call


class Feed:
    """Pure core of a venue's connection; see `Session` and `Desk` for its halves."""

    def __init__(
        self,
        venue: Venue,
        instruments: Iterable[Instrument],
        settings: NetSettings,
        jitter: Jitter,
        now_ns: int,
        *,
        budget: BudgetState | None = None,
        has_key: bool = False,
    ) -> None:
        instruments = tuple(instruments)
        self.session = Session(venue, instruments, settings, jitter, now_ns)
        self.desk = Desk(venue, settings, jitter, WeightBudget(venue.weight_limits, budget))
        self.clock = ClockOffset()
        self._venue = venue
        self._settings = settings
        self._specs: list[StreamSpec] = [s for i in instruments for s in venue.streams(i)]
        self._purposes: dict[int, _Purpose] = {}
        self._next_tag = 1
        self._healing: dict[Wish, int] = {}
        self._sent_ns: dict[int, int] = {}
        self._clock_due_ns = now_ns
        self._clock_asked = 0
        self._clock_is_off = False
        self._has_key = has_key
        self._stopped = False

    def start(self, now_ns: int) -> list[Action]:
        """Begin: open the sockets, ask for the venue's clock."""
        return [*self.session.add(self._specs, now_ns), *self.tick(now_ns)]

    def heal(self, wish: Wish, now_ns: int) -> list[Action]:
        """Queue a heal wish; the same wish again while it is under way changes nothing."""
        if wish in self._healing:
            return []
        try:
            request = self._venue.heal_request(wish)
        except PoiseError as error:
            return [_heal_lost(wish, str(error), permanent=True)]
        self._healing[wish] = self._next_tag
        book = isinstance(wish, HealBook)
        out = self._ask(_Heal(wish), request, Priority.SNAPSHOT if book else Priority.HEAL, now_ns)
        return [*out, *self._send_requests(now_ns)]

    def call(
        self, number: int, request: RestRequest, priority: Priority, now_ns: int
    ) -> list[Action]:
        """Queue a caller's own request; a `Settle` of that number answers it."""
        out = self._ask(_Call(number), request, priority, now_ns)
        return [*out, *self._send_requests(now_ns)]

    def answered(
        self,
        ticket: int,
        status: int,
        headers: Mapping[str, str],
        payload: bytes,
        now_ns: int,
    ) -> list[Action]:
        """Take a REST answer of any status; header names in lower case."""
        results = self.desk.answered(ticket, status, headers, payload, now_ns)
        out = self._settle(results, self._sent_ns.pop(ticket, now_ns), now_ns)
        if status in {TOO_MANY, BANNED}:
            wait_s = (self.desk.budget.stopped_until_ns - now_ns) / 1e9
            text = f"REST answered {status}: nothing is asked for {wait_s:.0f} s"
            out.append(Diagnostic("alarm", "net.rate_limited", text))
        return [*out, *self._send_requests(now_ns)]

    def fetch_failed(self, ticket: int, reason: str, now_ns: int) -> list[Action]:
        """Take a REST request that got no answer."""
        self._sent_ns.pop(ticket, None)
        out = self._settle(self.desk.failed(ticket, reason, now_ns), now_ns, now_ns)
        return [*out, *self._send_requests(now_ns)]

    def tick(self, now_ns: int) -> list[Action]:
        """Act on every clock that has run out; call it at `next_wake_ns`."""
        if self._stopped:
            return []
        out = self.session.tick(now_ns)
        for ix, request in self.session.polls_due(now_ns):
            out += self._ask(_Poll(ix), request, Priority.POLL, now_ns)
        if now_ns >= self._clock_due_ns:
            # Several at first: the first answer pays for the connection and says little.
            self._clock_asked += 1
            pause_ns = self._settings.clock_every_ns
            if self._clock_asked < _CLOCK_BURST:
                pause_ns = min(pause_ns, _CLOCK_BURST_NS)
            self._clock_due_ns = now_ns + pause_ns
            out += self._ask(_Clock(), self._venue.time_request(), Priority.CLOCK, now_ns)
        out += self._settle(list(self.desk.expire(now_ns)), now_ns, now_ns)
        return [*out, *self._send_requests(now_ns)]

    def next_wake_ns(self, now_ns: int) -> int:
        """When `tick` is needed next."""
        if self._stopped:
            return NEVER
        return min(self.session.next_wake_ns(), self.desk.next_due_ns(now_ns), self._clock_due_ns)

    def stop(self, now_ns: int) -> list[Action]:
        """Close sockets, give up requests; wishes fail, callers get an error."""
        self._stopped = True
        return [*self.session.stop(), *self._settle(list(self.desk.clear()), now_ns, now_ns)]

    def _ask(
        self, purpose: _Purpose, request: RestRequest, priority: Priority, now_ns: int
    ) -> list[Action]:
        tag = self._next_tag
        self._next_tag += 1
        self._purposes[tag] = purpose
        refusal = self._refusal(request)
        if refusal is not None:
            return self._settle([GivenUp(tag, request, refusal)], now_ns, now_ns)
        refused = self.desk.ask(tag, request, priority, now_ns)
        return self._settle(list(refused), now_ns, now_ns)

    def _refusal(self, request: RestRequest) -> Exception | None:
        """Why a request is not even queued."""
        if self._stopped:
            return TransientError("the feed has stopped")
        if request.needs_key and not self._has_key:
            return VenueRejected(f"{request.path} needs an API key", _NO_KEY, _UNAUTHORIZED)
        return None

    def _send_requests(self, now_ns: int) -> list[Action]:
        fetches = self.desk.start(now_ns)
        for fetch in fetches:
            self._sent_ns[fetch.ticket] = now_ns
        return list(fetches)

    def _settle(self, results: list[Result], sent_ns: int, now_ns: int) -> list[Action]:
        """Give every finished request's answer to whom it is for."""
        out: list[Action] = []
        for result in results:
            purpose = self._purposes.pop(result.tag)
            if isinstance(purpose, _Heal):
                del self._healing[purpose.wish]
                out.append(_heal_outcome(purpose.wish, result))
            elif isinstance(purpose, _Poll):
                out += self._polled(purpose.ix, result, now_ns)
            elif isinstance(purpose, _Clock):
                out += self._compare_clocks(result, sent_ns, now_ns)
            elif isinstance(result, Answered):
                out.append(Settle(purpose.number, result.payload, None))
            else:
                out.append(Settle(purpose.number, b"", result.error))
        return out

    def _polled(self, ix: InstrumentIx, result: Result, now_ns: int) -> list[Action]:
        source = result.request.source
        if isinstance(result, GivenUp):
            return self.session.polled(ix, source, None, now_ns)
        try:
            events = self._venue.decode_answer(source, result.payload, Ns(now_ns))
        except VenueMessageError:
            channels: frozenset[Channel] | None = None
        else:
            channels = frozenset(c for c in map(channel_of, events) if c is not None)
        out = self.session.polled(ix, source, channels, now_ns)
        return [*out, Deliver(source, result.payload)]

    def _compare_clocks(self, result: Result, sent_ns: int, now_ns: int) -> list[Action]:
        if isinstance(result, GivenUp):
            return [Diagnostic("warning", "net.clock", f"venue clock unknown: {result.error}")]
        try:
            server_ns = self._venue.server_time_ns(result.payload)
        except VenueMessageError as error:
            return [Diagnostic("warning", "net.clock", f"venue clock unreadable: {error}")]
        self.clock.add(sent_ns, now_ns, server_ns)
        offset_ns = self.clock.offset_ns(now_ns) or 0
        was_off, self._clock_is_off = (
            self._clock_is_off,
            abs(offset_ns) >= self._settings.clock_alarm_ns,
        )
        if self._clock_is_off:
            text = f"the venue's clock is {offset_ns / 1e9:+.3f} s from ours: check NTP"
            return [Diagnostic("alarm", "net.clock", text)]
        if was_off:
            text = f"the venue's clock is {offset_ns / 1e9:+.3f} s from ours: fine again"
            return [Diagnostic("info", "net.clock", text)]
        return []


def channel_of(event: MarketEvent) -> Channel | None:
    """Channel that an event of a REST answer stands in for; None for bars and old trades."""
    if isinstance(event, TradesBackfill):
        return event.channel
    if isinstance(event, Trade):
        return "aggTrade" if event.first_raw_id < event.last_raw_id else "trade"
    if isinstance(event, Quote):
        return "quote"
    if isinstance(event, DepthSnapshot | DepthDiff):
        return "depth"
    if isinstance(event, MarkPrice):
        return "mark"
    if isinstance(event, BarsHistory):
        return None
    return None


def _heal_outcome(wish: Wish, result: Result) -> Action:
    if isinstance(result, Answered):
        return Deliver(result.request.source, result.payload)
    permanent = isinstance(result.error, VenueRejected)
    return _heal_lost(wish, str(result.error), permanent=permanent)


def _heal_lost(wish: Wish, reason: str, *, permanent: bool) -> HealLost:
    channel: Channel = "depth" if isinstance(wish, HealBook) else wish.channel
    return HealLost(wish.instrument, channel, reason, permanent)
