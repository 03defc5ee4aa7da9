"""The API server: the guarded application, and uvicorn within the edge's loop."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from poise import __version__
from poise.api.dashboard import Dashboard, dashboard_routes
from poise.api.errors import answer_error
from poise.api.guard import Guard
from poise.api.live import Hub
from poise.api.live_socket import MAX_MESSAGE_BYTES
from poise.api.market_view import DayChange
from poise.api.pair_view import PairView
from poise.api.routes import Api, routes
from poise.api.session import Session
from poise.api.topics import Topics
from poise.core.errors import UserError
from poise.runtime.edge import Edge

LOOPBACK = frozenset({"127.0.0.1", "localhost"})
PING_S = 5.0
SHUTDOWN_S = 1
BACKLOG = 128


def create_app(
    edge: Edge, session: Session, port: int, dashboard: Dashboard | None = None
) -> Guard:
    """Build the ASGI application of an edge.

    Parameters
    ----------
    edge
        What is shown and asked.
    session
        Secrets of this start.
    port
        Where it will listen: Host and Origin must name it.
    dashboard
        The page; the built one by default.
    """
    day, view = DayChange(edge), PairView(edge)
    hub = Hub(edge, Topics(edge, day, view))
    api = Api(edge, view, hub, session.csrf)
    app = Litestar(
        [*routes(api, edge), *dashboard_routes(dashboard or Dashboard())],
        exception_handlers={Exception: answer_error},
        openapi_config=OpenAPIConfig(
            title="Poise",
            version=__version__,
            path="/api/schema",
            render_plugins=[JsonRenderPlugin()],
        ),
        logging_config=None,
        debug=False,
    )
    return Guard(app, session, port)


def bind(host: str, port: int) -> socket.socket:
    """Listen on loopback; port 0 takes a free one.

    Raises
    ------
    UserError
        When the address is not loopback, or the port is taken.
    """
    if host not in LOOPBACK:
        raise UserError(
            f"the dashboard listens on 127.0.0.1 only, not on {host!r}, until there are accounts: "
            "reach it from another machine through an SSH tunnel"
        )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise UserError(
            f"port {port} is not free ({error.strerror}): choose another with --port, or stop what "
            "listens there"
        ) from None
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(app: Any, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; sockets get at most a second to end."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_S,
        ws_ping_timeout=2 * PING_S,
        ws_per_message_deflate=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    server = _Server(config)

    async def watch() -> None:
        await stop.wait()
        server.should_exit = True

    watching = asyncio.create_task(watch())
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()
        listener.close()
