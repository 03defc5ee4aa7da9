"""Follow a journal that another process writes.

Only blocks that had reached the medium are handed out: what a power cut can still take away is
not yet there. So whoever commits a position (the lake) never gets ahead of a restarted journal.
"""

from pathlib import Path

from poise.core.errors import InvariantBroken, UserError
from poise.store.disk import Disk, RealDisk
from poise.store.journal_format import START, Block, Position, segment_name
from poise.store.journal_reader import JournalReader
from poise.store.journal_segment import Segment, segment_numbers


class JournalTail:
    """A reader of a growing journal, from a position on; poll it.

    Parameters
    ----------
    folder
        The journal's folder. It may be empty, or not exist yet.
    start
        Where to begin: a committed position, or `START`.
    environment
        When given, a journal of another environment is refused with `UserError`.

    Attributes
    ----------
    position
        After the last block handed out.
    sources
        Names by source number, as declared up to `position`.
    journal_id
        Which journal this is; empty until its first segment is seen.
    """

    def __init__(
        self,
        folder: Path,
        start: Position = START,
        *,
        disk: Disk | None = None,
        environment: str | None = None,
    ) -> None:
        self._folder = folder
        self._disk: Disk = RealDisk() if disk is None else disk
        self._environment = environment
        self._segment: Segment | None = None
        self._next: Segment | None = None
        self._offset = 0
        self._synced_to = 0
        self._unsound_size = -1
        self._held: list[Block] = []
        self.position = start
        self.sources: dict[int, str] = {}
        self.journal_id = ""

    def poll(self, max_bytes: int = 8 << 20) -> list[Block]:
        """Return the next durable blocks with records, at most about `max_bytes`; maybe none.

        Raises
        ------
        InvariantBroken
            On damage, or when `position` lies in a segment that was dropped.
        """
        found: list[Block] = []
        got = 0
        while got < max_bytes:
            if self._segment is None and not self._open_first():
                break
            final = self._has_next()
            block = self._next_block(final=final)
            if block is None:
                if not final:
                    break
                self._advance()
                continue
            self.position = block.end
            if block.record_count:
                self.sources.update(block.sources())
                found.append(block)
                got += len(block.body)
        return found

    def close(self) -> None:
        """Close the open segment."""
        for segment in (self._segment, self._next):
            if segment is not None:
                segment.close()
        self._segment = self._next = None

    def _open(self, number: int) -> Segment:
        segment = Segment(self._disk, self._folder / segment_name(number))
        found = segment.header.environment
        if self._environment is not None and found != self._environment:
            segment.close()
            raise UserError(
                f"{segment.path} is of environment {found!r}, not {self._environment!r}: choose "
                "another data folder"
            )
        if self.journal_id not in {"", segment.header.journal_id}:
            segment.close()
            raise InvariantBroken(f"{segment.path} belongs to another journal")
        return segment

    def _open_first(self) -> bool:
        numbers = segment_numbers(self._disk, self._folder)
        if not numbers:
            return False
        wanted = max(self.position.segment, 1) if self.position > START else numbers[0]
        if wanted < numbers[0]:
            raise InvariantBroken(
                f"{self._folder} begins at segment {numbers[0]}, but reading stopped in segment "
                f"{wanted}: journal.keep dropped what was still needed"
            )
        if wanted > numbers[-1]:
            raise InvariantBroken(
                f"{self._folder} ends at segment {numbers[-1]}, but reading stopped in segment "
                f"{wanted}: segments were removed by hand"
            )
        self._enter(self._open(wanted))
        if self._offset > 0 and self.position.offset > self._offset:
            reader = JournalReader(self._folder, disk=self._disk)
            self.sources = reader.sources(self.position)
            self._offset = self.position.offset
        return True

    def _enter(self, segment: Segment) -> None:
        self._segment = segment
        self._offset = segment.first_block
        self._synced_to = 0
        self.journal_id = segment.header.journal_id

    def _has_next(self) -> bool:
        """Tell whether a later segment exists: then this one is complete and durable."""
        if self._segment is None:
            return False
        if self._next is None:
            path = self._folder / segment_name(self._segment.number + 1)
            if not self._disk.exists(path):
                return False
            self._next = self._open(self._segment.number + 1)
        return True

    def _advance(self) -> None:
        assert self._segment is not None
        assert self._next is not None
        self._segment.close()
        self._enter(self._next)
        self._next = None

    def _next_block(self, *, final: bool) -> Block | None:
        """Return the next block that is durable, reading ahead for marks that say so."""
        held = self._held
        while not held or not (final or held[0].end.offset <= self._synced_to):
            block = self._read(final=final)
            if block is None:
                break
            held.append(block)
        if held and (final or held[0].end.offset <= self._synced_to):
            return held.pop(0)
        return None

    def _read(self, *, final: bool) -> Block | None:
        segment = self._segment
        assert segment is not None
        block = segment.read_block(self._offset)
        if block is None and segment.size() > self._offset:
            block = self._read_unsound(segment, final=final)
        if block is None:
            return None
        self._unsound_size = -1
        self._offset = block.end.offset
        self._synced_to = max(self._synced_to, block.synced_to)
        return block

    def _read_unsound(self, segment: Segment, *, final: bool) -> Block | None:
        """Tell a write in progress from damage, where bytes are that make no sound block."""
        size = segment.size()
        # Half a block is what a write in progress looks like. Search what follows only when
        # the file has grown since: the search reads everything behind.
        grown = self._unsound_size not in {-1, size}
        self._unsound_size = size
        if not final and not (grown and segment.is_corrupt_at(self._offset)):
            return None
        # The writer may have gone on between two looks, but never past what it had not written.
        block = segment.read_block(self._offset)
        if block is None:
            raise segment.corruption(self._offset)
        return block


def journal_identity(folder: Path, disk: Disk | None = None) -> str | None:
    """Id of the journal in a folder; None while there is none."""
    chosen: Disk = RealDisk() if disk is None else disk
    numbers = segment_numbers(chosen, folder)
    if not numbers:
        return None
    segment = Segment(chosen, folder / segment_name(numbers[-1]))
    segment.close()
    return segment.header.journal_id
