"""Segments, manifests and the commit point on disk: `LakeWriter`'s lower half."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from poise.core.errors import UserError
from poise.store.disk import Disk, write_atomically
from poise.store.journal_format import Position
from poise.store.lake_buffer import by_instrument, days_of
from poise.store.lake_manifest import (
    COMMITTED_NAME,
    HEADER_NAME,
    MIXED,
    NOTHING,
    Committed,
    Entry,
    LakeHeader,
    LakePosition,
    Manifest,
    Run,
    day_text,
    manifest_days,
    manifest_path,
    read_header,
    read_json,
    write_json,
)
from poise.store.lake_schema import CHANNELS, FRESH_LEVEL, LAKE_FORMAT, ChannelSchema, Columns

LOCK_NAME = "lake.lock"
FRESH_FOLDER = "fresh"
MAX_RUNS = 1000
Key = tuple[str, int]
"""Channel and day: one manifest."""


@dataclass(frozen=True)
class Prepared:
    """Everything of a commit but its last step."""

    committed: Committed
    manifests: dict[Key, Manifest]


class LakeFiles:
    """The lake's folder, held for writing.

    Opening strikes out what an unfinished commit left behind.
    """

    def __init__(
        self,
        root: Path,
        disk: Disk,
        environment: str,
        run_id: str,
        journal_id: str,
        now_ns: int,
    ) -> None:
        self.root = root
        self.disk = disk
        self.environment = environment
        self.run_id = run_id
        self.manifests: dict[Key, Manifest] = {}
        self._committed = Committed(position=NOTHING, journals=())
        disk.make_folder(root)
        try:
            self._lock = disk.lock(root / LOCK_NAME)
        except BlockingIOError as error:
            raise UserError(
                f"another Poise is writing the lake {root}: stop it, or choose another data folder"
            ) from error
        try:
            self._open_header(now_ns)
            self._open_commit(journal_id)
            self._strike_out()
        except BaseException:
            self._lock.close()
            raise

    @property
    def committed(self) -> LakePosition:
        """Last commit."""
        return self._committed.position

    def close(self) -> None:
        """Let the folder go."""
        self._lock.close()

    def manifest(self, key: Key) -> Manifest:
        """Manifest of a channel and day, empty when there is none yet."""
        found = self.manifests.get(key)
        if found is None:
            channel, day = key
            path = manifest_path(self.root, channel, day)
            found = read_json(self.disk, path, Manifest) or Manifest(
                format=LAKE_FORMAT,
                environment=self.environment,
                run_id=self.run_id,
                channel=channel,
                day=day,
            )
            self.manifests[key] = found
        return found

    def write_manifest(self, key: Key, manifest: Manifest) -> None:
        """Replace a manifest on disk."""
        path = manifest_path(self.root, *key)
        self.disk.make_folder(path.parent)
        write_json(self.disk, path, manifest)

    def write_segment(self, folder: Path, name: str, data: Any) -> str:
        """Write a segment durably; return its name relative to the lake."""
        path = self.root / folder / name
        self.disk.make_folder(path.parent)
        write_atomically(self.disk, path, [data])
        return str(folder / name)

    def prepare(
        self, tables: dict[str, tuple[ChannelSchema, Columns]], texts: list[str], position: Position
    ) -> Prepared:
        """Write the segments and manifests of a commit; nothing of it counts yet."""
        start = self.committed
        end = LakePosition(start.journal, *position)
        if end < start or (tables and end == start):
            raise ValueError(f"commit of {end}, not behind {start}")
        manifests: dict[Key, Manifest] = {}
        for channel, (schema, columns) in tables.items():
            for day, rows in days_of(schema, columns):
                entry = self._write_fresh(schema, day, by_instrument(rows), texts, (start, end))
                old = self.manifest((channel, day))
                manifests[channel, day] = msgspec.structs.replace(
                    old, run_id=self.run_id, entries=(*old.entries, entry)
                )
        for key, manifest in manifests.items():
            self.write_manifest(key, manifest)
        committed = Committed(position=end, journals=self._committed.journals)
        return Prepared(committed, manifests)

    def publish(self, prepared: Prepared) -> None:
        """Take the last step of a commit: from here on its rows are in the lake."""
        if prepared.committed != self._committed:
            write_json(self.disk, self.root / COMMITTED_NAME, prepared.committed)
        self._committed = prepared.committed
        self.manifests.update(prepared.manifests)

    def _write_fresh(
        self,
        schema: ChannelSchema,
        day: int,
        columns: Columns,
        texts: list[str],
        span: tuple[LakePosition, LakePosition],
    ) -> Entry:
        start, end = span
        metadata = {"poise.channel": schema.name, "poise.environment": self.environment}
        data = schema.parquet(schema.table(columns, texts), FRESH_LEVEL, metadata)
        folder = Path(schema.name) / FRESH_FOLDER / day_text(day)
        name = self.write_segment(folder, f"{start.text()}_{end.text()}.parquet", data)
        times, numbers = columns[schema.time], columns["instrument"]
        single = int(numbers[0]) == int(numbers[-1])
        return Entry(
            name=name,
            number=int(numbers[0]) if single else MIXED,
            level=0,
            rows=len(times),
            size=data.size,
            start=start,
            end=end,
            min_ns=int(times.min()),
            max_ns=int(times.max()),
        )

    def _open_header(self, now_ns: int) -> None:
        found = read_header(self.disk, self.root)
        if found is not None and found.environment != self.environment:
            raise UserError(
                f"{self.root} is a lake of environment {found.environment!r}, not "
                f"{self.environment!r}: choose another data folder"
            )
        runs = (*(found.runs if found else ()), Run(self.run_id, now_ns))[-MAX_RUNS:]
        header = LakeHeader(format=LAKE_FORMAT, environment=self.environment, runs=runs)
        write_json(self.disk, self.root / HEADER_NAME, header)

    def _open_commit(self, journal_id: str) -> None:
        path = self.root / COMMITTED_NAME
        found = read_json(self.disk, path, Committed)
        if found is None:
            found = Committed(position=NOTHING, journals=(journal_id,))
            write_json(self.disk, path, found)
        elif found.journals[-1] != journal_id:
            # Another journal begins: nothing of it is here, whatever its positions.
            journals = (*found.journals, journal_id)
            found = Committed(position=LakePosition(len(journals) - 1, 0, 0), journals=journals)
            write_json(self.disk, path, found)
        self._committed = found

    def _strike_out(self) -> None:
        """Remove from manifests, and then from the disk, what was never committed."""
        for channel in CHANNELS:
            known: set[str] = set()
            for day in manifest_days(self.disk, self.root, channel):
                path = manifest_path(self.root, channel, day)
                manifest = read_json(self.disk, path, Manifest)
                if manifest is None:
                    continue
                kept = tuple(each for each in manifest.entries if each.end <= self.committed)
                if len(kept) < len(manifest.entries):
                    manifest = msgspec.structs.replace(manifest, entries=kept)
                    write_json(self.disk, path, manifest)
                if manifest.replaced or any(each.level == 0 for each in manifest.entries):
                    self.manifests[channel, day] = manifest  # compaction has work left there
                known |= {each.name for each in manifest.entries}
                known |= {each.name for each in manifest.replaced}
            self._remove_orphans(Path(channel) / FRESH_FOLDER, known)

    def _remove_orphans(self, fresh: Path, known: set[str]) -> None:
        """Remove fresh segments that no manifest names."""
        for day in self.disk.names(self.root / fresh):
            for name in self.disk.names(self.root / fresh / day):
                if str(fresh / day / name) not in known:
                    self.disk.remove(self.root / fresh / day / name)
