"""Drop old journal segments: ``journal.keep``."""

from pathlib import Path

from poise.store.disk import Disk
from poise.store.journal_format import Position, segment_name
from poise.store.journal_segment import Segment, segment_numbers

KEEP_BYTES = 20 << 30
KEEP_NS = 24 * 3600 * 1_000_000_000


def drop_segments(
    disk: Disk,
    folder: Path,
    behind: Position,
    now_ns: int,
    *,
    keep_bytes: int = KEEP_BYTES,
    keep_ns: int = KEEP_NS,
) -> list[int]:
    """Remove the oldest segments that nobody needs and that exceed what is kept.

    Parameters
    ----------
    behind
        Segments that end before or at this position may go: the lesser of what the lake has
        committed and where the last checkpoint stands. The last segment always stays.
    now_ns
        Wall clock, nanoseconds UTC.
    keep_bytes, keep_ns
        A segment goes when the journal is larger than `keep_bytes` with it, or when its successor
        began more than `keep_ns` ago (so everything in it is older).

    Returns
    -------
    list of int
        Numbers of the segments removed, oldest first.
    """
    numbers = segment_numbers(disk, folder)
    sizes, began = {}, {}
    for number in numbers:
        segment = Segment(disk, folder / segment_name(number))
        sizes[number] = segment.size()
        began[number] = segment.header.created_ns
        segment.close()
    total = sum(sizes.values())
    dropped: list[int] = []
    for number in numbers[:-1]:
        if number >= behind.segment:
            break
        if total <= keep_bytes and now_ns - began[number + 1] <= keep_ns:
            break
        disk.remove(folder / segment_name(number))
        # One by one and oldest first: a crash in between leaves no hole.
        disk.sync_folder(folder)
        total -= sizes[number]
        dropped.append(number)
    return dropped
