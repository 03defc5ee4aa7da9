"""One socket: its subscriptions, their acknowledgements, first frames and silences.

A link never decides to open or close anything; it says what is silent and whether it is broken, and
`shard` decides. Times are ns of the feed's one monotonic clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from poise.core.venue import StreamSpec, Venue
from poise.net.actions import Ping, Send, SocketAction
from poise.net.pacing import Spacing
from poise.net.replies import reply_of
from poise.net.settings import NEVER, NetSettings
from poise.net.states import DELIVERING, PENDING, Input, Leg, after


@dataclass(slots=True)
class Subscription:
    """One stream on this socket; `due_ns` is the deadline of its present state."""

    spec: StreamSpec
    state: Leg = Leg.QUEUED
    asks: int = 0
    due_ns: int = NEVER
    complaint: str = ""

    @property
    def talkative(self) -> bool:
        """Whether its silence after the acknowledgement means something."""
        return self.spec.first_frame_ns > 0


class Link:
    """State of one socket.

    Attributes
    ----------
    seen
        Time of the last frame of every FLOWING stream. **The hot path writes here**: the shell sets
        ``seen[name] = now_ns`` for names that are in it and reports only the others. So a frame
        costs one dictionary store, and silence is found by looking at the clock, not at frames.
    broken
        Why this socket must be given up; empty while it is sound.
    """

    def __init__(
        self,
        number: int,
        specs: Iterable[StreamSpec],
        venue: Venue,
        settings: NetSettings,
        now: int,
    ) -> None:
        self.number = number
        self.seen: dict[str, int] = {}
        self.subscriptions = {spec.wire_name: Subscription(spec) for spec in specs}
        self.opened_ns = NEVER
        self.first_data_ns = NEVER
        self.broken = ""
        self._venue = venue
        self._settings = settings
        self._pace = Spacing(venue.socket_limits.control_messages_per_s)
        self._requests: dict[int, tuple[str, ...]] = {}
        self._next_request = 1
        self._to_drop: list[str] = []
        self._heard_ns = now
        self._pinged_ns = NEVER
        self._looked_ns = now
        self._due_ns = now + settings.connect_timeout_ns
        self._to_send = False

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done."""
        return self.opened_ns != NEVER

    @property
    def dead(self) -> bool:
        """Whether nothing that ought to talk on this socket does, nor anything else."""
        heard_ns = max(self.seen.values(), default=-NEVER)
        if not self.is_open or self._looked_ns - heard_ns < self._settings.ping_after_ns:
            return False  # a quiet stream has just spoken: only its neighbours are to be repaired
        subs = self.subscriptions.values()
        judged = [sub for sub in subs if sub.talkative] or list(subs)
        return bool(judged) and all(sub.state is Leg.SILENT for sub in judged)

    @property
    def delivering(self) -> bool:
        """Whether any stream is up on it."""
        return any(sub.state in DELIVERING for sub in self.subscriptions.values())

    @property
    def settled(self) -> bool:
        """Whether every subscription has come to something."""
        return self.is_open and all(s.state not in PENDING for s in self.subscriptions.values())

    def delivers(self, name: str) -> bool:
        """Whether a stream is up on this socket."""
        sub = self.subscriptions.get(name)
        return sub is not None and sub.state in DELIVERING

    def next_due_ns(self) -> int:
        """When `tick` has something to look at."""
        if self._to_send and self.is_open:
            return min(self._due_ns, self._pace.next_free_ns(0))
        return self._due_ns

    def opened(self, now_ns: int) -> None:
        """Take note that the handshake is done."""
        self.opened_ns = self._heard_ns = self._due_ns = now_ns
        self._to_send = True

    def add(self, specs: Iterable[StreamSpec]) -> None:
        """Carry further streams."""
        for spec in specs:
            self.subscriptions[spec.wire_name] = Subscription(spec)
        self._to_send = True

    def repair(self, name: str) -> None:
        """Subscribe again to a silent stream, after unsubscribing for good measure."""
        sub = self.subscriptions[name]
        self._move(sub, Input.REPAIR, NEVER)
        sub.asks = 0
        self._to_drop.append(name)
        self._to_send = True

    def data(self, name: str, now_ns: int) -> bool:
        """Take a frame of a stream that is not in `seen`; False for streams not asked for here."""
        self._heard_ns = now_ns
        sub = self.subscriptions.get(name)
        if sub is None:
            return False
        self.first_data_ns = min(self.first_data_ns, now_ns)
        stale_ns = sub.spec.stale_ns
        self._move(sub, Input.FRAME, now_ns + stale_ns if stale_ns else NEVER)
        if sub.state is not Leg.FLOWING:
            return True
        self.seen[name] = now_ns
        if any(other.state is Leg.ACKED for other in self.subscriptions.values()):
            self._due_ns = now_ns  # quiet neighbours may settle now
        return True

    def heard(self, now_ns: int) -> None:
        """Take a pong or any other sign of life."""
        self._heard_ns = now_ns

    def control(self, payload: bytes, now_ns: int) -> bool:
        """Take a frame that belongs to no stream; True when it answered one of our messages."""
        self._heard_ns = now_ns
        reply = reply_of(payload)
        if reply is None:
            return False
        names = self._requests.pop(reply.request_id, None)
        for name in names or ():
            sub = self.subscriptions[name]
            if sub.state is not Leg.ASKED:
                continue
            if reply.error:
                sub.complaint = reply.error
                self._move(sub, Input.REFUSED, NEVER)
                self._due_ns = now_ns  # let the next tick report it
            else:
                grace = sub.spec.first_frame_ns or self._settings.quiet_grace_ns
                self._move(sub, Input.ACKNOWLEDGED, now_ns + grace)
        return names is not None

    def tick(self, now_ns: int, out: list[SocketAction]) -> list[tuple[str, str]]:
        """Look at every clock; returns the streams that fell silent, with the reason."""
        self._looked_ns = now_ns
        if not self.is_open:
            if now_ns >= self._due_ns:
                self.broken = "no handshake in time"
            return []
        silent: list[tuple[str, str]] = []
        if now_ns >= self._due_ns:
            silent = self._check(now_ns, out)
        if self._to_send and not self.broken:
            self._pump(now_ns, out)
        return silent

    def _move(self, sub: Subscription, happened: Input, due_ns: int) -> None:
        sub.state = after(sub.state, happened)
        sub.due_ns = due_ns
        self._due_ns = min(self._due_ns, due_ns)
        if sub.state is not Leg.FLOWING:
            self.seen.pop(sub.spec.wire_name, None)

    def _check(self, now_ns: int, out: list[SocketAction]) -> list[tuple[str, str]]:
        silent: list[tuple[str, str]] = []
        flowing = bool(self.seen)
        may_settle = flowing or not any(s.talkative for s in self.subscriptions.values())
        due_ns = NEVER
        for name, sub in self.subscriptions.items():
            if sub.state is Leg.FLOWING and sub.spec.stale_ns:
                sub.due_ns = self.seen[name] + sub.spec.stale_ns
            reason = self._expire(sub, now_ns, may_settle=may_settle)
            if reason:
                silent.append((name, reason))
            if sub.state is not Leg.ACKED or sub.talkative or may_settle:
                due_ns = min(due_ns, sub.due_ns)
        due_ns = min(due_ns, self._check_silence(now_ns, out))
        # Frames push the staleness deadlines on all the time: look again, but not too often.
        self._due_ns = max(due_ns, now_ns + self._settings.check_every_ns)
        return silent

    def _expire(self, sub: Subscription, now_ns: int, *, may_settle: bool) -> str:
        """Act on a deadline; returns why the stream is silent now, if it is."""
        if sub.state is Leg.SILENT and sub.complaint:
            complaint, sub.complaint = sub.complaint, ""
            return f"refused: {complaint}"
        if now_ns < sub.due_ns:
            return ""
        if sub.state is Leg.ASKED:
            self._move(sub, Input.RESEND, NEVER)
            self._to_send = True
            if sub.asks >= self._settings.ask_attempts:
                self.broken = f"{sub.asks} subscriptions not acknowledged"
        elif sub.state is Leg.ACKED and sub.talkative:
            self._move(sub, Input.MISSED, NEVER)
            return f"no first frame in {sub.spec.first_frame_ns / 1e9:g} s"
        elif sub.state is Leg.ACKED and may_settle:
            self._move(sub, Input.SETTLED, NEVER)
        elif sub.state is Leg.FLOWING:
            self._move(sub, Input.MISSED, NEVER)
            return f"stale: silent for {sub.spec.stale_ns / 1e9:g} s"
        return ""

    def _check_silence(self, now_ns: int, out: list[SocketAction]) -> int:
        """Ping a socket that says nothing at all, give up one that answers nothing."""
        heard_ns = max(self._heard_ns, max(self.seen.values(), default=0))
        if self._pinged_ns == NEVER or heard_ns > self._pinged_ns:
            self._pinged_ns = NEVER
            due_ns = heard_ns + self._settings.ping_after_ns
            if now_ns < due_ns:
                return due_ns
            if not self._pace.take(now_ns):
                return self._pace.next_free_ns(now_ns)
            out.append(Ping(self.number))
            self._pinged_ns = now_ns
        due_ns = self._pinged_ns + self._settings.pong_timeout_ns
        if now_ns >= due_ns:
            self.broken = f"half-open: silent for {(now_ns - heard_ns) / 1e9:.1f} s"
        return due_ns

    def _pump(self, now_ns: int, out: list[SocketAction]) -> None:
        """Send what the pace allows: what is to be dropped first, then what is queued."""
        batch = self._settings.streams_per_subscribe
        queued = [name for name, sub in self.subscriptions.items() if sub.state is Leg.QUEUED]
        while (self._to_drop or queued) and self._pace.take(now_ns):
            number = self._next_request
            self._next_request += 1
            if self._to_drop:
                names, self._to_drop = tuple(self._to_drop[:batch]), self._to_drop[batch:]
                self._requests[number] = ()
                out.append(Send(self.number, self._venue.unsubscribe(names, number)))
                continue
            names, queued = tuple(queued[:batch]), queued[batch:]
            self._requests[number] = names
            out.append(Send(self.number, self._venue.subscribe(names, number)))
            for name in names:
                sub = self.subscriptions[name]
                sub.asks += 1
                self._move(sub, Input.SENT, now_ns + self._settings.ack_timeout_ns)
        self._to_send = bool(self._to_drop or queued)
