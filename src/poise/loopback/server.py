"""The venue on a real port: aiohttp for HTTP, handshakes and reading, whole batches for writing.

The shell owns time and sockets and nothing else. One task drives the venue and writes all that is
due to each socket in one piece; a task per socket reads.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import WSMsgType, web

from poise.loopback import frames
from poise.loopback.config import ServerConfig, TapeConfig
from poise.loopback.errors import ServerStartError
from poise.loopback.outputs import Binary, Close, Cut, Out, Output, Ping, Pong, Refusal
from poise.loopback.venue import Venue

_MS = 1_000_000
_READABLE_BYTES = 1 << 20  # at full speed nothing is played while a reader has this much to read
_LOOK_AGAIN_S = 0.001
_SHUTDOWN_S = 0.2


class _Socket:
    """One accepted socket."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.closing = False

    @property
    def backlog(self) -> int:
        """Bytes written that the peer has not taken yet."""
        return 0 if self.closing else int(self.transport.get_write_buffer_size())

    def abort(self) -> None:
        """Die without a goodbye."""
        self.closing = True
        self.transport.abort()


class LoopbackServer:
    """A venue listening on a port; use it as an async context manager."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self.venue = Venue(config.venue, time.time_ns())
        self._sockets: dict[int, _Socket] = {}
        self._early: dict[int, list[Output]] = {}
        """What goes to sockets whose handshake is still on its way."""
        self._runner: web.AppRunner | None = None
        self._pump_task: asyncio.Task[None] | None = None
        self._hasty = isinstance(config.venue.market, TapeConfig) and (
            config.venue.market.speed is None
        )
        self.port = 0

    @property
    def rest_url(self) -> str:
        """Base address of REST."""
        return f"http{'s' if self._config.tls else ''}://{self._config.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Base address of sockets, without a route."""
        return f"ws{'s' if self._config.tls else ''}://{self._config.host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; `port` is the bound one afterwards. Raises ServerStartError."""
        config = self._config
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, config.host, config.port, ssl_context=config.tls)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ServerStartError(
                f"cannot listen on {config.host}:{config.port} ({error.strerror}); "
                "choose another port, or 0 for a free one"
            ) from error
        self.port = self._runner.addresses[0][1]
        self._pump_task = asyncio.create_task(self._pump(), name="loopback-pump")

    async def stop(self) -> None:
        """Close every socket and stop listening."""
        if self._pump_task is not None:
            self._pump_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump_task
            self._pump_task = None
        for socket in list(self._sockets.values()):
            socket.abort()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def run_until(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set; raises what ended the driving task, if anything does."""
        assert self._pump_task is not None, "start the server first"
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({waiting, self._pump_task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._pump_task.done():
            await self._pump_task

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._handle_socket(request)
        answer = self.venue.request(
            request.method,
            request.path,
            dict(request.query),
            request.headers,
            time.time_ns(),
            request.remote or "127.0.0.1",
        )
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def _handle_socket(self, request: web.Request) -> web.StreamResponse:
        session = self.venue.connect(request.path, dict(request.query), time.time_ns())
        if isinstance(session, Refusal):
            return web.Response(status=session.status, body=session.body)
        ws = web.WebSocketResponse(autoping=False, compress=False, timeout=1.0, max_msg_size=2**20)
        self._early[session] = []
        try:
            await ws.prepare(request)
            early = self._early.pop(session)
            if request.transport is not None:
                self._sockets[session] = _Socket(request.transport)
                self._deliver(early)
                await self._read(session, ws)
        except ConnectionResetError:
            # The peer left during its handshake. Nobody is there to answer, but aiohttp wants an
            # answer that it can try to send; a socket without handshake is none.
            return web.Response(status=400)
        finally:
            self._early.pop(session, None)
            self._sockets.pop(session, None)
            self.venue.disconnected(session)
        return ws

    async def _read(self, session: int, ws: web.WebSocketResponse) -> None:
        venue = self.venue
        async for message in ws:
            now_ns = time.time_ns()
            if message.type is WSMsgType.TEXT:
                self._deliver(venue.receive(session, message.data.encode(), now_ns))
            elif message.type is WSMsgType.PING:
                self._deliver(venue.receive_ping(session, bytes(message.data), now_ns))
            elif message.type is WSMsgType.PONG:
                self._deliver(venue.receive_pong(session, now_ns))
            elif message.type is WSMsgType.BINARY:
                self._deliver(venue.receive(session, message.data, now_ns))

    async def _pump(self) -> None:
        """Drive the venue: at its next due time, or as fast as the slowest reader reads."""
        longest_s = self._config.tick_ms / 1000.0
        while True:
            now_ns = time.time_ns()
            self._deliver(self.venue.advance(now_ns))
            due_ns = self.venue.next_due_ns()
            if due_ns == 0:
                await self._until_read()
            else:
                # Frames due within the tick go out together: one wake-up, one write per socket.
                await asyncio.sleep(longest_s)

    async def _until_read(self) -> None:
        """Wait until no reader is behind, so that a tape at full speed loses nothing."""
        await asyncio.sleep(0)
        while any(s.backlog > _READABLE_BYTES for s in self._sockets.values()):  # noqa: ASYNC110 - transports tell nobody when they drain
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _deliver(self, outputs: list[Output]) -> None:
        """Write outputs, all frames of a socket in one piece."""
        batches: dict[int, list[Out]] = {}
        for session, out in outputs:
            if session in self._early:
                self._early[session].append((session, out))
                continue
            batches.setdefault(session, []).append(out)
        for session, batch in batches.items():
            socket = self._sockets.get(session)
            if socket is not None and not socket.closing:
                self._write(socket, batch)

    def _write(self, socket: _Socket, batch: list[Out]) -> None:
        pieces: list[bytes] = []
        for out in batch:
            if isinstance(out, bytes):
                pieces.append(frames.frame(frames.TEXT, out))
            elif isinstance(out, Ping):
                pieces.append(frames.frame(frames.PING, out.payload))
            elif isinstance(out, Pong):
                pieces.append(frames.frame(frames.PONG, out.payload))
            elif isinstance(out, Binary):
                pieces.append(frames.frame(frames.BINARY, out.payload))
            else:
                self._end(socket, pieces, out)
                return
        socket.transport.write(b"".join(pieces))
        if not self._hasty and socket.backlog > self._config.max_backlog_bytes:
            socket.abort()

    def _end(self, socket: _Socket, pieces: list[bytes], out: Close | Cut) -> None:
        """Write what came before the end, then end the connection cleanly or not."""
        socket.closing = True
        if isinstance(out, Close):
            pieces.append(frames.close_frame(out.code, out.reason))
            socket.transport.write(b"".join(pieces))
            socket.transport.close()
        else:
            socket.transport.write(b"".join([*pieces, out.partial]))
            socket.transport.close()


async def serve(
    config: ServerConfig,
    *,
    on_ready: Callable[[LoopbackServer], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Run a venue until `stop` is set or the task is cancelled; `on_ready` gets the server."""
    async with LoopbackServer(config) as server:
        if on_ready is not None:
            on_ready(server)
        await server.run_until(stop or asyncio.Event())


def run(config: ServerConfig, *, on_ready: Callable[[LoopbackServer], None] | None = None) -> None:
    """Run a venue in this thread until it is interrupted (KeyboardInterrupt ends it quietly)."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(config, on_ready=on_ready))
