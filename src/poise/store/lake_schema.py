"""Columns of the tick lake, and how each is stored.

Everything is int64 in memory. Prices and quantities are scaled integers of the instrument's row in
``instruments.json``; `position` is the journal's sequence number plus ``journal number << 48``.
Encodings were chosen on the recordings: 4.7 bytes a trade at zstd 3, and the fastest to write.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

LAKE_FORMAT = 1
NS_PER_DAY = 86_400_000_000_000
ROW_GROUP_ROWS = 1 << 15
"""The newest 10,000 trades are then one or two groups, and both threads have work on a day."""
FRESH_LEVEL = 1
"""zstd level of files that are soon merged."""
MERGED_LEVEL = 3
POSITION_SHIFT = 48
"""A journal may number 2**48 records; its number in the lake stands above."""

Columns = dict[str, npt.NDArray[np.int64]]
_DELTA = "DELTA_BINARY_PACKED"
_SPLIT = "BYTE_STREAM_SPLIT"


@dataclass(frozen=True)
class ChannelSchema:
    """One kind of row.

    Attributes
    ----------
    name
        Folder name.
    columns
        Names, in the order of the row buffer.
    time
        Column whose UTC date decides the day.
    delta
        Columns that step by little from row to row (times, ids).
    split
        Columns whose high bytes repeat (prices, quantities).
    texts
        Columns that hold codes of the writer's text table in memory, and strings on disk.
    small
        Columns stored narrower than int64.
    """

    name: str
    columns: tuple[str, ...]
    time: str
    delta: tuple[str, ...]
    split: tuple[str, ...]
    texts: tuple[str, ...] = ()
    small: dict[str, pa.DataType] = field(default_factory=dict)

    def arrow_schema(self) -> pa.Schema:
        """Types as stored."""
        return pa.schema([(name, self._type(name)) for name in self.columns])

    def _type(self, name: str) -> pa.DataType:
        return pa.string() if name in self.texts else self.small.get(name, pa.int64())

    def table(self, columns: Columns, texts: list[str]) -> pa.Table:
        """Arrow table of buffered columns."""
        arrays = []
        for name in self.columns:
            values = columns[name]
            if name in self.texts:
                array = pa.DictionaryArray.from_arrays(
                    _integers(values), pa.array(texts, pa.string())
                )
                arrays.append(array.cast(pa.string()))
            else:
                array = _integers(values)
                arrays.append(array.cast(self.small[name]) if name in self.small else array)
        return pa.Table.from_arrays(arrays, schema=self.arrow_schema())

    def parquet(self, table: pa.Table, level: int, metadata: dict[str, str]) -> Any:
        """Parquet file in memory, as an Arrow buffer."""
        sink = pa.BufferOutputStream()
        encodings = dict.fromkeys(self.delta, _DELTA) | dict.fromkeys(self.split, _SPLIT)
        pq.write_table(
            table.replace_schema_metadata(metadata),
            sink,
            row_group_size=ROW_GROUP_ROWS,
            compression="zstd",
            compression_level=level,
            use_dictionary=[name for name in self.columns if name not in encodings],
            column_encoding=encodings,
        )
        return sink.getvalue()


def _integers(values: npt.NDArray[np.int64]) -> Any:
    """Arrow array over a column's memory; ``pa.array`` would import pandas where installed."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


_NARROW = {"instrument": pa.int32()}

TRADES = ChannelSchema(
    name="trades",
    columns=("instrument", "id", "price", "qty", "side", "venue_ns", "recv_ns", "position"),
    time="venue_ns",
    delta=("id", "venue_ns", "recv_ns", "position"),
    split=("price", "qty"),
    small=_NARROW | {"side": pa.int8()},
)
QUOTES = ChannelSchema(
    name="quotes",
    columns=(
        "instrument",
        "update_id",
        "bid",
        "bid_qty",
        "ask",
        "ask_qty",
        "venue_ns",
        "recv_ns",
        "position",
    ),
    time="venue_ns",
    delta=("update_id", "venue_ns", "recv_ns", "position"),
    split=("bid", "bid_qty", "ask", "ask_qty"),
    small=_NARROW,
)
BARS = ChannelSchema(
    name="bars",
    columns=(
        "instrument",
        "timeframe",
        "start_ns",
        "end_ns",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "buy_volume",
        "trades",
        "bid_close",
        "ask_close",
        "origin",
        "position",
    ),
    time="start_ns",
    delta=("start_ns", "end_ns", "trades", "position"),
    split=(
        "open",
        "high",
        "low",
        "close",
        "volume",
        "buy_volume",
        "bid_close",
        "ask_close",
    ),
    texts=("timeframe", "origin"),
    small=_NARROW,
)
GAPS = ChannelSchema(
    name="gaps",
    columns=(
        "instrument",
        "channel",
        "first_id",
        "last_id",
        "from_ns",
        "to_ns",
        "reason",
        "healed",
        "position",
    ),
    time="from_ns",
    delta=("first_id", "last_id", "from_ns", "to_ns", "position"),
    split=(),
    texts=("channel", "reason"),
    small=_NARROW | {"healed": pa.bool_()},
)
CHANNELS = {schema.name: schema for schema in (TRADES, QUOTES, BARS, GAPS)}
