"""Write the journal: append in memory, flush and sync beside the hot thread.

`JournalWriter.append` costs the hot thread one pack and one list append. `pump` moves what was
appended to the disk; `journal_thread.JournalThread` calls it every few milliseconds, a virtual run
calls it itself. Only one thread may append and only one may pump; they share a list, whose single
operations are atomic.

On a disk error the writer stops for good: `error` is set, `append` raises it. After a failed sync
nobody knows what the medium holds, so nothing is tried again; opening the journal anew finds out.
"""

import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path

from poise.core.errors import PoiseError, UserError
from poise.store.disk import AppendFile, Disk, Lock, RealDisk, disk_failure, write_atomically
from poise.store.journal_format import (
    DIGEST_SIZE,
    RECORD,
    Kind,
    Position,
    SegmentHeader,
    pack_block_header,
    pack_header,
    segment_name,
)
from poise.store.journal_recovery import Recovered, recover

SEGMENT_BYTES = 256 << 20
SYNC_EVERY_NS = 60_000_000
"""Age of the oldest unsynced record at which to sync: leaves the sync itself 40 ms."""
LOCK_NAME = "journal.lock"
_KIND_AT = 4
_SEQ_AT = 7


class JournalWriter:
    """Append records to the journal of a folder; always begins a new segment.

    Parameters
    ----------
    folder
        The journal's folder; created when missing. One writer at a time.
    environment, run_id, code_version, config_hash
        Go into the segment headers. A folder of another environment is refused.
    wall_ns
        Wall clock, nanoseconds UTC, read once a segment.
    disk
        Where to write; the machine's disk by default.
    segment_bytes
        A segment that has reached this size is followed by a new one.
    sync_every_ns
        See `SYNC_EVERY_NS`.

    Attributes
    ----------
    append
        ``append(kind, seq, recv_ns, source, payload)``: take one record. `seq` must not fall;
        `source` is 0 to 65,535; `payload` must be ``bytes``. Raises `error` once writing stopped.
    written_seq, synced_seq
        Last sequence number handed to the operating system, and known to be on the medium.
    bytes_written
        Bytes written since opening, headers included.
    error
        Why writing stopped; None while all is well. Poll it.
    recovered
        What opening found: the last seq of earlier runs, sources, bytes of torn tail cut.

    Raises
    ------
    UserError
        When the folder cannot be used: another environment, another writer, newer format, disk.
    InvariantBroken
        When the journal there is damaged before its tail.
    """

    append: Callable[[int, int, int, int, bytes], None]

    def __init__(
        self,
        folder: Path,
        *,
        environment: str,
        run_id: str,
        code_version: str,
        config_hash: str,
        wall_ns: Callable[[], int],
        disk: Disk | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        sync_every_ns: int = SYNC_EVERY_NS,
        new_journal_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._disk: Disk = RealDisk() if disk is None else disk
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._sync_every_ns = sync_every_ns
        self._wall_ns = wall_ns
        self._records: list[bytes] = []
        self._failed: list[PoiseError] = []
        self._declared = 0
        self._found_sources = 0
        self._offset = self._synced_to = self._marked_to = 0
        self._dirty_since_ns = -1
        self._file: AppendFile | None = None
        self.bytes_written = 0
        try:
            self._disk.make_folder(folder)
            self._lock = self._lock_folder()
            try:
                self.recovered: Recovered = recover(self._disk, folder, environment)
                self._sources = dict(self.recovered.sources)
                self.written_seq = self.synced_seq = self.recovered.last_seq
                self._header = SegmentHeader(
                    code_version=code_version,
                    config_hash=config_hash,
                    environment=environment,
                    run_id=run_id,
                    journal_id=self.recovered.journal_id or new_journal_id(),
                    segment=self.recovered.last_segment,
                    first_seq=0,
                    created_ns=0,
                    previous_digest=b"",
                )
                self._begin_segment(self.recovered.digest)
            except BaseException:
                self._lock.close()
                raise
        except OSError as error:
            raise disk_failure(error, "the journal", folder) from error
        self.append = _appender(self._records, self._failed)

    def _lock_folder(self) -> Lock:
        try:
            return self._disk.lock(self._folder / LOCK_NAME)
        except BlockingIOError as error:
            raise UserError(
                f"another Poise is writing the journal in {self._folder}: stop it, or choose "
                "another data folder"
            ) from error

    @property
    def error(self) -> PoiseError | None:
        """Why writing stopped, None while all is well."""
        return self._failed[0] if self._failed else None

    @property
    def backlog(self) -> int:
        """Records appended and not yet written."""
        return len(self._records)

    @property
    def journal_id(self) -> str:
        """Identity of this journal, the same over all its runs."""
        return self._header.journal_id

    @property
    def position(self) -> Position:
        """End of what was written."""
        return Position(self._header.segment, self._offset)

    def declare_source(self, number: int, name: str, seq: int, recv_ns: int) -> None:
        """Journal the name of a source number before its first record; call from the hot thread.

        Later segments repeat all declarations at their beginning.
        """
        self._sources[number] = name
        # Counted before it is appended, so that `pump` never sees one it does not look for.
        self._declared += 1
        self.append(Kind.SOURCE, seq, recv_ns, number, name.encode())

    def pump(self, now_ns: int, *, sync: bool = False) -> None:
        """Write what was appended; sync when due or when `sync` asks; rotate full segments.

        Parameters
        ----------
        now_ns
            Any clock that does not fall, nanoseconds.
        sync
            Sync now even when not due.
        """
        if self._failed or self._file is None:
            return
        try:
            self._write_records(now_ns)
            dirty = self._dirty_since_ns >= 0
            if dirty and (sync or now_ns - self._dirty_since_ns >= self._sync_every_ns):
                self._sync()
            elif not dirty and self._marked_to < self._synced_to:
                self._write_mark()
            if self._offset >= self._segment_bytes:
                self._rotate()
        except OSError as error:
            self._stop(error)

    def close(self, now_ns: int = 0) -> None:
        """Write and sync everything, then close; raises `error` if that failed or had failed."""
        try:
            self.pump(now_ns, sync=True)
            if not self._failed and self._file is not None:
                self._write_mark()
        except OSError as error:
            self._stop(error)
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._lock.close()
        if self._failed:
            raise self._failed[0]
        self._failed.append(UserError("the journal is closed: open it again to append"))

    def _write_records(self, now_ns: int) -> None:
        taken = len(self._records)
        if not taken:
            return
        items = self._records[:taken]
        last_seq = _seq_of(items[-1])
        self._write_block(items, _seq_of(items[0]), last_seq)
        # Removed after the write: what a failing disk did not take stays counted in `backlog`.
        del self._records[:taken]
        self.written_seq = last_seq
        if self._dirty_since_ns < 0:
            self._dirty_since_ns = now_ns

    def _write_block(self, items: list[bytes], first_seq: int, last_seq: int) -> None:
        sources = 0
        if self._declared != self._found_sources:
            sources = sum(item[_KIND_AT] == Kind.SOURCE for item in items)
            self._found_sources += sources
        body = b"".join(items)
        head = pack_block_header(body, len(items), sources, first_seq, last_seq, self._synced_to)
        assert self._file is not None
        self._file.write(head, body)
        self._hasher.update(head)
        self._hasher.update(body)
        self._offset += len(head) + len(body)
        self.bytes_written += len(head) + len(body)
        self._marked_to = self._synced_to

    def _write_mark(self) -> None:
        """Tell readers how far the medium got, when no block with records comes to say so.

        The mark itself needs no sync: losing it loses nothing.
        """
        seq = max(self.written_seq, 0)
        self._write_block([], seq, seq)

    def _sync(self) -> None:
        assert self._file is not None
        self._file.sync()
        self._synced_to = self._offset
        self._dirty_since_ns = -1
        self.synced_seq = self.written_seq

    def _rotate(self) -> None:
        assert self._file is not None
        self._sync()
        self._file.close()
        self._begin_segment(self._hasher.digest())

    def _begin_segment(self, previous_digest: bytes) -> None:
        number = self._header.segment + 1
        header = SegmentHeader(
            code_version=self._header.code_version,
            config_hash=self._header.config_hash,
            environment=self._header.environment,
            run_id=self._header.run_id,
            journal_id=self._header.journal_id,
            segment=number,
            first_seq=self.written_seq + 1,
            created_ns=self._wall_ns(),
            previous_digest=previous_digest,
        )
        head = pack_header(header)
        path = self._folder / segment_name(number)
        # Whole or absent: a segment without its header never exists under its name.
        write_atomically(self._disk, path, [head])
        self._header = header
        self._file = self._disk.append(path)
        self._hasher = hashlib.blake2b(head, digest_size=DIGEST_SIZE)
        self._offset = self._synced_to = self._marked_to = len(head)
        self._dirty_since_ns = -1
        self.bytes_written += len(head)
        if self._sources:
            seq = max(self.written_seq, 0)
            records = [
                RECORD.pack(len(name.encode()), Kind.SOURCE, number, seq, 0) + name.encode()
                for number, name in sorted(self._sources.items())
            ]
            self._declared += len(records)
            self._write_block(records, seq, seq)
            self._dirty_since_ns = 0

    def fail(self, error: PoiseError) -> None:
        """Stop writing for a reason found outside."""
        self._failed.append(error)

    def _stop(self, error: OSError) -> None:
        """Remember why, once; cut the half block that a failed write may have left."""
        failure = disk_failure(error, "the journal", self._folder)
        failure.__cause__ = error
        self.fail(failure)
        try:
            if self._file is not None:
                self._file.truncate(self._offset)
        except OSError:
            pass  # the reader cuts it just as well


def _appender(
    records: list[bytes], failed: list[PoiseError]
) -> Callable[[int, int, int, int, bytes], None]:
    """Make `JournalWriter.append`: a closure, since attribute look-ups would cost a third more."""
    pack, put = RECORD.pack, records.append

    def append(kind: int, seq: int, recv_ns: int, source: int, payload: bytes) -> None:
        if failed:
            raise failed[0]
        put(pack(len(payload), kind, source, seq, recv_ns) + payload)

    return append


def _seq_of(item: bytes) -> int:
    return int.from_bytes(item[_SEQ_AT : _SEQ_AT + 8], "little", signed=True)
