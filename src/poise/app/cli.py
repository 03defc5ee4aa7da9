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
    files: Annotated[list[Path], typer.Argument(help="Recordings, merged by receive time.")],
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


def main() -> None:
    """Run the command line; every expected failure is one clear sentence and an exit code."""
    try:
        app()
    except UserError as error:
        typer.echo(f"poise: {error}", err=True)
        sys.exit(EXIT_USER)
    except PoiseError as error:
        typer.echo(f"poise: {type(error).__name__}: {error}", err=True)
        sys.exit(EXIT_FAILED)
