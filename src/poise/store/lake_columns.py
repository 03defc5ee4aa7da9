"""Stored integers -> the columns that queries answer with."""

from collections.abc import Iterator
from typing import Any, Literal

import pyarrow as pa

from poise.store.lake_instruments import LakeInstrument
from poise.store.lake_manifest import MIXED, Entry

Numbers = Literal["float", "decimal"]
_PRICES = frozenset(
    {"price", "open", "high", "low", "close", "bid", "ask", "bid_close", "ask_close"}
)
_QTYS = frozenset({"qty", "volume", "buy_volume", "bid_qty", "ask_qty"})


def expose(table: Any, row: LakeInstrument, numbers: Numbers) -> Any:
    """Put the instrument's id first, and prices and quantities as numbers beside the stored ones.

    A bar's `bid_close` and `ask_close` of 0 mean that no quote was seen; so they stay 0.
    """
    names = ["instrument"]
    arrays = [pa.repeat(pa.scalar(row.id), len(table))]
    scaled: list[tuple[str, Any]] = []
    turn = floats if numbers == "float" else decimals
    for name in table.column_names:
        column = table[name]
        if name in _PRICES or name in _QTYS:
            scale = row.price_scale if name in _PRICES else row.qty_scale
            scaled.append((f"{name}_scaled", column))
            column = turn(column, scale)
        names.append(name)
        arrays.append(column)
    return pa.table(
        [*arrays, *(each for _, each in scaled)], [*names, *(name for name, _ in scaled)]
    )


def floats(column: Any, scale: int) -> Any:
    """Scaled integers as float64, each the double nearest to the decimal number (below 2**53)."""
    return pa.array(column.to_numpy() / 10.0**scale)


def decimals(column: Any, scale: int) -> Any:
    """Scaled integers as exact decimals."""
    wide = pa.array(column.to_numpy()).cast(pa.decimal128(38, 0))
    # The same 16 bytes, read with the point elsewhere.
    return pa.Array.from_buffers(pa.decimal128(38, scale), len(wide), wide.buffers())


def starts(entries: list[Entry], n: int) -> Iterator[int]:
    """Times (ns) that `n` rows of an instrument should reach back to: a guess, then surely.

    Yields nothing when the instrument's own segments hold too few.
    """
    need = n
    newest = sorted(entries, key=lambda each: each.max_ns, reverse=True)
    for entry in newest:
        if entry.number == MIXED:
            continue
        if entry.rows >= need:
            span = entry.max_ns - entry.min_ns
            yield entry.max_ns - span * min(entry.rows, need * 3 // 2) // entry.rows
            yield entry.min_ns
            return
        need -= entry.rows
