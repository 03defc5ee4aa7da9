"""What core and edge tell each other over their local socket: msgpack with a 4-byte length.

Numbered events are not sent here: the edge reads them, durable, from the journal. The socket
carries conflated state (the latest only), health, and commands.
"""

import asyncio
import struct
from typing import Any, Literal

import msgspec

from poise.core.errors import InvariantBroken
from poise.core.events import RunStarted

_LENGTH = struct.Struct("<I")
MAX_MESSAGE_BYTES = 64 << 20

# Columns of `State.quotes`, a float64 array of shape (instruments, QUOTE_COLUMNS).
BID, BID_QTY, ASK, ASK_QTY, LAST, MARK, FUNDING, NEXT_FUNDING_MS, RECV_MS, BOOK_LIVE, TRADES_UP = (
    range(11)
)
QUOTE_COLUMNS = 11


class Hello(msgspec.Struct, frozen=True, tag=True):
    """First message of the core."""

    run: RunStarted
    started_ns: int
    notice: str


class State(msgspec.Struct, frozen=True, tag=True):
    """The present, conflated. Arrays are little-endian float64, row-major."""

    seq: int
    recv_ns: int
    quotes: bytes
    params: bytes
    outputs: bytes
    rows: int


class Feed(msgspec.Struct, frozen=True):
    """One feed of the core."""

    name: str
    state: Literal["live", "lagging", "stale", "offline"]
    source: Literal["socket", "rest", "tape"]
    streams: int
    messages: int
    age_ms: float | None
    reconnects: int
    detail: str


class CoreHealth(msgspec.Struct, frozen=True, tag=True):
    """Health of the core, once a second."""

    feeds: list[Feed]
    quarantined: int
    last_refusal: str
    journal_bytes: int
    journal_unsynced: int
    """Records not yet known to be on the medium."""
    clock_offset_ms: float | None
    p50_us: float | None
    p99_us: float | None
    stage: str
    ready: bool


class AddPairCommand(msgspec.Struct, frozen=True, tag=True):
    """Follow one more pair."""

    request: int
    y: int
    x: int


class FetchHistory(msgspec.Struct, frozen=True, tag=True):
    """Page older bars from the venue into the journal."""

    request: int
    instrument: int
    timeframe: str
    end_ns: int
    limit: int


class RefreshBook(msgspec.Struct, frozen=True, tag=True):
    """Have a depth snapshot journalled: an edge that came later than the last one needs it.

    The core's own book takes no notice of a snapshot while it is live.
    """

    request: int
    instrument: int


class Done(msgspec.Struct, frozen=True, tag=True):
    """Answer to a command; `error` empty when it was carried out, up to journal number `seq`."""

    request: int
    seq: int
    error: str


FromCore = Hello | State | CoreHealth | Done
FromEdge = AddPairCommand | FetchHistory | RefreshBook

_ENCODER = msgspec.msgpack.Encoder()
_FROM_CORE = msgspec.msgpack.Decoder(FromCore)
_FROM_EDGE = msgspec.msgpack.Decoder(FromEdge)


def packed(message: FromCore | FromEdge) -> bytes:
    """Encode with the length before it."""
    body = _ENCODER.encode(message)
    return _LENGTH.pack(len(body)) + body


async def receive_from_core(reader: asyncio.StreamReader) -> FromCore:
    """Read one message of the core; raises IncompleteReadError when it has gone."""
    message: Any = _FROM_CORE.decode(await _body(reader))
    return message  # type: ignore[no-any-return]


async def receive_from_edge(reader: asyncio.StreamReader) -> FromEdge:
    """Read one message of the edge; raises IncompleteReadError when it has gone."""
    message: Any = _FROM_EDGE.decode(await _body(reader))
    return message  # type: ignore[no-any-return]


async def _body(reader: asyncio.StreamReader) -> bytes:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > MAX_MESSAGE_BYTES:
        raise InvariantBroken(f"a message of {length} bytes between core and edge")
    return await reader.readexactly(length)
