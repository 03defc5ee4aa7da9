"""The edge process: replica, lake and API in one loop."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from poise.api.server import bind, create_app, serve
from poise.api.session import Session
from poise.runtime.edge import Edge
from poise.runtime.processes import lower_priority
from poise.runtime.settings import EdgeSettings

Tell = Callable[[str], None]


async def edge_work(settings: EdgeSettings, stop: asyncio.Event, say: Tell, ready: Tell) -> None:
    """Run an edge as a child of the desk; ready with the one-time address of the dashboard."""
    lower_priority()
    await run_edge_process(settings, stop, say, ready)


async def run_edge_process(
    settings: EdgeSettings, stop: asyncio.Event, say: Tell, ready: Tell
) -> None:
    """Run an edge until `stop` is set.

    Parameters
    ----------
    settings
        Port 0 takes a free one.
    say
        Told what the terminal should show.
    ready
        Called once with the one-time address, when requests are answered.

    Raises
    ------
    UserError
        When the port is taken or is not on loopback.
    """
    listener = bind(settings.host, settings.port)
    port = listener.getsockname()[1]
    session = Session(settings.token, Path(settings.data))
    edge = Edge(settings)
    try:
        await edge.start()
        if edge.lake_refused:
            say(f"the tick lake is off: {edge.lake_refused}")
        ready(f"http://127.0.0.1:{port}/login?token={session.token}")
        await serve(create_app(edge, session, port), listener, stop)
    finally:
        listener.close()
        await edge.stop()
