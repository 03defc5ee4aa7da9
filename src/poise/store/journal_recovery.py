"""Open a journal after whatever happened: check the last segment, cut its torn tail."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from poise.core.errors import UserError
from poise.store.disk import Disk
from poise.store.journal_format import DIGEST_SIZE, SUFFIX, segment_name
from poise.store.journal_segment import Segment, segment_numbers


@dataclass(frozen=True)
class Recovered:
    """What a journal's folder holds.

    Attributes
    ----------
    last_segment
        Number of the last segment, 0 when there is none.
    last_seq
        Last sequence number kept, -1 when there is none.
    cut_bytes
        Length of the torn tail that was cut off, bytes.
    digest
        BLAKE2b of the last segment as it is now.
    sources
        Names by source number at the end.
    """

    journal_id: str = ""
    last_segment: int = 0
    last_seq: int = -1
    cut_bytes: int = 0
    digest: bytes = b""
    sources: dict[int, str] = field(default_factory=dict)


def recover(disk: Disk, folder: Path, environment: str) -> Recovered:
    """Make a folder ready for a new segment.

    Raises
    ------
    UserError
        For another environment, or a newer format.
    InvariantBroken
        For damage before the tail.
    """
    for name in disk.names(folder):
        if name.endswith(SUFFIX + ".tmp"):
            disk.remove(folder / name)
    numbers = segment_numbers(disk, folder)
    if not numbers:
        return Recovered()
    path = folder / segment_name(numbers[-1])
    segment = Segment(disk, path)
    try:
        header = segment.header
        if header.environment != environment:
            raise UserError(
                f"{folder} holds a journal of environment {header.environment!r}, not "
                f"{environment!r}: choose another data folder"
            )
        hasher = hashlib.blake2b(segment.head_bytes, digest_size=DIGEST_SIZE)
        offset, last_seq = segment.first_block, header.first_seq - 1
        sources: dict[int, str] = {}
        while (block := segment.read_block(offset)) is not None:
            hasher.update(segment.raw(offset, block.end.offset))
            sources.update(block.sources())
            last_seq = max(last_seq, block.last_seq if block.record_count else last_seq)
            offset = block.end.offset
        size = segment.size()
        if offset < size and segment.is_corrupt_at(offset):
            raise segment.corruption(offset)
    finally:
        segment.close()
    file = disk.append(path)
    try:
        if offset < size:
            file.truncate(offset)
        # Also when nothing is cut: blocks that were written but never synced become durable
        # before the next segment vouches for them.
        file.sync()
    finally:
        file.close()
    return Recovered(
        journal_id=header.journal_id,
        last_segment=numbers[-1],
        last_seq=last_seq,
        cut_bytes=size - offset,
        digest=hasher.digest(),
        sources=sources,
    )
