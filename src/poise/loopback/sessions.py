"""One socket as the venue sees it: subscriptions, control messages, pings and its limited life."""

from collections import deque
from dataclasses import dataclass, field

import msgspec

from poise.loopback.config import SECOND_NS, Limits
from poise.loopback.streams import Route

POLICY_VIOLATION = 1008
GOING_AWAY = 1001


class _Request(msgspec.Struct, frozen=True):
    method: str
    id: int | str | None = None
    params: list[str] = msgspec.field(default_factory=list)


_decode_request = msgspec.json.Decoder(_Request).decode
_encode = msgspec.json.encode


@dataclass(slots=True)
class Session:
    """State of one socket. `streams` keeps the order of subscription."""

    id: int
    route: Route
    combined: bool
    opened_ns: int
    next_ping_ns: int
    unanswered_since_ns: int | None = None
    streams: dict[str, None] = field(default_factory=dict)
    incoming_ns: deque[int] = field(default_factory=deque)
    mute: bool = False
    """Half-open: nothing goes out and nothing that comes in is answered."""
    deaf: bool = False
    """Acknowledges everything and never sends a frame of data."""

    def too_many_messages(self, now_ns: int, limits: Limits) -> bool:
        """Count an incoming frame (pings and pongs too); too many in a second are fatal."""
        recent = self.incoming_ns
        recent.append(now_ns)
        while recent[0] <= now_ns - SECOND_NS:
            recent.popleft()
        return len(recent) > limits.incoming_per_s

    def deadline_ns(self, limits: Limits) -> int:
        """When this session next needs a look: ping, missed pong or the end of its life."""
        due = min(self.next_ping_ns, self.opened_ns + limits.lifetime_ns)
        if self.unanswered_since_ns is not None:
            due = min(due, self.unanswered_since_ns + limits.pong_within_ns)
        return due


@dataclass(frozen=True, slots=True)
class Control:
    """Effect of a control message: the answer, and which streams came and went."""

    reply: bytes
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def control(session: Session, text: bytes, limits: Limits) -> Control:
    """Read SUBSCRIBE, UNSUBSCRIBE or LIST_SUBSCRIPTIONS and change the session's streams.

    Every well-formed SUBSCRIBE is acknowledged, be its streams served here, elsewhere or nowhere.
    """
    try:
        request = _decode_request(text)
    except msgspec.ValidationError as error:
        return Control(_error(2, f"Invalid request: {error}", None))
    except msgspec.DecodeError as error:
        return Control(_error(3, f"Invalid JSON: {error}", None))
    if request.method == "LIST_SUBSCRIPTIONS":
        return Control(_encode({"result": list(session.streams), "id": request.id}))
    accepted = _encode({"result": None, "id": request.id})
    if request.method == "SUBSCRIBE":
        added = tuple(name for name in dict.fromkeys(request.params) if name not in session.streams)
        if len(session.streams) + len(added) > limits.streams_per_socket:
            most = limits.streams_per_socket
            return Control(_error(2, f"Invalid request: more than {most} streams", request.id))
        session.streams.update(dict.fromkeys(added))
        return Control(accepted, added=added)
    if request.method == "UNSUBSCRIBE":
        removed = tuple(name for name in dict.fromkeys(request.params) if name in session.streams)
        for name in removed:
            del session.streams[name]
        return Control(accepted, removed=removed)
    known = "expected one of SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS"
    return Control(_error(2, f"Invalid request: unknown method, {known}", request.id))


def _error(code: int, message: str, request_id: int | str | None) -> bytes:
    return _encode({"error": {"code": code, "msg": message}, "id": request_id})
