"""Read a journal that nobody need be writing: a folder of segments, or one segment.

A torn tail of the last segment is not read; any other damage raises `InvariantBroken` with segment
and offset. `journal_tail` reads one that grows.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from poise.core.errors import InvariantBroken, UserError
from poise.store.disk import Disk, RealDisk, disk_failure
from poise.store.journal_format import (
    DIGEST_SIZE,
    START,
    Block,
    Position,
    Record,
    SegmentHeader,
    segment_name,
)
from poise.store.journal_segment import Segment, segment_numbers


class JournalReader:
    """The blocks and records of a journal as it is now.

    Parameters
    ----------
    path
        The journal's folder, or one of its segments.
    disk
        Where it lies; the machine's disk by default.
    environment
        When given, a journal of another environment is refused with `UserError`.
    """

    def __init__(
        self, path: Path, *, disk: Disk | None = None, environment: str | None = None
    ) -> None:
        self._disk: Disk = RealDisk() if disk is None else disk
        self._paths: dict[int, Path] = {}
        try:
            if path.suffix:
                segment = Segment(self._disk, path)
                segment.close()
                self._paths[segment.number] = path
            else:
                for number in segment_numbers(self._disk, path):
                    self._paths[number] = path / segment_name(number)
        except OSError as error:
            raise disk_failure(error, "reading the journal", path) from error
        if not self._paths:
            raise UserError(f"there is no journal in {path}: name a journal's folder or segment")
        self._check_environment(path, environment)

    def _check_environment(self, path: Path, environment: str | None) -> None:
        found = self.headers()[-1].environment
        if environment is not None and found != environment:
            raise UserError(
                f"{path} is a journal of environment {found!r}, not {environment!r}: choose "
                "another data folder"
            )

    @property
    def first_segment(self) -> int:
        """Number of the oldest segment that is kept."""
        return min(self._paths)

    def headers(self) -> list[SegmentHeader]:
        """Headers of all segments, oldest first."""
        found = []
        for path in self._paths.values():
            segment = Segment(self._disk, path)
            segment.close()
            found.append(segment.header)
        return found

    def blocks(self, start: Position = START) -> Iterator[Block]:
        """Yield the blocks from a position on; blocks without records are left out.

        Raises
        ------
        InvariantBroken
            On damage, on a broken digest chain between segments read from their beginning, and
            when `start` lies before the oldest segment kept.
        """
        if START < start < Position(self.first_segment, 0):
            raise InvariantBroken(
                f"the journal begins at segment {self.first_segment}, but segment "
                f"{start.segment} is asked for: it was dropped by journal.keep"
            )
        digest: bytes | None = None
        last = max(self._paths)
        for number in sorted(self._paths):
            if number < start.segment:
                continue
            segment = Segment(self._disk, self._paths[number])
            try:
                digest = _check_chain(segment, number, digest)
                hasher = hashlib.blake2b(segment.head_bytes, digest_size=DIGEST_SIZE)
                offset = segment.first_block
                whole = number != start.segment or start.offset <= offset
                if not whole:
                    offset = start.offset
                for block in _segment_blocks(segment, offset, is_last=number == last):
                    if whole:
                        hasher.update(segment.raw(block.start.offset, block.end.offset))
                    if block.record_count:
                        yield block
                digest = hasher.digest() if whole else None
            finally:
                segment.close()

    def records(self, start: Position = START) -> Iterator[Record]:
        """Yield the records from a position on."""
        for block in self.blocks(start):
            yield from block.records()

    def end(self) -> Position:
        """Position after the last sound block."""
        number = max(self._paths)
        segment = Segment(self._disk, self._paths[number])
        try:
            end = Position(number, segment.first_block)
            for block in _segment_blocks(segment, segment.first_block, is_last=True):
                end = block.end
            return end
        finally:
            segment.close()

    def sources(self, upto: Position) -> dict[int, str]:
        """Source numbers and names in force at a position.

        Every segment begins with all declarations before it, so one segment is read at most.
        """
        found: dict[int, str] = {}
        if upto.segment not in self._paths:
            return found
        for block in self.blocks(Position(upto.segment, 0)):
            if block.start >= upto:
                break
            found.update(block.sources())
        return found


def _check_chain(segment: Segment, number: int, digest: bytes | None) -> bytes | None:
    if segment.number != number:
        raise InvariantBroken(f"{segment.path} says it is segment {segment.number}")
    if digest is not None and segment.header.previous_digest != digest:
        raise InvariantBroken(
            f"{segment.path} does not continue segment {number - 1} (digest differs at offset 0): "
            "one of the two was altered"
        )
    return digest


def _segment_blocks(segment: Segment, offset: int, *, is_last: bool) -> Iterator[Block]:
    """Yield all blocks of a segment; decide at the first unsound one whether the tail is torn."""
    while (block := segment.read_block(offset)) is not None:
        yield block
        offset = block.end.offset
    if offset < segment.size() and (not is_last or segment.is_corrupt_at(offset)):
        raise segment.corruption(offset)
