"""Results as terminal tables."""

from rich.console import Console
from rich.table import Table

from poise.runtime.replay import ReplayResult


def print_replay(result: ReplayResult) -> None:
    """Print what a replay found."""
    console = Console()
    table = Table(title=", ".join(result.files), title_justify="left")
    table.add_column("instrument")
    columns = ("trades", "chain breaks", "book checks", "book mismatches")
    for name in columns:
        table.add_column(name, justify="right")
    for symbol, row in result.per_instrument.items():
        table.add_row(symbol, *(f"{row[name.replace(' ', '_')]:,}" for name in columns))
    console.print(table)
    span_s = (result.last_ns - result.first_ns) / 1e9
    rate = result.lines / result.seconds if result.seconds else 0.0
    console.print(
        f"{result.lines:,} lines, {result.trades:,} trades, {result.bars:,} bars; "
        f"gaps: {result.gaps} permanent, {result.gaps_healed} healed; "
        f"{result.quarantined} lines left out"
    )
    console.print(f"{span_s:,.1f} s of tape in {result.seconds:.2f} s ({rate:,.0f} lines/s)")
    console.print(f"digest {result.digest}")


def print_fields(title: str, fields: dict[str, object]) -> None:
    """Print names and values as a table."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in fields.items():
        text = f"{value:,}" if isinstance(value, int) else str(value)
        table.add_row(name.replace("_", " "), text)
    Console().print(table)
