"""The core's end of the local socket: state out, conflated; commands in."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from poise.runtime.messages import FromCore, FromEdge, Hello, packed, receive_from_edge

_BACKLOG_BYTES = 4 << 20
"""An edge this far behind gets no further state until it has read; nothing is lost by that."""


class LinkServer:
    """Serves edges on a Unix socket (mode 0600); their absence costs nothing.

    Parameters
    ----------
    path
        Of the socket.
    hello
        First message to each edge.
    command
        Carries a command out and answers it.
    """

    def __init__(
        self,
        path: Path,
        hello: Callable[[], Hello],
        command: Callable[[FromEdge], Awaitable[FromCore]],
    ) -> None:
        self._path = path
        self._hello = hello
        self._command = command
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Whether any edge listens."""
        return bool(self._writers)

    async def start(self) -> None:
        """Listen."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Close every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._answering):
            task.cancel()
        for writer in list(self._writers):
            writer.close()
        self._path.unlink(missing_ok=True)

    def send(self, message: FromCore) -> None:
        """Send to every edge that keeps up."""
        data = packed(message)
        for writer in self._writers:
            if writer.transport.get_write_buffer_size() < _BACKLOG_BYTES:
                writer.write(data)

    async def _answer(self, writer: asyncio.StreamWriter, command: FromEdge) -> None:
        writer.write(packed(await self._command(command)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packed(self._hello()))
        self._writers.add(writer)
        try:
            while True:
                command = await receive_from_edge(reader)
                # Beside the reading: a page of history takes seconds, a new pair must not wait.
                task = asyncio.create_task(self._answer(writer, command))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the edge has gone; another may come
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
