"""The disk, and the only file of the journal that touches it.

`Disk` is the protocol; `RealDisk` is the machine's, `virtual_disk.VirtualDisk` its twin in memory
that can be torn, full or broken at chosen points. All errors are `OSError`, as from the kernel;
`disk_failure` turns one into the sentence the user reads.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from poise.core.errors import UserError

_fdatasync = getattr(os, "fdatasync", os.fsync)  # macOS has only fsync


class AppendFile(Protocol):
    """A file open for appending."""

    def write(self, *parts: bytes) -> None:
        """Append all parts, or raise with an unknown part of them appended."""

    def sync(self) -> None:
        """Return when everything written is on the medium (fdatasync)."""

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""

    def close(self) -> None:
        """Close without syncing."""


class ReadFile(Protocol):
    """A file open for reading, perhaps still growing."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer at the end of the file."""

    def size(self) -> int:
        """Bytes in the file now."""

    def close(self) -> None:
        """Close the file."""


class Lock(Protocol):
    """A folder held by one writer."""

    def close(self) -> None:
        """Let the folder go."""


class Disk(Protocol):
    """What the store needs of a file system."""

    def create(self, path: Path) -> AppendFile:
        """Open a new or emptied file for appending."""

    def append(self, path: Path) -> AppendFile:
        """Open an existing file for appending."""

    def read(self, path: Path) -> ReadFile:
        """Open a file for reading."""

    def rename(self, old: Path, new: Path) -> None:
        """Replace `new` by `old` in one step."""

    def remove(self, path: Path) -> None:
        """Remove a file."""

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its parents where missing."""

    def sync_folder(self, folder: Path) -> None:
        """Make creations, renames and removals in a folder durable."""

    def names(self, folder: Path) -> list[str]:
        """Names in a folder, sorted; empty when there is no such folder."""

    def exists(self, path: Path) -> bool:
        """Tell whether a file or folder is there."""

    def free_bytes(self, folder: Path) -> int:
        """Bytes this user may still write."""

    def lock(self, path: Path) -> Lock:
        """Hold `path` as a lock file; raise `BlockingIOError` while another process holds it."""


class _RealAppend:
    """An append-only file descriptor."""

    def __init__(self, path: Path, flags: int) -> None:
        self._fd = os.open(path, flags | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, *parts: bytes) -> None:
        """Append all parts; loops over short writes, which a full disk answers with an error."""
        whole = sum(map(len, parts))
        done = os.writev(self._fd, parts)
        if done < whole:
            rest = memoryview(b"".join(parts))
            while done < whole:
                done += os.write(self._fd, rest[done:])

    def sync(self) -> None:
        """Fdatasync: contents and size, without access times."""
        _fdatasync(self._fd)

    def truncate(self, size: int) -> None:
        """Cut the file."""
        os.ftruncate(self._fd, size)

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class _RealRead:
    """A read-only file descriptor; reads do not move it."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read_at(self, offset: int, length: int) -> bytes:
        """Read, short only at the end of the file."""
        data = os.pread(self._fd, length, offset)
        if len(data) == length or not data:
            return data
        parts = [data]
        got = len(data)
        while got < length and (data := os.pread(self._fd, length - got, offset + got)):
            parts.append(data)
            got += len(data)
        return b"".join(parts)

    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class _RealLock:
    """An flock: the kernel lets go when the process dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Let go; a second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class RealDisk:
    """The machine's file system."""

    def create(self, path: Path) -> AppendFile:
        """Open a new or emptied file for appending."""
        return _RealAppend(path, os.O_CREAT | os.O_TRUNC)

    def append(self, path: Path) -> AppendFile:
        """Open an existing file for appending."""
        return _RealAppend(path, 0)

    def read(self, path: Path) -> ReadFile:
        """Open a file for reading."""
        return _RealRead(path)

    def rename(self, old: Path, new: Path) -> None:
        """Replace `new` by `old` in one step."""
        old.replace(new)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its parents where missing."""
        folder.mkdir(parents=True, exist_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Make creations, renames and removals in a folder durable."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def names(self, folder: Path) -> list[str]:
        """Names in a folder, sorted; empty when there is no such folder."""
        try:
            return sorted(entry.name for entry in folder.iterdir())
        except FileNotFoundError:
            return []

    def exists(self, path: Path) -> bool:
        """Tell whether a file or folder is there."""
        return path.exists()

    def free_bytes(self, folder: Path) -> int:
        """Bytes this user may still write."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize

    def lock(self, path: Path) -> Lock:
        """Hold a lock file, or raise `BlockingIOError`."""
        return _RealLock(path)


def read_whole(disk: Disk, path: Path) -> bytes:
    """Return the contents of a closed file."""
    file = disk.read(path)
    try:
        return file.read_at(0, file.size())
    finally:
        file.close()


def write_atomically(disk: Disk, path: Path, parts: Sequence[bytes]) -> None:
    """Write a whole file so that a crash leaves the old one or the new one, durably.

    The folder is synced too: after the return the new contents survive a power cut.
    """
    draft = path.with_name(path.name + ".tmp")
    file = disk.create(draft)
    try:
        file.write(*parts)
        file.sync()
    except OSError:
        # Half a draft would keep a full disk full.
        with contextlib.suppress(OSError):
            disk.remove(draft)
        raise
    finally:
        file.close()
    disk.rename(draft, path)
    disk.sync_folder(path.parent)


def disk_failure(error: OSError, doing: str, path: Path) -> UserError:
    """Turn the kernel's error into one sentence that says what to do.

    Parameters
    ----------
    error
        What the disk answered.
    doing
        What stopped, as the sentence's subject: ``the journal``.
    path
        File or folder concerned.
    """
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        why, way = "the disk is full", "free space and start again"
    elif error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        why, way = "it may not be written", "make it writable or choose another data folder"
    elif error.errno == errno.EIO:
        why = "the disk reports an input/output error"
        way = "check the disk before starting again"
    elif error.errno in {errno.ENOTDIR, errno.EISDIR, errno.EEXIST}:
        why, way = "it is not a folder", "choose another data folder"
    else:
        why, way = error.strerror or str(error), "repair this and start again"
    return UserError(f"{doing} cannot use {path}: {why}; {way} (what was stored before is kept)")
