"""Join small segments into few: fresh ones into one per instrument, those into larger ones.

Call `compact` and `remove_replaced` from the thread that commits, between commits; each call does
one bounded piece of work. Only committed segments are joined, in the order of the journal, and the
result is named by the joined range, so doing it again after a crash gives the same file. Replaced
files stay for readers that still hold the manifest before.
"""

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from poise.core.errors import InvariantBroken
from poise.store.disk import disk_failure, read_whole
from poise.store.lake_files import Key, LakeFiles
from poise.store.lake_instruments import InstrumentTable
from poise.store.lake_manifest import Entry, Manifest, Replaced, day_text
from poise.store.lake_schema import CHANNELS, MERGED_LEVEL, NS_PER_DAY, ChannelSchema
from poise.store.lake_writer import LakeWriter

FRESH_FILES = 12
"""Fresh segments of a day at which they are joined: a minute's worth."""
FAN_IN = 8
"""Segments of one instrument and level that make one of the next level."""
MAX_JOINED_ROWS = 2_000_000
"""Rows of a joined segment, for the memory it takes (about 150 bytes a row while at work)."""
KEEP_REPLACED_NS = 15 * 60 * 1_000_000_000
DAY_OVER_NS = NS_PER_DAY + 600 * 1_000_000_000
"""A day is joined for good ten minutes after its end: late rows have come."""


def compact(writer: LakeWriter, now_ns: int) -> bool:
    """Do one join if one is due; True when there may be another.

    Parameters
    ----------
    now_ns
        Wall clock, nanoseconds UTC.

    Raises
    ------
    UserError
        When the disk refuses; the lake is as before.
    """
    try:
        for key in list(writer.files.manifests):
            chosen = _choose(writer.files.manifest(key), now_ns)
            if chosen:
                _join(writer.files, writer.instruments, key, chosen, now_ns)
                return True
    except OSError as error:
        raise disk_failure(error, "joining segments of the tick lake", writer.root) from error
    return False


def remove_replaced(writer: LakeWriter, now_ns: int) -> int:
    """Remove replaced files whose time is over; return how many."""
    files = writer.files
    removed = 0
    try:
        for key in list(files.manifests):
            manifest = files.manifest(key)
            over = [each for each in manifest.replaced if each.until_ns <= now_ns]
            if not over:
                continue
            for each in over:
                path = files.root / each.name
                if files.disk.exists(path):
                    files.disk.remove(path)
                    removed += 1
            kept = tuple(each for each in manifest.replaced if each.until_ns > now_ns)
            _replace(files, key, msgspec.structs.replace(manifest, replaced=kept))
    except OSError as error:
        raise disk_failure(error, "tidying the tick lake", writer.root) from error
    return removed


def _choose(manifest: Manifest, now_ns: int) -> list[Entry]:
    """Segments to join next, oldest first; empty when nothing is due."""
    day_over = now_ns >= manifest.day * NS_PER_DAY + DAY_OVER_NS
    fresh = _bounded([each for each in manifest.entries if each.level == 0])
    if len(fresh) >= FRESH_FILES or (fresh and day_over):
        return fresh
    joined = sorted(
        (each for each in manifest.entries if each.level > 0), key=lambda each: each.number
    )
    for _, group in itertools.groupby(joined, key=lambda each: each.number):
        ordered = sorted(group, key=lambda each: each.start)
        for _, same in itertools.groupby(ordered, key=lambda each: day_over or each.level):
            run = list(same)
            # At the day's end everything joins; the first segments may be full already.
            for at in range(len(run) - 1 if day_over else max(0, len(run) - FAN_IN + 1)):
                chosen = _bounded(run[at:] if day_over else run[at : at + FAN_IN])
                if len(chosen) >= (2 if day_over else FAN_IN):
                    return chosen
    return []


def _bounded(entries: list[Entry]) -> list[Entry]:
    """Return the first entries, as far as their rows fit into memory."""
    total = 0
    for at, entry in enumerate(entries):
        total += entry.rows
        if total > MAX_JOINED_ROWS and at > 0:
            return entries[:at]
    return entries


def _join(
    files: LakeFiles, instruments: InstrumentTable, key: Key, chosen: list[Entry], now_ns: int
) -> None:
    """Write one segment per instrument of the chosen ones, then the manifest that names them."""
    channel, day = key
    schema = CHANNELS[channel]
    manifest = files.manifest(key)
    whole = pa.concat_tables([_read(files, schema, each) for each in chosen])
    if len(whole) != sum(each.rows for each in chosen):
        raise InvariantBroken(f"segments of {channel} {day_text(day)} changed since they were made")
    level = max(each.level for each in chosen) + 1
    span = (chosen[0].start, max(each.end for each in chosen))
    made = []
    for number in whole["instrument"].unique().to_pylist():
        rows = whole.filter(pc.equal(whole["instrument"], number))
        rows = rows.sort_by([(schema.time, "ascending"), ("position", "ascending")])
        row = instruments.rows[number]
        metadata = {
            "poise.channel": channel,
            "poise.environment": files.environment,
            "poise.instrument": row.id,
            "poise.price_scale": str(row.price_scale),
            "poise.qty_scale": str(row.qty_scale),
        }
        data = schema.parquet(rows, MERGED_LEVEL, metadata)
        name = f"i{number}{span[0].text()}_{span[1].text()}.parquet"
        folder = Path(channel) / row.folder() / day_text(day)
        times = pc.min_max(rows[schema.time]).as_py()
        made.append(
            Entry(
                name=files.write_segment(folder, name, data),
                number=number,
                level=level,
                rows=len(rows),
                size=data.size,
                start=span[0],
                end=span[1],
                min_ns=times["min"],
                max_ns=times["max"],
            )
        )
    gone = {each.name for each in chosen}
    until_ns = now_ns + KEEP_REPLACED_NS
    entries = [each for each in manifest.entries if each.name not in gone] + made
    entries.sort(key=lambda each: (each.start, each.number))
    _replace(
        files,
        key,
        msgspec.structs.replace(
            manifest,
            run_id=files.run_id,
            entries=tuple(entries),
            replaced=(*manifest.replaced, *(Replaced(name, until_ns) for name in sorted(gone))),
        ),
    )


def _replace(files: LakeFiles, key: Key, manifest: Manifest) -> None:
    files.write_manifest(key, manifest)
    files.manifests[key] = manifest


def _read(files: LakeFiles, schema: ChannelSchema, entry: Entry) -> Any:
    path = files.root / entry.name
    try:
        data = read_whole(files.disk, path)
    except FileNotFoundError as error:
        raise InvariantBroken(f"{path} is named by its manifest and missing") from error
    try:
        table = pq.read_table(pa.BufferReader(data))
    except pa.ArrowInvalid as error:
        raise InvariantBroken(f"{path} is corrupt: {error}") from error
    return table.replace_schema_metadata(None).cast(schema.arrow_schema())
