"""What is in the lake: its header, its commit point, and a manifest per channel and day.

``committed.json`` is the one commit point. Segments and manifests are written before it, so a
manifest may name segments that end behind it: readers pass over those, and a writer that opens the
lake strikes them out, because their rows will come again from the journal. Compaction only joins
committed segments.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from poise.core.errors import InvariantBroken, UserError
from poise.store.disk import Disk, read_whole, write_atomically
from poise.store.journal_format import Position
from poise.store.lake_schema import LAKE_FORMAT

HEADER_NAME = "lake.json"
COMMITTED_NAME = "committed.json"
INSTRUMENTS_NAME = "instruments.json"
MANIFEST_FOLDER = "manifest"
MIXED = -1
"""Instrument number of a segment that holds several instruments."""
_EPOCH = date(1970, 1, 1)


class LakePosition(NamedTuple):
    """A journal position with the number of the journal among those the lake has read."""

    journal: int
    segment: int
    offset: int

    @property
    def in_journal(self) -> Position:
        """Position within that journal."""
        return Position(self.segment, self.offset)

    def text(self) -> str:
        """Part of a segment's file name."""
        return f"j{self.journal}s{self.segment}o{self.offset}"


NOTHING = LakePosition(0, 0, 0)


class Run(msgspec.Struct, frozen=True):
    """One opening of the lake for writing."""

    run_id: str
    opened_ns: int


class LakeHeader(msgspec.Struct, frozen=True, kw_only=True):
    """``lake.json``: whose lake this is."""

    format: int
    environment: str
    runs: tuple[Run, ...]


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """``committed.json``: every journal row up to `position` is in the lake, and none behind it.

    `journals` are the ids of the journals read, in order; `position` counts in the last.
    """

    position: LakePosition
    journals: tuple[str, ...]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One segment: the rows of journal positions ``start < p <= end``.

    `name` is relative to the lake; `number` the instrument, or `MIXED`; `level` counts merges.
    """

    name: str
    number: int
    level: int
    rows: int
    size: int
    start: LakePosition
    end: LakePosition
    min_ns: int
    max_ns: int


class Replaced(msgspec.Struct, frozen=True):
    """A segment that was merged into another; its file stays for readers until `until_ns`."""

    name: str
    until_ns: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Segments of one channel and day."""

    format: int
    environment: str
    run_id: str
    channel: str
    day: int
    entries: tuple[Entry, ...] = ()
    replaced: tuple[Replaced, ...] = ()


def day_text(day: int) -> str:
    """``2024-08-09`` of days since 1970."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def day_number(text: str) -> int:
    """Days since 1970 of ``2024-08-09``."""
    return (date.fromisoformat(text) - _EPOCH).days


def manifest_path(root: Path, channel: str, day: int) -> Path:
    """File of a manifest."""
    return root / MANIFEST_FOLDER / channel / f"{day_text(day)}.json"


def manifest_days(disk: Disk, root: Path, channel: str) -> list[int]:
    """Days of which a channel has a manifest, ascending."""
    names = disk.names(root / MANIFEST_FOLDER / channel)
    return sorted(
        day_number(name.removesuffix(".json")) for name in names if name.endswith(".json")
    )


Read = TypeVar("Read", LakeHeader, Committed, Manifest)


def read_json(disk: Disk, path: Path, kind: type[Read]) -> Read | None:
    """Read one of the lake's files; None when it is not there.

    Raises
    ------
    UserError
        When a newer Poise wrote it.
    InvariantBroken
        When it is damaged.
    """
    try:
        data = read_whole(disk, path)
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise InvariantBroken(f"{path} is corrupt: {error}") from error


def write_json(disk: Disk, path: Path, value: msgspec.Struct | list[msgspec.Struct]) -> None:
    """Replace one of the lake's files, durably and in one step."""
    write_atomically(disk, path, [msgspec.json.format(msgspec.json.encode(value))])


def read_header(disk: Disk, root: Path) -> LakeHeader | None:
    """Read ``lake.json``; None when there is no lake; refuse one of a newer format."""

    class Version(msgspec.Struct):
        format: int

    path = root / HEADER_NAME
    try:
        version = msgspec.json.decode(read_whole(disk, path), type=Version).format
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise InvariantBroken(f"{path} is corrupt: {error}") from error
    if version > LAKE_FORMAT:
        raise UserError(
            f"the lake {root} was written by a newer Poise (format {version}; this one reads up "
            f"to {LAKE_FORMAT}): update Poise to read it"
        )
    return read_json(disk, path, LakeHeader)
