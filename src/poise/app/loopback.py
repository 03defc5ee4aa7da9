"""``poise venue-server``: the loopback venue in the foreground."""

from collections.abc import Callable
from pathlib import Path

from poise.core.errors import UserError
from poise.loopback.config import GeneratedConfig, ServerConfig, TapeConfig, VenueConfig
from poise.loopback.errors import LoopbackError
from poise.loopback.faults import FaultPlan
from poise.loopback.server import LoopbackServer, run


def run_venue_server(
    recordings: tuple[Path, ...],
    *,
    port: int,
    speed: float | None,
    wait_for: int,
    seed: int,
    instruments: int,
    activity: float,
    fault_seed: int | None,
    say: Callable[[str], None],
) -> None:
    """Serve until Ctrl-C.

    Raises
    ------
    UserError
        When a value, a recording or the port cannot be used.
    """

    def on_ready(server: LoopbackServer) -> None:
        say(f"REST {server.rest_url}")
        say(f"WebSocket {server.ws_url}")
        for error in server.venue.recording_errors[:20]:
            say(f"left out: {error}")
        if not recordings:
            say("generated market, planted edge: P&L means nothing")

    try:
        market = (
            TapeConfig(recordings, speed=speed, wait_for=wait_for)
            if recordings
            else GeneratedConfig(seed=seed, instruments=instruments, activity=activity)
        )
        faults = FaultPlan() if fault_seed is None else FaultPlan.drawn(fault_seed, float("inf"))
        run(ServerConfig(VenueConfig(market, faults=faults), port=port), on_ready=on_ready)
    except LoopbackError as error:
        raise UserError(str(error)) from None
