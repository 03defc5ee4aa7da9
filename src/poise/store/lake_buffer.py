"""Rows in memory that are not yet in the lake's files."""

import struct
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import astuple

from poise.store.lake_schema import NS_PER_DAY, ChannelSchema, Columns

Chunk = tuple[npt.NDArray[np.int64], ...]


class RowBuffer:
    """Append-only columns of one channel.

    Rows come one by one (`add_row`, packed into bytes: the cheapest thing Python does with eight
    integers) or as whole columns (`add_columns`, not copied). `convert` turns the caller's
    instrument and sequence numbers into the lake's when rows are sealed into a chunk.

    One thread writes; `columns` may be called from another.

    Attributes
    ----------
    add_row
        Append one row, its integers in the order of the schema's columns.
    add_struct
        ``add_struct(struct, seq)``: append a struct whose first fields are the schema's columns
        but the last, which is `seq`. Half the cost of `add_row`.
    """

    add_row: Callable[..., None]
    add_struct: Callable[[msgspec.Struct, int], None]

    def __init__(self, schema: ChannelSchema, convert: Callable[[Columns], Columns]) -> None:
        self._schema = schema
        self._convert = convert
        self._width = len(schema.columns)
        self._rows = bytearray()
        self._chunks: list[Chunk] = []
        self._chunk_rows = 0
        self.add_row = _row_adder(self._rows, self._width)
        self.add_struct = _struct_adder(self._rows, self._width)

    def __len__(self) -> int:
        return self._chunk_rows + len(self._rows) // (8 * self._width)

    def add_columns(self, columns: Columns) -> None:
        """Append columns of equal length; they are kept, not copied: do not change them later."""
        self.seal()
        length = len(columns[self._schema.columns[0]])
        if any(len(columns[name]) != length for name in self._schema.columns):
            raise ValueError(f"columns of {self._schema.name} differ in length")
        self._put(self._convert(columns), length)

    def seal(self) -> None:
        """Convert the rows added one by one."""
        if self._rows:
            columns = self._unpack(bytes(self._rows))
            length = len(self._rows) // (8 * self._width)
            # In this order a reader in another thread may see rows twice, never miss them;
            # `LakeWriter.tail` holds the writer's lock against that.
            self._put(self._convert(columns), length)
            self._rows.clear()

    def clear(self) -> None:
        """Forget everything: it is in the lake."""
        self._rows.clear()
        self._chunks = []
        self._chunk_rows = 0

    def columns(self) -> Columns:
        """All rows in the order in which they came."""
        chunks = list(self._chunks)
        if self._rows:
            last = self._convert(self._unpack(bytes(self._rows)))
            chunks.append(tuple(last[name] for name in self._schema.columns))
        if len(chunks) == 1:
            return dict(zip(self._schema.columns, chunks[0], strict=True))
        if not chunks:
            return {name: np.empty(0, np.int64) for name in self._schema.columns}
        return {
            name: np.concatenate([chunk[column] for chunk in chunks])
            for column, name in enumerate(self._schema.columns)
        }

    def _put(self, columns: Columns, length: int) -> None:
        self._chunks.append(tuple(columns[name] for name in self._schema.columns))
        self._chunk_rows += length

    def _unpack(self, data: bytes) -> Columns:
        rows = np.frombuffer(data, "<i8").reshape(-1, self._width)
        turned = np.ascontiguousarray(rows.T)
        return dict(zip(self._schema.columns, turned, strict=True))


def _row_adder(rows: bytearray, width: int) -> Callable[..., None]:
    pack = struct.Struct(f"<{width}q").pack
    extend = rows.extend

    def add_row(*values: int) -> None:
        extend(pack(*values))

    return add_row


def _struct_adder(rows: bytearray, width: int) -> Callable[[msgspec.Struct, int], None]:
    pack = struct.Struct(f"<{width}q").pack
    extend, fields, last = rows.extend, astuple, width - 1

    def add_struct(value: msgspec.Struct, seq: int) -> None:
        extend(pack(*fields(value)[:last], seq))

    return add_struct


def days_of(schema: ChannelSchema, columns: Columns) -> Iterator[tuple[int, Columns]]:
    """Split rows by the UTC day (days since 1970) of their time, keeping their order."""
    times = columns[schema.time]
    if not len(times):
        return
    first, last = int(times.min()) // NS_PER_DAY, int(times.max()) // NS_PER_DAY
    if first == last:
        yield first, columns
        return
    days = times // NS_PER_DAY
    for day in np.unique(days).tolist():
        chosen = days == day
        yield day, {name: values[chosen] for name, values in columns.items()}


def by_instrument(columns: Columns) -> Columns:
    """Sort rows by instrument, keeping the order of arrival within one."""
    numbers = columns["instrument"]
    if len(numbers) < 2 or bool((numbers[1:] >= numbers[:-1]).all()):
        return columns
    # int16 sorts by radix, ten times as fast; a lake of more instruments than that takes longer.
    narrow = numbers.astype(np.int16) if int(numbers.max()) < 1 << 15 else numbers
    order = np.argsort(narrow, kind="stable")
    return {name: values[order] for name, values in columns.items()}
