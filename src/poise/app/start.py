"""``poise demo`` and ``poise live``: from a configuration to a running desk."""

import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from poise import __version__
from poise.app.config import Config
from poise.app.desk import Desk
from poise.app.folders import demo_folder, link_path, live_folder
from poise.app.values import parse_timeframes
from poise.loopback.config import GeneratedConfig, ServerConfig, TapeConfig, VenueConfig
from poise.runtime.processes import Child
from poise.runtime.settings import CoreSettings, EdgeSettings

DEMO_NOTICE = "generated market, planted edge: P&L means nothing"
DEMO_INSTRUMENTS = 24
VENUE_WORK = "poise.runtime.venue_process:venue_work"
CORE_WORK = "poise.runtime.core:run_core"
EDGE_WORK = "poise.app.edge_process:edge_work"

Say = Callable[[str], None]


def new_run_id() -> str:
    """Sortable by start time, unique on this machine."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + secrets.token_hex(2)


def run_demo(
    config: Config, say: Say, *, recordings: tuple[Path, ...], speed: float | None
) -> None:
    """Run the whole desk offline against the loopback venue, until Ctrl-C."""
    run_id = new_run_id()
    folder, removed = demo_folder(config.data_dir, run_id)
    say(f"poise {__version__} demo, run {run_id}")
    notice = DEMO_NOTICE
    if recordings:
        market: GeneratedConfig | TapeConfig = TapeConfig(recordings, speed=speed)
        notice = "recorded market, replayed by the loopback venue"
    else:
        market = GeneratedConfig(seed=config.seed, instruments=DEMO_INSTRUMENTS)
    say(notice)
    if removed:
        say(f"removed {removed} demo run(s) older than the last two")
    desk = Desk(say, link := link_path())
    desk.catch_signals()
    try:
        venue = Child("venue", VENUE_WORK, ServerConfig(VenueConfig(market)))
        port = desk.begin(venue)
        core = msgspec.structs.replace(
            core_settings(config, "demo", run_id, folder, link),
            ws_url=f"ws://127.0.0.1:{port}",
            rest_url=f"http://127.0.0.1:{port}",
            most_traded=DEMO_INSTRUMENTS,
            notice=notice,
            warm=not recordings,
        )
        _run(desk, core, config, say)
    finally:
        _stop(desk, say, folder)


def run_live(config: Config, say: Say) -> None:
    """Run the desk on the real venue: public data only, no key."""
    run_id = new_run_id()
    folder = live_folder(config.data_dir)
    say(f"poise {__version__} live, run {run_id}")
    desk = Desk(say, link := link_path())
    desk.catch_signals()
    try:
        _run(desk, core_settings(config, "live", run_id, folder, link), config, say)
    finally:
        _stop(desk, say, folder)


def core_settings(
    config: Config, environment: str, run_id: str, folder: Path, link: Path
) -> CoreSettings:
    """Settings of the core process from a configuration."""
    return CoreSettings(
        environment=environment,  # type: ignore[arg-type]
        run_id=run_id,
        data=str(folder),
        link=str(link),
        ws_url=config.ws_url,
        rest_url=config.rest_url,
        ca_file=config.ca_file,
        quote=config.quote,
        symbols=config.symbols,
        most_traded=config.most_traded,
        pairs=config.pairs,
        max_pairs=config.max_pairs,
        timeframes=parse_timeframes(config.timeframes),
        # Live needs no key, and only aggregates can be healed far back without one.
        trade_channel=config.trade_channel or ("aggTrade" if environment == "live" else "trade"),  # type: ignore[arg-type]
        keep_hours=config.keep_hours,
        keep_gib=config.keep_gib,
    )


def _run(desk: Desk, core: CoreSettings, config: Config, say: Say) -> None:
    say(f"data in {core.data}")
    desk.begin(Child("core", CORE_WORK, core))
    edge = EdgeSettings(
        environment=core.environment,
        data=core.data,
        link=core.link,
        port=config.port,
        token=secrets.token_urlsafe(32),
    )
    address = desk.begin(Child("edge", EDGE_WORK, edge))
    say(f"dashboard: {address}")
    say("Ctrl-C stops the desk.")
    if not sys.stdout.isatty():
        desk.run()
        return
    from poise.app.table import PairsTable

    table = PairsTable(Path(core.link))
    try:
        desk.speak_through(table.say)
        desk.run(table.refresh)
    finally:
        desk.speak_through(say)
        table.close()


def _stop(desk: Desk, say: Say, folder: Path) -> None:
    say("stopping")
    seconds = desk.stop()
    say(f"stopped in {seconds:.1f} s; journal and lake are in {folder}")
