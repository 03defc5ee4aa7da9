"""What the pure half of the net room asks its shell to do."""

from typing import Literal

import msgspec

from poise.core.events import Channel
from poise.core.outputs import Diagnostic
from poise.core.units import InstrumentIx
from poise.core.venue import RestRequest, StreamSpec

Source = Literal["socket", "rest"]


class Open(msgspec.Struct, frozen=True):
    """Open a socket at a path; answer by `opened` or `connect_failed`."""

    socket: int
    route: str
    path: str


class Send(msgspec.Struct, frozen=True):
    """Send one text frame."""

    socket: int
    payload: bytes


class Ping(msgspec.Struct, frozen=True):
    """Send a ping; its pong is a `heard`."""

    socket: int


class Close(msgspec.Struct, frozen=True):
    """Close a socket, or stop opening it. The session has forgotten it already."""

    socket: int
    code: int
    reason: str


class Up(msgspec.Struct, frozen=True):
    """A stream delivers (becomes a `StreamUp`)."""

    spec: StreamSpec
    source: Source


class Down(msgspec.Struct, frozen=True):
    """A stream delivers no more (becomes a `StreamDown`)."""

    spec: StreamSpec
    reason: str


class Fetch(msgspec.Struct, frozen=True):
    """Send a REST request; answer by `answered` or `fetch_failed` with its ticket."""

    ticket: int
    request: RestRequest


class Deliver(msgspec.Struct, frozen=True):
    """Hand a REST answer to the sequencer."""

    source: str
    payload: bytes


class HealLost(msgspec.Struct, frozen=True):
    """A heal wish is not granted (becomes a `HealFailed`)."""

    instrument: InstrumentIx
    channel: Channel
    reason: str
    permanent: bool


class Settle(msgspec.Struct, frozen=True):
    """Give a caller the answer to its own request, or the error."""

    call: int
    payload: bytes
    error: Exception | None


SocketAction = Open | Send | Ping | Close
Action = Open | Send | Ping | Close | Up | Down | Fetch | Deliver | HealLost | Settle | Diagnostic
