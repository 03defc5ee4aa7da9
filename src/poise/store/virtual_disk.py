"""A disk in memory whose failures are chosen: the twin of `disk.RealDisk` for fault runs.

It keeps apart what a process sees and what has reached the medium. A kill loses nothing that was
written; a power cut loses any part of what was not synced, files' ends and folder entries alike.
"""

import errno
import os
import random
from pathlib import Path

from poise.store.disk import AppendFile, Lock, ReadFile

SECTOR = 512
"""Bytes that reach the medium together or not at all."""


class _Inode:
    """Contents of one file: as seen, and as on the medium."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.durable = b""


class VirtualDisk:
    """Files in memory, with faults.

    Parameters
    ----------
    chance
        Seeded source of what a power cut keeps.
    capacity
        Bytes that all files together may hold; None for no limit.

    Attributes
    ----------
    capacity
        May be changed while running, to fill and free the disk.
    steps
        Writes, syncs, renames, removals so far.
    failures
        Step number -> errno: that step fails, a write after some of its bytes.
    crash_at
        Step number at which the machine dies: it and every later step raise `PowerCut`.
    """

    def __init__(self, chance: random.Random, capacity: int | None = None) -> None:
        self._chance = chance
        self.capacity = capacity
        self.steps = 0
        self.failures: dict[int, int] = {}
        self.crash_at: int | None = None
        self._folders: set[Path] = {Path("/")}
        self._names: dict[Path, _Inode] = {}
        self._durable_names: dict[Path, _Inode] = {}
        self._locks: set[Path] = set()

    def step(self) -> None:
        """Count one action; fail it when that was chosen."""
        self.steps += 1
        if self.crash_at is not None and self.steps >= self.crash_at:
            raise PowerCut
        code = self.failures.get(self.steps)
        if code is not None:
            raise OSError(code, os.strerror(code))

    def used_bytes(self) -> int:
        """Bytes in all files."""
        return sum(len(inode.seen) for inode in self._names.values())

    def take(self, inode: _Inode, data: bytes) -> None:
        """Append to a file as far as there is room."""
        room = len(data) if self.capacity is None else self.capacity - self.used_bytes()
        try:
            self.step()
        except (OSError, PowerCut):
            inode.seen += data[: self._chance.randint(0, max(0, min(len(data), room)))]
            raise
        inode.seen += data[: max(0, room)]
        if room < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def kill(self) -> None:
        """Kill the process: open files and locks are gone, everything written stays."""
        self._locks.clear()
        self.crash_at = None

    def cut_power(self) -> None:
        """Kill the machine: of what was not synced an arbitrary part is left.

        Of a file's unsynced end each sector is kept, lost or never allocated; folder entries
        are those of the last sync, or those of now.
        """
        self.kill()
        for inode in {id(each): each for each in self._names.values()}.values():
            inode.seen = bytearray(self._torn(inode))
            inode.durable = bytes(inode.seen)
        kept = self._durable_names if self._chance.random() < 0.5 else self._names
        self._names = dict(kept)
        self._durable_names = dict(kept)

    def _torn(self, inode: _Inode) -> bytes:
        base = len(inode.durable)
        if bytes(inode.seen[:base]) != inode.durable:
            # A cut that was not synced: the old contents may come back.
            return bytes(inode.seen) if self._chance.random() < 0.5 else inode.durable
        end = base + self._chance.randint(0, max(0, len(inode.seen) - base))
        out = bytearray(inode.seen[:end])
        at = base
        while at < end:
            stop = min(end, (at // SECTOR + 1) * SECTOR)
            if self._chance.random() < 0.2:
                out[at:stop] = bytes(stop - at)
            at = stop
        return bytes(out)

    def flip(self, path: Path, bit: int) -> None:
        """Turn over one bit of a file, counted from its beginning."""
        inode = self._names[path]
        inode.seen[bit // 8] ^= 1 << (bit % 8)
        inode.durable = bytes(inode.seen)

    # The `Disk` protocol.

    def create(self, path: Path) -> AppendFile:
        """Open a new or emptied file for appending."""
        self.step()
        if path.parent not in self._folders:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        inode = self._names[path] = _Inode()
        return _VirtualAppend(self, inode)

    def append(self, path: Path) -> AppendFile:
        """Open an existing file for appending."""
        return _VirtualAppend(self, self._find(path))

    def read(self, path: Path) -> ReadFile:
        """Open a file for reading."""
        return _VirtualRead(self._find(path))

    def rename(self, old: Path, new: Path) -> None:
        """Replace `new` by `old` in one step."""
        self.step()
        inode = self._find(old)
        del self._names[old]
        self._names[new] = inode

    def remove(self, path: Path) -> None:
        """Remove a file."""
        self.step()
        self._find(path)
        del self._names[path]

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its parents; folders survive everything here."""
        self._folders.add(folder)
        self._folders.update(folder.parents)

    def sync_folder(self, folder: Path) -> None:
        """Make creations, renames and removals in a folder durable."""
        self.step()
        for path in [path for path in self._durable_names if path.parent == folder]:
            del self._durable_names[path]
        for path, inode in self._names.items():
            if path.parent == folder:
                self._durable_names[path] = inode

    def names(self, folder: Path) -> list[str]:
        """Names in a folder, sorted."""
        files = {path.name for path in self._names if path.parent == folder}
        return sorted(files | {path.name for path in self._folders if path.parent == folder})

    def exists(self, path: Path) -> bool:
        """Tell whether a file or folder is there."""
        return path in self._names or path in self._folders

    def free_bytes(self, folder: Path) -> int:  # noqa: ARG002 - one disk holds all folders
        """Bytes that may still be written."""
        return (1 << 40) if self.capacity is None else max(0, self.capacity - self.used_bytes())

    def lock(self, path: Path) -> Lock:
        """Hold a lock file, or raise `BlockingIOError`."""
        if path in self._locks:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._locks.add(path)
        return _VirtualLock(self._locks, path)

    def _find(self, path: Path) -> _Inode:
        inode = self._names.get(path)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return inode


class PowerCut(BaseException):
    """The machine died at this step; no handler of errors may swallow that."""


class _VirtualAppend:
    def __init__(self, disk: VirtualDisk, inode: _Inode) -> None:
        self._disk = disk
        self._inode = inode

    def write(self, *parts: bytes) -> None:
        """Append all parts."""
        self._disk.take(self._inode, b"".join(parts))

    def sync(self) -> None:
        """Put everything on the medium."""
        self._disk.step()
        self._inode.durable = bytes(self._inode.seen)

    def truncate(self, size: int) -> None:
        """Cut the file."""
        self._disk.step()
        del self._inode.seen[size:]

    def close(self) -> None:
        """Close; nothing is synced."""


class _VirtualRead:
    def __init__(self, inode: _Inode) -> None:
        self._inode = inode

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes."""
        return bytes(self._inode.seen[offset : offset + length])

    def size(self) -> int:
        """Bytes in the file."""
        return len(self._inode.seen)

    def close(self) -> None:
        """Close the file."""


class _VirtualLock:
    def __init__(self, locks: set[Path], path: Path) -> None:
        self._locks = locks
        self._path = path

    def close(self) -> None:
        """Let go."""
        self._locks.discard(self._path)
