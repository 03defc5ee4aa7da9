"""What the venue hands to whatever carries its bytes: text frames and the rarer things."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping frame the peer must answer."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to the peer's ping."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Binary:
    """A binary frame; today's venue sends none, so it only comes as garbage."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """A clean close; the session is gone."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection dies; `partial` is the beginning of a frame that never ends."""

    partial: bytes


Out = bytes | Ping | Pong | Binary | Close | Cut
"""`bytes` is the payload of one text frame."""

Output = tuple[int, Out]
"""A session and what goes to it, in the order of the list it stands in."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake that is not accepted: an HTTP status and a body."""

    status: int
    body: bytes
