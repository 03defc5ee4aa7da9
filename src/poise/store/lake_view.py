"""A consistent view of a lake that another thread or process writes."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

from poise.core.errors import InvariantBroken, UserError
from poise.store.disk import RealDisk
from poise.store.lake_instruments import InstrumentTable, LakeInstrument, load_instruments
from poise.store.lake_manifest import (
    COMMITTED_NAME,
    INSTRUMENTS_NAME,
    MIXED,
    NOTHING,
    Committed,
    Entry,
    LakePosition,
    Manifest,
    manifest_days,
    manifest_path,
    read_header,
    read_json,
)

Stamp = tuple[int, int, int]
_TRIES = 50


class Tail(Protocol):
    """A lake with rows in memory behind its last commit; `LakeWriter` is one."""

    @property
    def committed(self) -> LakePosition:
        """Last commit."""

    def tail(self, channel: str) -> tuple[LakePosition, Any]:
        """Last commit, and the rows added since."""


class Snapshot(NamedTuple):
    """What a query reads: segments, and perhaps rows in memory, that together miss nothing."""

    entries: list[Entry]
    tail: Any  # pyarrow.Table, or None outside the writer's process


class LakeView:
    """Finds the segments of a channel and a range of days.

    Parameters
    ----------
    root
        The lake's folder.
    tail
        The writer, when it lives in this process: then answers contain its newest rows.

    Raises
    ------
    UserError
        When there is no lake, or one of a newer format.
    """

    def __init__(self, root: Path, tail: Tail | None = None) -> None:
        self.root = root
        self._disk = RealDisk()
        self._tail = tail
        self._manifests: dict[Path, tuple[Stamp, Manifest]] = {}
        self._instruments: tuple[Stamp, InstrumentTable] | None = None
        header = read_header(self._disk, root)
        if header is None:
            raise UserError(f"there is no tick lake in {root}: name a lake's folder")
        self.environment = header.environment
        self.run_ids = [each.run_id for each in header.runs]

    def instruments(self) -> InstrumentTable:
        """All instruments of the lake."""
        path = self.root / INSTRUMENTS_NAME
        stamp = _stamp(path)
        if self._instruments is None or self._instruments[0] != stamp:
            self._instruments = (stamp, load_instruments(self._disk, self.root))
        return self._instruments[1]

    def versions(self, instrument: str) -> list[LakeInstrument]:
        """Versions of an instrument by id, or by the venue's own name when only one has it.

        Raises
        ------
        UserError
            When the lake does not know it.
        """
        table = self.instruments()
        found = table.versions(instrument)
        if not found:
            named = [row for row in table.rows if row.symbol == instrument]
            found = named if len({row.id for row in named}) == 1 else []
        if not found:
            known = sorted({row.id for row in table.rows})
            shown = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
            raise UserError(f"the lake has no instrument {instrument!r}; it has {shown or 'none'}")
        return found

    def days(self, channel: str) -> list[int]:
        """Days of which the channel has segments, or rows in memory may have."""
        return manifest_days(self._disk, self.root, channel)

    def snapshot(self, channel: str, first_day: int, last_day: int, numbers: set[int]) -> Snapshot:
        """Committed segments of days and instruments, and the rows added since.

        The commit point is read before and after the manifests: when it moved, again.
        """
        for _ in range(_TRIES):
            if self._tail is None:
                committed, rows = self._committed(), None
            else:
                committed, rows = self._tail.tail(channel)
            entries: list[Entry] = []
            for day in self.days(channel):
                if first_day <= day <= last_day:
                    manifest = self._manifest(channel, day)
                    entries += [
                        each
                        for each in manifest.entries
                        if each.end <= committed and (each.number in numbers | {MIXED})
                    ]
            if self._committed() == committed:
                return Snapshot(entries, rows)
        raise InvariantBroken(f"the lake {self.root} changes faster than it can be read")

    def _committed(self) -> LakePosition:
        if self._tail is not None:
            return self._tail.committed
        found = read_json(self._disk, self.root / COMMITTED_NAME, Committed)
        return NOTHING if found is None else found.position

    def _manifest(self, channel: str, day: int) -> Manifest:
        path = manifest_path(self.root, channel, day)
        stamp = _stamp(path)
        known = self._manifests.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        manifest = read_json(self._disk, path, Manifest)
        if manifest is None:
            raise InvariantBroken(f"{path} vanished")
        self._manifests[path] = (stamp, manifest)
        return manifest


def _stamp(path: Path) -> Stamp:
    """Tell versions of an atomically replaced file apart."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
