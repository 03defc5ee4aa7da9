"""A fixed set of streams of one route and the sockets that carry them.

A shard has one socket, two while it hands over to a successor, and for a moment a third on its way
out. It has no dead end: each of its streams is up, or some clock of `next_due_ns` will act for it.

What happens to a silent stream, in order: subscribe again on the same socket; replace the socket by
a successor (the healthy streams notice nothing); after that the same two in turn with growing
pauses. A socket on which *every* stream is silent is closed at once and dialled again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from poise.core.outputs import Diagnostic
from poise.core.venue import StreamSpec, Venue
from poise.net.actions import Action, Close, Down, Open, SocketAction, Up
from poise.net.link import Link
from poise.net.pacing import Jitter, Window, backoff_ns
from poise.net.settings import NEVER, NetSettings
from poise.net.states import Leg
from poise.net.stream import Stream

_GOING_AWAY = 1001
_NORMAL = 1000
_NAMED = 4
_LINGER_NS = 1_000_000_000
"""How long the old socket of a hand-over stays: frames sent before the successor's subscription
may still be on its way."""


@dataclass(slots=True)
class Commons:
    """What all shards of a venue share; `connects` is the budget of handshakes."""

    venue: Venue
    settings: NetSettings
    jitter: Jitter
    connects: Window
    next_socket: int = 1


class Shard:
    """Streams of one route on one socket at a time. Every time is ns of the feed's clock."""

    def __init__(self, number: int, route: str, commons: Commons, now_ns: int) -> None:
        self.number = number
        self.route = route
        self.streams: dict[str, Stream] = {}
        self.main: Link | None = None
        self.heir: Link | None = None
        self.old: Link | None = None
        self.failures = 0
        self.reconnects = -1
        self._commons = commons
        self._open_ns = now_ns
        self._rotate_ns = NEVER
        self._handovers_failed = 0
        self._old_close_ns = NEVER
        self._repairs: dict[str, int] = {}
        self._gaps: list[int] = []
        self._gaps_due_ns = NEVER

    @property
    def links(self) -> list[Link]:
        """Sockets that exist, the one in charge first."""
        return [link for link in (self.main, self.heir, self.old) if link is not None]

    @property
    def room(self) -> int:
        """Streams that may still be added."""
        return self._commons.venue.socket_limits.max_streams - len(self.streams)

    def add(self, specs: Iterable[StreamSpec], now_ns: int) -> None:
        """Carry further streams, on the open sockets at once."""
        specs = list(specs)
        assert len(specs) <= self.room, "the session shards by room"
        for spec in specs:
            self.streams[spec.wire_name] = Stream(spec, now_ns, now_ns)
        for link in (self.main, self.heir):
            if link is not None:
                link.add(specs)

    def next_due_ns(self) -> int:
        """When `tick` must run next."""
        due_ns = min((link.next_due_ns() for link in self.links), default=NEVER)
        due_ns = min(due_ns, self._old_close_ns, self._gaps_due_ns)
        if self._wants_socket():
            wanted_ns = self._open_ns if self.main is None else self._rotate_ns
            due_ns = min(due_ns, self._commons.connects.next_free_ns(wanted_ns))
        return min(due_ns, min(self._repairs.values(), default=NEVER))

    def opened(self, link: Link, now_ns: int) -> None:
        """A handshake succeeded."""
        link.opened(now_ns)
        if link is self.main:
            self._plan_rotation(link)

    def lost(self, link: Link, reason: str, now_ns: int, out: list[Action]) -> None:
        """A socket is gone, or was never there."""
        link.broken = link.broken or reason
        self._forget(link, now_ns, out)

    def data(self, link: Link, name: str, now_ns: int, out: list[Action]) -> bool:
        """Take the first frame of a stream on a socket; False when the shard has no such stream."""
        known = link.data(name, now_ns)
        if known:
            self._refresh((name,), "", now_ns, out)
        return known

    def tick(self, now_ns: int, out: list[Action]) -> None:
        """Act on every clock that has run out."""
        for link in self.links:
            if now_ns >= link.next_due_ns():
                self._look_at(link, now_ns, out)
        if self.heir is not None and self.heir.settled:
            self._hand_over(self.heir, now_ns, out)
        for name in [name for name, due_ns in self._repairs.items() if due_ns <= now_ns]:
            self._repair(name, now_ns)
        if self.old is not None and now_ns >= self._old_close_ns:
            self._dismiss_old(out)
        self._dial(now_ns, out)
        if now_ns >= self._gaps_due_ns:
            self._report_gaps(out)

    def close(self, out: list[Action]) -> None:
        """Close every socket, for good."""
        out.extend(Close(link.number, _GOING_AWAY, "going away") for link in self.links)
        self.main = self.heir = self.old = None
        self._open_ns = NEVER

    def _wants_socket(self) -> bool:
        if self.main is None:
            return self._open_ns < NEVER
        return self.main.is_open and self.heir is None and self._rotate_ns < NEVER

    def _dial(self, now_ns: int, out: list[Action]) -> None:
        """Open the main socket or a successor, when it is time and the budget allows."""
        wanted_ns = self._open_ns if self.main is None else self._rotate_ns
        if not self._wants_socket() or now_ns < wanted_ns:
            return
        commons = self._commons
        if not commons.connects.take(now_ns):
            return
        specs = [stream.spec for stream in self.streams.values()]
        link = Link(commons.next_socket, specs, commons.venue, commons.settings, now_ns)
        commons.next_socket += 1
        if self.main is None:
            self.main = link
            self.reconnects += 1
        else:
            self.heir = link
        out.append(Open(link.number, self.route, commons.venue.socket_path(self.route)))

    def _look_at(self, link: Link, now_ns: int, out: list[Action]) -> None:
        sends: list[SocketAction] = []
        silent = link.tick(now_ns, sends)
        out.extend(sends)
        for name, reason in silent:
            self._refresh((name,), reason, now_ns, out)
        self._refresh(self.streams, "", now_ns, out)
        if silent:
            reason = silent[0][1]
            named = ", ".join(name for name, _ in silent[:_NAMED])
            more = f" and {len(silent) - _NAMED} more" if len(silent) > _NAMED else ""
            text = f"{self.route}#{link.number}: {named}{more}: {reason}"
            out.append(Diagnostic("alarm", "net.silent_stream", text))
        if silent and link.dead:
            link.broken = link.broken or f"every stream is silent: {silent[0][1]}"
        if link.broken:
            out.append(Close(link.number, _GOING_AWAY, link.broken))
            self._forget(link, now_ns, out)
            return
        for name, _ in silent:
            self._plan_repair(name, now_ns)

    def _forget(self, link: Link, now_ns: int, out: list[Action]) -> None:
        """Go on without a socket."""
        settings, jitter = self._commons.settings, self._commons.jitter
        if link is self.old:
            self.old, self._old_close_ns = None, NEVER
            return
        text = f"{self.route}#{link.number}: {link.broken}"
        out.append(Diagnostic("warning", "net.socket_lost", text))
        if link is self.heir:
            self.heir = None
            self._postpone_handover(now_ns)
            return
        delivered_ns = now_ns - min(link.first_data_ns, now_ns)
        self.failures = 0 if delivered_ns >= settings.stable_ns else self.failures + 1
        self.main, self.heir = self.heir, None
        self._rotate_ns = NEVER
        if self.main is None:
            self._repairs.clear()
            self._open_ns = now_ns + backoff_ns(
                settings.backoff_base_ns, settings.backoff_cap_ns, self.failures, jitter
            )
        elif self.main.is_open:
            self._plan_rotation(self.main)
        self._refresh(self.streams, link.broken, now_ns, out)

    def _refresh(self, names: Iterable[str], reason: str, now_ns: int, out: list[Action]) -> None:
        """Report streams that came up or went down."""
        main, heir = self.main, self.heir
        for name in names:
            stream = self.streams[name]
            up = (main is not None and main.delivers(name)) or (
                heir is not None and heir.delivers(name)
            )
            if up and stream.source != "socket":
                self._note_gap(stream, now_ns)
                stream.go_up("socket", now_ns)
                out.append(Up(stream.spec, "socket"))
            elif not up and stream.source == "socket":
                if now_ns - stream.since_ns >= self._commons.settings.stable_ns:
                    stream.silences = 0
                stream.go_down(reason or "silent", now_ns)
                out.append(Down(stream.spec, stream.reason))

    def _plan_repair(self, name: str, now_ns: int) -> None:
        """Schedule the next attempt to wake a silent stream that no socket delivers."""
        stream, settings = self.streams[name], self._commons.settings
        if stream.source == "socket" or name in self._repairs:
            return
        stream.silences += 1
        pause_ns = 0
        if stream.silences > 1:
            # Half of it is fixed: full jitter may be near zero, and every replacement costs
            # one handshake of the budget.
            ceiling = min(settings.repair_cap_ns, settings.repair_base_ns << stream.silences - 2)
            pause_ns = ceiling // 2 + int(ceiling // 2 * self._commons.jitter())
        self._repairs[name] = now_ns + pause_ns

    def _repair(self, name: str, now_ns: int) -> None:
        stream, main = self.streams[name], self.main
        if main is None or not main.is_open or stream.source == "socket":
            del self._repairs[name]  # the next socket subscribes anyway
        elif self.heir is not None:
            self._repairs[name] = now_ns + self._commons.settings.repair_base_ns  # see what it does
        else:
            del self._repairs[name]
            leg = main.subscriptions[name].state
            if leg is Leg.SILENT and stream.silences % 2:
                main.repair(name)
            elif leg is Leg.SILENT:
                self._rotate_ns = now_ns

    def _plan_rotation(self, link: Link) -> None:
        """Choose when the successor is opened: not all shards at once."""
        lifetime_ns = self._commons.venue.socket_limits.lifetime_ns
        before_ns = min(self._commons.settings.rotate_before_ns, lifetime_ns // 10)
        early_ns = before_ns // 2 + int(before_ns // 2 * self._commons.jitter())
        self._rotate_ns = link.opened_ns + lifetime_ns - early_ns
        self._handovers_failed = 0

    def _postpone_handover(self, now_ns: int) -> None:
        settings = self._commons.settings
        self._handovers_failed += 1
        self._rotate_ns = now_ns + backoff_ns(
            settings.repair_base_ns,
            settings.repair_cap_ns,
            self._handovers_failed,
            self._commons.jitter,
        )

    def _hand_over(self, heir: Link, now_ns: int, out: list[Action]) -> None:
        """Let the successor take over, unless it delivers less than the socket in charge."""
        main = self.main
        assert main is not None, "a successor without predecessor is the main socket"
        worse = [n for n in self.streams if main.delivers(n) and not heir.delivers(n)]
        if worse:
            text = f"the successor does not deliver {worse[0]}, {len(worse)} in all"
            out.append(Close(heir.number, _NORMAL, text))
            self.lost(heir, text, now_ns, out)
            return
        self._dismiss_old(out)
        self.main, self.heir, self.old = heir, None, main
        self._old_close_ns = now_ns + _LINGER_NS
        self._plan_rotation(heir)

    def _dismiss_old(self, out: list[Action]) -> None:
        if self.old is not None:
            out.append(Close(self.old.number, _NORMAL, "replaced"))
        self.old, self._old_close_ns = None, NEVER

    def _note_gap(self, stream: Stream, now_ns: int) -> None:
        down_ns = now_ns - stream.down_ns
        if stream.ever_up and down_ns > self._commons.settings.gap_alarm_ns:
            self._gaps.append(down_ns)
            self._gaps_due_ns = min(self._gaps_due_ns, now_ns + _LINGER_NS)

    def _report_gaps(self, out: list[Action]) -> None:
        """Tell of interruptions in one sentence, not one a stream."""
        text = (
            f"{self.route}: {len(self._gaps)} streams were down, "
            f"the longest for {max(self._gaps) / 1e9:.1f} s"
        )
        out.append(Diagnostic("alarm", "net.gap", text))
        self._gaps, self._gaps_due_ns = [], NEVER
