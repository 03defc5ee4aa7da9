"""One WebSocket: the callbacks of picows, from dialling to the end.

A frame's way is a picows callback, one dictionary store and `Sink.on_frame`; there is no task, no
queue and no copy but the payload itself. picows hands over all complete frames of one socket read
in a row and marks the last, so the next frame after a marked one opens a new read: that is when the
receive time is taken. Pings are answered here and not by picows, which would hide them from this
callback, and with them the mark when a ping comes last.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable
from typing import Protocol

from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)

from poise.core.units import NS_PER_S

_MAX_CLOSE_REASON = 120  # 125 bytes of a control frame less the code
_BEGINNING = 48  # bytes; the head of a combined stream's frame before its first number
_MOST_BEGINNINGS = 4096
_LOOKS = 20
_LOOK_S = 0.005

# picows logs what we report ourselves, in our words.
_PICOWS_LOG = logging.getLogger("poise.net.picows")
_PICOWS_LOG.addHandler(logging.NullHandler())
_PICOWS_LOG.propagate = False
_PICOWS_LOG.setLevel(logging.CRITICAL)


class Owner(Protocol):
    """Who hears of what happens on a connection."""

    def now_ns(self) -> int:
        """Feed clock, ns."""

    def opened(self, connection: "Connection") -> None:
        """Take a finished handshake."""

    def unusual(self, number: int, name: str | None, payload: bytes, now_ns: int) -> bool:
        """Take a first frame or one of no stream; true when it was an answer to us."""

    def heard(self, number: int, now_ns: int) -> None:
        """Take a pong."""

    def crash(self, error: Exception) -> None:
        """Take what the sink raised."""


class Connection(WSListener):
    """One socket, alive or not yet.

    The stream of a frame is known by its first bytes: `stream_of` is asked once for each beginning
    that contains the whole name, and remembered. (Asking it for every frame cost more than all the
    rest of this class.) Where beginnings do not repeat, frames take the slower way, correctly.

    Parameters
    ----------
    number, source
        Of the session, and the journal's name for its frames.
    owner
        Hears of everything but ordinary frames.
    stream_of, on_frame
        The venue's and the sink's, bound once: every look-up counts here.
    max_frame_bytes
        Largest message, fragmented or not.
    """

    __slots__ = (
        "_closing",
        "_fresh",
        "_max_frame_bytes",
        "_names",
        "_now_ns",
        "_on_frame",
        "_owner",
        "_parts",
        "_raw",
        "_recv_ns",
        "_stream_of",
        "_transport",
        "messages",
        "number",
        "seen",
        "source",
        "task",
    )

    def __init__(
        self,
        number: int,
        source: str,
        owner: Owner,
        stream_of: Callable[[bytes], str | None],
        on_frame: Callable[[str, bytes, int], None],
        max_frame_bytes: int,
    ) -> None:
        self.number = number
        self.source = source
        self.messages = 0
        self.task: asyncio.Task[None] | None = None
        self.seen: dict[str, int] = {}
        self._owner = owner
        self._stream_of = stream_of
        self._on_frame = on_frame
        self._max_frame_bytes = max_frame_bytes
        self._transport: WSTransport | None = None
        self._raw: socket.socket | None = None
        self._closing = False
        self._fresh: int | bool = True
        self._recv_ns = 0
        self._now_ns = 0
        self._parts: list[bytes] = []
        self._names: dict[bytes, str] = {}

    async def hold(self, url: str, tls: ssl.SSLContext | None, timeout_ns: int) -> str:
        """Connect and stay until the end; returns why it came."""
        try:
            return await self._connect_and_wait(url, tls, timeout_ns)
        except WSHandshakeError as error:
            status = "" if error.response is None else f"HTTP {int(error.response.status)}: "
            return f"handshake refused: {status}{error}"
        except (OSError, WSError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            await _let_go(self._raw)

    def send(self, payload: bytes) -> None:
        """Send a text frame, unless the end is about to be reported."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send(WSMsgType.TEXT, payload)

    def ping(self) -> None:
        """Send a ping."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send_ping(b"")

    def close(self, code: int, reason: str, patience_ns: int) -> None:
        """Say goodbye and end, or stop connecting; the buffers get `patience_ns` to empty."""
        self._closing = True
        self.seen = {}
        transport = self._transport
        if transport is None:
            assert self.task is not None, "connections are born with their task"
            self.task.cancel()
        elif not transport.is_disconnected:
            text = reason.encode("ascii", "replace")[:_MAX_CLOSE_REASON]
            transport.send_close(WSCloseCode(code), text)
            transport.disconnect()
            asyncio.get_running_loop().call_later(
                patience_ns / NS_PER_S, transport.disconnect, False
            )

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin to subscribe."""
        self._transport = transport
        self._owner.opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take one frame; hot.

        picows is not asked for the frame's type where its beginning is known: that look-up alone
        costs 0.16 us.
        """
        try:
            if self._fresh:
                self._recv_ns = time.time_ns()
                self._now_ns = self._owner.now_ns()
            self._fresh = frame.last_in_buffer
            payload = frame.get_payload_as_bytes()
            name = self._names.get(payload[:_BEGINNING])
            if name in self.seen and frame.fin:
                self.seen[name] = self._now_ns
                self.messages += 1
                self._on_frame(self.source, payload, self._recv_ns)
            else:
                self._rare(transport, frame, payload)
        except WSProtocolError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours; picows must not swallow it
            self._owner.crash(error)

    def _rare(self, transport: WSTransport, frame: WSFrame, payload: bytes) -> None:
        """Everything but an unfragmented frame of a flowing stream with a known beginning."""
        kind = frame.msg_type
        if kind is WSMsgType.PING:
            transport.send_pong(payload)
        elif kind is WSMsgType.PONG:
            self._owner.heard(self.number, self._now_ns)
        elif kind is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif self._closing:
            self._parts = []
        elif frame.fin and not self._parts:
            self._message(payload)
        else:
            self._parts.append(payload)
            if sum(map(len, self._parts)) > self._max_frame_bytes:
                self._parts = []
                raise WSProtocolError(WSCloseCode.MESSAGE_TOO_BIG, "message too big")
            if frame.fin:
                whole, self._parts = b"".join(self._parts), []
                self._message(whole)

    def _message(self, payload: bytes) -> None:
        """Take a whole message whose stream must be asked for."""
        self.messages += 1
        name = self._stream_of(payload)
        if name is not None and name in self.seen:
            self.seen[name] = self._now_ns
            beginning = payload[:_BEGINNING]
            if f'"{name}"'.encode() in beginning and len(self._names) < _MOST_BEGINNINGS:
                self._names[beginning] = name
        elif self._owner.unusual(self.number, name, payload, self._now_ns):
            return
        self._on_frame(self.source, payload, self._recv_ns)

    async def _connect_and_wait(self, url: str, tls: ssl.SSLContext | None, timeout_ns: int) -> str:
        async def dial(parsed: object) -> socket.socket:
            self._raw = await _dial(str(parsed.host), int(parsed.port))  # type: ignore[attr-defined]
            return self._raw

        async with asyncio.timeout(timeout_ns / NS_PER_S):
            transport, _ = await ws_connect(
                lambda: self,
                url,
                ssl_context=tls,
                websocket_handshake_timeout=timeout_ns / NS_PER_S,
                logger_name=_PICOWS_LOG,
                enable_auto_pong=False,
                max_frame_size=self._max_frame_bytes,
                max_redirects=0,
                socket_factory=dial,
            )
        await transport.wait_disconnected()
        received = transport.close_handshake and transport.close_handshake.recv
        if self._transport is None:
            return "closed during the handshake"
        if received:
            return f"closed by the venue: {received.code:d} {received.reason or ''}".rstrip()
        return "connection lost"


async def _dial(host: str, port: int) -> socket.socket:
    """Connect to the first address that answers."""
    loop = asyncio.get_running_loop()
    last: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        raw = socket.socket(family, kind, protocol)
        with contextlib.ExitStack() as undo:
            undo.callback(raw.close)
            raw.setblocking(False)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await loop.sock_connect(raw, address)
            except OSError as error:
                last = error
                continue
            undo.pop_all()
            return raw
    raise last or OSError(f"{host} has no address")


async def _let_go(raw: socket.socket | None) -> None:
    """End a connection and wait, a moment at most, until its socket is closed.

    Cancelling `ws_connect` during the handshake leaves the transport to picows, which would keep it
    until its own timeout; the end of the stream makes it let go at once.
    """
    _hang_up(raw)
    for _ in range(_LOOKS):
        if raw is None or raw.fileno() < 0:
            return
        await asyncio.sleep(_LOOK_S)
    if raw is not None:
        raw.close()


def _hang_up(raw: socket.socket | None) -> None:
    """End a connection under whoever holds it; that one then closes the socket."""
    if raw is None or raw.fileno() < 0:
        return
    try:
        raw.shutdown(socket.SHUT_RDWR)
    except OSError:
        raw.close()
