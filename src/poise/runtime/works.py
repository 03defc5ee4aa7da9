"""What the children of a desk run: a venue, a core; the edge is composed in `app`."""

import asyncio
from collections.abc import Callable

from poise.core.errors import UserError
from poise.loopback.config import ServerConfig
from poise.loopback.errors import LoopbackError
from poise.loopback.server import LoopbackServer
from poise.runtime.core import run_core
from poise.runtime.processes import lower_priority
from poise.runtime.settings import CoreSettings

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


async def core_work(settings: CoreSettings, stop: asyncio.Event, say: Tell, ready: Tell) -> None:
    """Run the core; ready when its link is open."""
    await run_core(settings, stop, say, ready)
