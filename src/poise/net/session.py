"""All connections to one venue, as a pure state machine.

Inputs are what a shell can observe (a socket opened, a frame without a known stream, silence until
`next_wake_ns`, a closed socket), every one with the time; outputs are `actions`. There is no clock
and no chance in here: time is an argument and jitter is passed in.

    session   shards, handshake budget, REST fallback      (this file)
    shard     a set of streams and the sockets that carry it: reconnect, hand-over, repair
    link      one socket: subscribe, acknowledge, first frame, stale, half-open
    states    the table of one subscription on one socket

The hot path stays out: for a frame of a stream that flows, the shell only writes the time into
`seen(socket)` (see `Link.seen`).
"""

from collections.abc import Iterable, Mapping

from poise.core.events import Channel
from poise.core.instrument import Instrument
from poise.core.outputs import Diagnostic
from poise.core.units import NS_PER_S, InstrumentIx
from poise.core.venue import RestRequest, StreamSpec, Venue
from poise.net.actions import Action, Down, Up
from poise.net.fallback import Fallback
from poise.net.link import Link
from poise.net.pacing import Jitter, Window
from poise.net.report import FeedReport, report_rest, report_shard
from poise.net.settings import NEVER, NetSettings
from poise.net.shard import Commons, Shard
from poise.net.stream import Stream

_FIVE_MINUTES_NS = 300 * NS_PER_S
_REVIEW_NS = 1 * NS_PER_S
_NOT_POLLED: frozenset[Channel] = frozenset({"depth", "mark"})
"""Nothing stands in for these, so their failure alone is no reason to poll."""


