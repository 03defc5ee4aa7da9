"""Replies to control messages, as venues with JSON-RPC-like sockets write them.

``core.venue.Venue`` has no word for them: `stream_of` only says that a frame is not data. Until it
has, this reads ``{"result":null,"id":7}`` and ``{"error":{"code":..,"msg":..},"id":7}``, also with
the error flat beside the id.
"""

import msgspec


class Reply(msgspec.Struct, frozen=True):
    """Which of our messages was answered, and the venue's complaint ("" for none)."""

    request_id: int
    error: str


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""
    message: str = ""


class _Wire(msgspec.Struct):
    id: int
    error: _Error | None = None
    code: int | None = None
    msg: str = ""


_decode = msgspec.json.Decoder(_Wire).decode

_LONGEST = 4096


def reply_of(payload: bytes) -> Reply | None:
    """Read a reply; None for anything else, garbage included."""
    if len(payload) > _LONGEST:
        return None
    try:
        wire = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if wire.error is not None:
        return Reply(wire.id, f"{wire.error.code} {wire.error.msg or wire.error.message}")
    if wire.code is not None and wire.code != 0:
        return Reply(wire.id, f"{wire.code} {wire.msg}")
    return Reply(wire.id, "")
