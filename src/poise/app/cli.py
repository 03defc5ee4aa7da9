"""The ``poise`` command."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from poise import __version__
from poise.core.errors import PoiseError, UserError

EXIT_USER = 2
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
EXIT_INCOMPLETE = 3
"""The work was done, but parts of the input had to be left out; each is named."""

app = typer.Typer(
    name="poise",
    help="Poise: a crypto trading desk in one command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"poise {__version__}")


@app.command()
def replay(
    files: Annotated[
        list[Path], typer.Argument(help="Recordings, merged by receive time; or a journal folder.")
    ],
    speed: Annotated[str, typer.Option(help="max, or a factor on the original pace.")] = "max",
    scale: Annotated[
        list[str] | None, typer.Option(help="SYMBOL=PRICE_PLACES,QTY_PLACES; repeatable.")
    ] = None,
    timeframes: Annotated[str, typer.Option(help="Bars to build, NAME:WINDOW.")] = "1s:60,1m:20",
    json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Play recordings through the very core that trades, and say what was found."""
    from poise.app.values import parse_scales, parse_speed, parse_timeframes
    from poise.runtime.replay import Replay

    if len(files) == 1 and files[0].is_dir():
        _replay_journal(files[0], json=json)
        return
    run = Replay(
        files,
        parse_timeframes(timeframes),
        speed=parse_speed(speed),
        scales=parse_scales(scale or []),
    )
    result = run.run()
    if json:
        typer.echo(msgspec.json.encode(result).decode())
    else:
        from poise.app.report import print_replay

        print_replay(result)
    for bad in run.bad[:20]:
        typer.echo(f"left out: {bad}", err=True)
    if run.bad:
        more = f" (first 20 of {len(run.bad)} shown)" if len(run.bad) > 20 else ""
        kept = result.lines - result.quarantined
        typer.echo(f"{len(run.bad)} lines left out, {kept} kept{more}.", err=True)
        raise typer.Exit(EXIT_INCOMPLETE)


def _replay_journal(folder: Path, *, json: bool) -> None:
    """Replay a journal; outputs that come out otherwise than recorded are a failure."""
    from poise.app.report import print_fields
    from poise.runtime.journal_replay import JournalReplay

    inner = folder / "journal"
    result = JournalReplay(inner if inner.is_dir() else folder).run()
    if json:
        typer.echo(msgspec.json.encode(result).decode())
    else:
        print_fields(f"journal {folder}", msgspec.structs.asdict(result))
    if result.mismatches:
        raise typer.Exit(EXIT_FAILED)


ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]
DataDir = Annotated[str | None, typer.Option(help="Folder of journal and lake.")]
Port = Annotated[int | None, typer.Option(help="Dashboard port on 127.0.0.1; 0: a free one.")]
Symbols = Annotated[list[str] | None, typer.Option("--symbol", help="Repeatable.")]
Pairs = Annotated[list[str] | None, typer.Option("--pair", help="Y/X, repeatable.")]
Frames = Annotated[str | None, typer.Option(help="Bars, NAME:WINDOW,NAME:WINDOW,...")]


@app.command()
def demo(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    port: Port = None,
    timeframes: Frames = None,
    seed: Annotated[int | None, typer.Option(help="Of the generated market.")] = None,
    recording: Annotated[
        list[Path] | None, typer.Option(help="Play recordings instead; repeatable.")
    ] = None,
    speed: Annotated[str, typer.Option(help="Of the recording: max or a factor.")] = "1",
) -> None:
    """Run the whole desk offline: a loopback venue, the real connector, the dashboard."""
    from poise.app.config import load_config
    from poise.app.start import run_demo
    from poise.app.values import parse_speed

    flags = {"data_dir": data_dir, "port": port, "timeframes": timeframes, "seed": seed}
    settings = load_config(config, flags)
    run_demo(settings, typer.echo, recordings=tuple(recording or ()), speed=parse_speed(speed))


@app.command()
def live(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    port: Port = None,
    timeframes: Frames = None,
    symbol: Symbols = None,
    pair: Pairs = None,
    trade_channel: Annotated[str | None, typer.Option(help="trade or aggTrade.")] = None,
) -> None:
    """Run the desk on Binance USD-M's public data; needs no key."""
    from poise.app.config import load_config
    from poise.app.start import run_live

    flags = {
        "data_dir": data_dir,
        "port": port,
        "timeframes": timeframes,
        "symbols": symbol,
        "pairs": pair,
        "trade_channel": trade_channel,
    }
    run_live(load_config(config, flags), typer.echo)


@app.command("venue-server")
def venue_server(
    recording: Annotated[
        list[Path] | None, typer.Argument(help="Recordings to play; none: a generated market.")
    ] = None,
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0: a free one.")] = 0,
    speed: Annotated[str, typer.Option(help="max or a factor on the original pace.")] = "1",
    wait_for: Annotated[int, typer.Option(help="Subscriptions at which a tape starts.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the generated market.")] = 7,
    instruments: Annotated[int, typer.Option(help="Of the generated market.")] = 24,
    activity: Annotated[float, typer.Option(help="Factor on its message rate.")] = 1.0,
    fault_seed: Annotated[
        int | None, typer.Option(help="Inject faults drawn from this seed.")
    ] = None,
) -> None:
    """Serve the loopback venue alone: Binance USD-M's wire on this machine."""
    from poise.app.loopback import run_venue_server
    from poise.app.values import parse_speed

    run_venue_server(
        tuple(recording or ()),
        port=port,
        speed=parse_speed(speed),
        wait_for=wait_for,
        seed=seed,
        instruments=instruments,
        activity=activity,
        fault_seed=fault_seed,
        say=typer.echo,
    )


@app.command()
def record(
    file: Annotated[Path, typer.Argument(help="Recording to write; .gz compresses.")],
    config: ConfigFile = None,
    symbol: Symbols = None,
    seconds: Annotated[float, typer.Option(help="Stop after this long; 0: at Ctrl-C.")] = 0.0,
) -> None:
    """Record a venue's frames and snapshots to a file that `poise replay` plays."""
    from poise.app.config import load_config
    from poise.app.recorder import run_recorder

    settings = load_config(config, {"symbols": symbol})
    lines = run_recorder(settings, file, seconds, typer.echo)
    typer.echo(f"{lines} lines in {file}")


def main() -> None:
    """Run the command line; every expected failure is one clear sentence and an exit code."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except UserError as error:
        typer.echo(f"poise: {error}", err=True)
        sys.exit(EXIT_USER)
    except PoiseError as error:
        typer.echo(f"poise: {type(error).__name__}: {error}", err=True)
        sys.exit(EXIT_FAILED)