class Session:
    """The sockets of one venue.

    Parameters
    ----------
    venue
        Facts and encodings.
    instruments
        For the REST requests that stand in; streams of others are never polled.
    jitter
        Uniform numbers in [0, 1).
    now_ns
        Time of the clock that every later call uses: monotonic.
    """

    def __init__(
        self,
        venue: Venue,
        instruments: Iterable[Instrument],
        settings: NetSettings,
        jitter: Jitter,
        now_ns: int,
    ) -> None:
        self._settings = settings
        self._venue = venue
        self._instruments: Mapping[InstrumentIx, Instrument] = {i.ix: i for i in instruments}
        connects = Window(venue.socket_limits.connects_per_5_min, _FIVE_MINUTES_NS)
        self._commons = Commons(venue, settings, jitter, connects)
        self._shards: list[Shard] = []
        self._fallback = Fallback(self._requests_of, venue.weight_limits, settings)
        self._review_ns = now_ns + _REVIEW_NS
        self._stopped = False
        self.strays = 0

    def add(self, specs: Iterable[StreamSpec], now_ns: int) -> list[Action]:
        """Hold further streams open."""
        waiting: dict[str, list[StreamSpec]] = {}
        for spec in specs:
            if any(spec.wire_name in shard.streams for shard in self._shards):
                continue
            waiting.setdefault(spec.route, []).append(spec)
        for route, fresh in waiting.items():
            rest = fresh
            for shard in [each for each in self._shards if each.route == route]:
                rest = _fill(shard, rest, now_ns)
            while rest:
                shard = Shard(len(self._shards) + 1, route, self._commons, now_ns)
                self._shards.append(shard)
                rest = _fill(shard, rest, now_ns)
        return self.tick(now_ns)

    def seen(self, socket: int) -> dict[str, int]:
        """Where the shell marks frames of flowing streams; an unattached one for old sockets."""
        shard_and_link = self._find(socket)
        return {} if shard_and_link is None else shard_and_link[1].seen

    def opened(self, socket: int, now_ns: int) -> list[Action]:
        """A handshake succeeded."""
        found = self._find(socket)
        if found is not None:
            found[0].opened(found[1], now_ns)
        return self.tick(now_ns)

    def lost(self, socket: int, reason: str, now_ns: int) -> list[Action]:
        """A socket closed, or could not be opened."""
        out: list[Action] = []
        found = self._find(socket)
        if found is not None:
            found[0].lost(found[1], reason, now_ns, out)
        return self._finish(out, now_ns)

    def first(self, socket: int, stream: str, now_ns: int) -> list[Action]:
        """Take a frame of a stream that `seen` does not hold."""
        out: list[Action] = []
        found = self._find(socket)
        if found is not None and not found[0].data(found[1], stream, now_ns, out):
            self.strays += 1
        return self._finish(out, now_ns) if out else out

    def control(self, socket: int, payload: bytes, now_ns: int) -> tuple[bool, list[Action]]:
        """Take a frame of no stream; true when it answered one of our messages."""
        found = self._find(socket)
        ours = found is not None and found[1].control(payload, now_ns)
        return ours, self.tick(now_ns) if ours else []

    def heard(self, socket: int, now_ns: int) -> None:
        """Take a pong."""
        found = self._find(socket)
        if found is not None:
            found[1].heard(now_ns)

    def polls_due(self, now_ns: int) -> list[tuple[InstrumentIx, RestRequest]]:
        """Requests that stand in for streams; each must be `polled`."""
        return self._fallback.due(now_ns)

    def polled(
        self, ix: InstrumentIx, source: str, channels: frozenset[Channel] | None, now_ns: int
    ) -> list[Action]:
        """Take note of a poll's answer: the channels it held events of, or None for a failure."""
        self._fallback.answered(ix, source, channels, now_ns)
        out: list[Action] = []
        self._review_rest(now_ns, out)
        return out

    def tick(self, now_ns: int) -> list[Action]:
        """Act on every clock that has run out; call it at `next_wake_ns`."""
        out: list[Action] = []
        if self._stopped:
            return out
        for shard in self._by_urgency():
            shard.tick(now_ns, out)
        if now_ns >= self._review_ns:
            self._review_ns = now_ns + _REVIEW_NS
            self._want_rest(self._need_rest(now_ns), now_ns, out)
            self._review_rest(now_ns, out)
        return out

    def next_wake_ns(self) -> int:
        """When `tick` is needed next, or `polls_due`."""
        if self._stopped:
            return NEVER
        due_ns = min((shard.next_due_ns() for shard in self._shards), default=NEVER)
        return min(due_ns, self._review_ns, self._fallback.next_due_ns())

    def stop(self) -> list[Action]:
        """Close every socket, for good."""
        out: list[Action] = []
        self._stopped = True
        for shard in self._shards:
            shard.close(out)
        return out

    def streams(self) -> list[Stream]:
        """Every stream with its present state."""
        return [stream for shard in self._shards for stream in shard.streams.values()]

    def reports(self, messages: Mapping[int, int], now_ns: int) -> list[FeedReport]:
        """One row a shard, and one for REST while it stands in; `messages` counts by socket."""
        rows = [report_shard(self._venue.name, each, messages, now_ns) for each in self._shards]
        if self._fallback.polled:
            rows.append(report_rest(self._venue.name, self.streams(), self._fallback, now_ns))
        return rows

    def _requests_of(self, ix: InstrumentIx) -> tuple[RestRequest, ...]:
        instrument = self._instruments.get(ix)
        return () if instrument is None else self._venue.poll_requests(instrument)

    def _find(self, socket: int) -> tuple[Shard, Link] | None:
        for shard in self._shards:
            for link in shard.links:
                if link.number == socket:
                    return shard, link
        return None

    def _finish(self, out: list[Action], now_ns: int) -> list[Action]:
        out.extend(self.tick(now_ns))
        return out

    def _by_urgency(self) -> list[Shard]:
        """Shards without a socket first: hand-overs must not eat the handshake budget."""
        return sorted(self._shards, key=lambda shard: shard.main is not None)

    def _need_rest(self, now_ns: int) -> list[InstrumentIx]:
        """Instruments with a stream that sockets have failed for too often or too long."""
        settings = self._settings
        needy: dict[InstrumentIx, None] = {}
        for shard in self._shards:
            for stream in shard.streams.values():
                if stream.spec.channel in _NOT_POLLED or stream.source == "socket":
                    continue
                if (
                    max(shard.failures, stream.silences) >= settings.failures_before_rest
                    or now_ns - stream.down_ns >= settings.rest_after_ns
                ):
                    needy[stream.spec.instrument] = None
        return [ix for ix in needy if ix in self._instruments]

    def _want_rest(self, needy: list[InstrumentIx], now_ns: int, out: list[Action]) -> None:
        """Begin or end to poll, and say so."""
        before = self._fallback.polled
        self._fallback.want(needy, now_ns)
        if needy and not before:
            text = f"sockets keep failing: REST polling stands in for {len(needy)} instruments"
            out.append(Diagnostic("alarm", "net.rest_polling", text))
        elif before and not needy:
            text = "sockets deliver again: REST polling ends"
            out.append(Diagnostic("info", "net.rest_polling", text))

    def _review_rest(self, now_ns: int, out: list[Action]) -> None:
        """Streams that REST has begun, or ceased, to stand in for."""
        for stream in self.streams():
            spec = stream.spec
            if stream.source == "socket":
                continue
            served = self._fallback.serves(spec.instrument, spec.channel, now_ns)
            if served and stream.source is None:
                stream.go_up("rest", now_ns)
                out.append(Up(spec, "rest"))
            elif not served and stream.source == "rest":
                stream.go_down("REST answers stopped too", now_ns)
                out.append(Down(spec, stream.reason))


def _fill(shard: Shard, specs: list[StreamSpec], now_ns: int) -> list[StreamSpec]:
    """Give a shard what it has room for; returns the rest."""
    room = shard.room
    shard.add(specs[:room], now_ns)
    return specs[room:]
