"""One segment file: its header, its blocks, and where it truly ends."""

from itertools import pairwise
from pathlib import Path

from poise.core.errors import InvariantBroken
from poise.store.disk import Disk
from poise.store.journal_format import (
    BLOCK,
    BLOCK_MAGIC,
    CRC,
    MAX_HEADER_BYTES,
    PREFIX,
    Block,
    Position,
    block_is_sound,
    segment_number,
    unpack_header,
)


def segment_numbers(disk: Disk, folder: Path) -> list[int]:
    """Numbers of the segments in a folder, ascending.

    Raises
    ------
    InvariantBroken
        When one in the middle is missing.
    """
    numbers = sorted(
        number for name in disk.names(folder) if (number := segment_number(name)) is not None
    )
    for before, after in pairwise(numbers):
        if after != before + 1:
            raise InvariantBroken(
                f"{folder} is corrupt: segment {before + 1} is missing between its neighbours"
            )
    return numbers


class Segment:
    """A segment open for reading, perhaps still growing.

    Attributes
    ----------
    header
        What it says about itself.
    head_bytes
        The header as stored.
    first_block
        Offset of its first block, bytes.
    """

    def __init__(self, disk: Disk, path: Path) -> None:
        self.path = path
        self._file = disk.read(path)
        try:
            prefix = self._file.read_at(0, PREFIX.size)
            length = PREFIX.unpack(prefix)[2] if len(prefix) == PREFIX.size else 0
            head = self._file.read_at(
                0, PREFIX.size + min(int(length), MAX_HEADER_BYTES) + CRC.size
            )
            self.header, self.first_block = unpack_header(head, str(path))
        except BaseException:
            self._file.close()
            raise
        self.head_bytes = head

    @property
    def number(self) -> int:
        """Segment number."""
        return self.header.segment

    def size(self) -> int:
        """Bytes in the file now."""
        return self._file.size()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read_block(self, offset: int) -> Block | None:
        """Return the block at `offset`, or None when no sound and complete one is there (yet)."""
        head = self._file.read_at(offset, BLOCK.size)
        if len(head) < BLOCK.size:
            return None
        magic, length, count, sources, first_seq, last_seq, synced_to, _ = BLOCK.unpack(head)
        if magic != BLOCK_MAGIC or offset + BLOCK.size + length > self._file.size():
            return None
        body = self._file.read_at(offset + BLOCK.size, length)
        if len(body) < length or not block_is_sound(head, body):
            return None
        return Block(
            start=Position(self.number, offset),
            end=Position(self.number, offset + BLOCK.size + length),
            record_count=count,
            source_count=sources,
            first_seq=first_seq,
            last_seq=last_seq,
            synced_to=synced_to,
            body=body,
        )

    def raw(self, start: int, end: int) -> bytes:
        """Return the stored bytes from `start` to `end`."""
        return self._file.read_at(start, end - start)

    def is_corrupt_at(self, offset: int) -> bool:
        """Tell corruption from a torn tail, for an offset where no sound block is.

        It is corruption when a later sound block says that this offset had reached the medium.
        """
        rest = self._file.read_at(offset, self._file.size() - offset)
        at = rest.find(BLOCK_MAGIC)
        while at >= 0:
            block = self.read_block(offset + at)
            if block is not None and block.synced_to > offset:
                return True
            at = rest.find(BLOCK_MAGIC, at + 1)
        return False

    def corruption(self, offset: int) -> InvariantBroken:
        """Error that names this segment and an offset."""
        return InvariantBroken(
            f"{self.path} is corrupt: segment {self.number}, offset {offset} holds no sound "
            "block; restore it from a copy, or move the journal away to start a new one"
        )
