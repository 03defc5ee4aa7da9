"""The loopback venue as a child of a desk."""

import asyncio
from collections.abc import Callable

from poise.core.errors import UserError
from poise.loopback.config import ServerConfig
from poise.loopback.errors import LoopbackError
from poise.loopback.server import LoopbackServer
from poise.runtime.processes import lower_priority

Tell = Callable[[str], None]


async def venue_work(config: ServerConfig, stop: asyncio.Event, say: Tell, ready: Tell) -> None:
    """Serve the loopback venue; ready with ``port``."""
    lower_priority()
    try:
        server = LoopbackServer(config)
        await server.start()
    except LoopbackError as error:
        raise UserError(str(error)) from None
    try:
        say(f"loopback venue at {server.rest_url}")
        ready(str(server.port))
        await server.run_until(stop)
    finally:
        await server.stop()
