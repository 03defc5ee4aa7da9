"""The journal's rules one by one, on a virtual disk and on the real one."""

import errno
import itertools
import random
import time
from pathlib import Path

import pytest

from poise.core.errors import InvariantBroken, UserError
from poise.store import journal_format
from poise.store.disk import RealDisk
from poise.store.journal_format import (
    Kind,
    Position,
    Record,
    pack_quarantine,
    segment_name,
    unpack_quarantine,
)
from poise.store.journal_reader import JournalReader
from poise.store.journal_retention import drop_segments
from poise.store.journal_tail import JournalTail, journal_identity
from poise.store.journal_thread import JournalThread
from poise.store.journal_writer import JournalWriter
from poise.store.virtual_disk import VirtualDisk

FOLDER = Path("/data/journal")
MS = 1_000_000


def open_writer(disk, folder=FOLDER, **options):
    options.setdefault("environment", "demo")
    options.setdefault("wall_ns", lambda: 1_790_000_000_000_000_000)
    return JournalWriter(
        folder, disk=disk, run_id="run-1", code_version="0.1.0", config_hash="c0ffee", **options
    )


def fill(writer, count, start=0, size=50):
    for seq in range(start, start + count):
        writer.append(Kind.FRAME, seq, seq * 10, 1, bytes(size))


def test_every_kind_comes_back_as_it_went_in(virtual_disk):
    disk = virtual_disk()
    writer = open_writer(disk)
    writer.declare_source(65535, "rest:depth:BTCUSDT", 0, 5)
    writer.append(Kind.FRAME, 1, 10, 65535, b'{"e":"trade"}')
    writer.append(Kind.QUARANTINE, 2, 11, 65535, pack_quarantine("not JSON", b"\xff{"))
    writer.append(Kind.OUTPUT, 2, 12, 0, b"")
    writer.close()
    reader = JournalReader(FOLDER, disk=disk)
    assert list(reader.records()) == [
        Record(Kind.SOURCE, 0, 5, 65535, b"rest:depth:BTCUSDT"),
        Record(Kind.FRAME, 1, 10, 65535, b'{"e":"trade"}'),
        Record(Kind.QUARANTINE, 2, 11, 65535, pack_quarantine("not JSON", b"\xff{")),
        Record(Kind.OUTPUT, 2, 12, 0, b""),
    ]
    assert unpack_quarantine(list(reader.records())[2].payload) == ("not JSON", b"\xff{")
    (header,) = reader.headers()
    assert (header.run_id, header.environment, header.config_hash) == ("run-1", "demo", "c0ffee")
    assert (header.segment, header.first_seq, header.previous_digest) == (1, 0, b"")
    with pytest.raises(UserError, match="closed"):
        writer.append(Kind.FRAME, 3, 13, 1, b"")


def test_a_position_resumes_exactly_and_knows_the_sources(virtual_disk):
    disk = virtual_disk()
    writer = open_writer(disk, segment_bytes=700)
    writer.declare_source(7, "ws:public:0", 0, 0)
    for seq in range(0, 40, 4):
        fill(writer, 4, seq)
        writer.pump(seq * 100 * MS)
    writer.declare_source(8, "ws:public:1", 40, 0)
    writer.close()
    reader = JournalReader(FOLDER, disk=disk)
    blocks = list(reader.blocks())
    assert len({block.start.segment for block in blocks}) > 3
    for index, block in enumerate(blocks):
        assert list(reader.blocks(block.start)) == blocks[index:]
        tail = JournalTail(FOLDER, block.start, disk=disk)
        assert tail.poll() == blocks[index:]
        assert tail.sources == {7: "ws:public:0", 8: "ws:public:1"}
        assert 7 in reader.sources(block.end)
    assert reader.end() >= blocks[-1].end
    assert reader.sources(reader.end()) == {7: "ws:public:0", 8: "ws:public:1"}


def test_the_tail_waits_for_the_medium(virtual_disk):
    disk = virtual_disk()
    tail = JournalTail(FOLDER, disk=disk, environment="demo")
    assert tail.poll() == []
    assert journal_identity(FOLDER, disk) is None
    writer = open_writer(disk)
    fill(writer, 3)
    writer.pump(0)
    assert (writer.written_seq, writer.synced_seq, tail.poll()) == (2, -1, [])
    writer.pump(60 * MS)
    assert writer.synced_seq == 2
    writer.pump(80 * MS)
    (block,) = tail.poll()
    assert (block.record_count, block.first_seq, block.last_seq) == (3, 0, 2)
    assert tail.journal_id == writer.journal_id == journal_identity(FOLDER, disk)
    assert writer.position > tail.position
    size = writer.bytes_written
    writer.pump(1000 * MS)
    assert writer.bytes_written == size


class GrowingDisk:
    """A disk on which a file is written while it is read: every look shows a few bytes more."""

    def __init__(self, disk, steps):
        self._disk = disk
        self._steps = itertools.chain(steps, itertools.repeat(1 << 20))
        self.visible = 0

    def __getattr__(self, name):
        return getattr(self._disk, name)

    def read(self, path):
        return GrowingFile(self, self._disk.read(path))

    def look(self):
        self.visible += next(self._steps)
        return self.visible


class GrowingFile:
    def __init__(self, growing, file):
        self._growing, self._file = growing, file

    def read_at(self, offset, length):
        visible = self._growing.look()
        return self._file.read_at(offset, max(min(length, visible - offset), 0))

    def size(self):
        return min(self._growing.look(), self._file.size())

    def close(self):
        self._file.close()


@pytest.mark.parametrize("seed", range(40))
def test_the_tail_takes_no_write_in_progress_for_damage(virtual_disk, seed):
    disk = virtual_disk(seed)
    writer = open_writer(disk)
    for seq in range(100):
        fill(writer, 1, seq, 10 * seq)
        writer.pump(seq * 30 * MS)
    writer.close()
    # Between two looks the writer mostly adds a little, and now and then many blocks.
    chance = random.Random(seed)
    growing = GrowingDisk(disk, chance.choices((0, 1, 90, 9_000), (40, 40, 40, 1), k=4_000))
    growing.visible = 4_096
    tail = JournalTail(FOLDER, disk=growing)
    seqs = []
    while len(seqs) < 100:
        seqs += [record.seq for block in tail.poll(max_bytes=900) for record in block.records()]
    assert seqs == list(range(100))


def test_the_tail_reads_no_more_than_asked(virtual_disk):
    disk = virtual_disk()
    writer = open_writer(disk, segment_bytes=5000)
    for seq in range(100):
        fill(writer, 1, seq, 500)
        writer.pump(seq * 100 * MS)
    writer.close()
    tail = JournalTail(FOLDER, disk=disk)
    seqs = []
    while blocks := tail.poll(max_bytes=2000):
        assert sum(len(block.body) for block in blocks) < 2000 + 600
        seqs += [record.seq for block in blocks for record in block.records()]
    assert seqs == list(range(100))
    writer = open_writer(disk)
    fill(writer, 1, 100)
    writer.close()
    assert [block.first_seq for block in tail.poll()] == [100]


def test_a_torn_tail_is_cut(virtual_disk):
    disk = virtual_disk()
    writer = open_writer(disk)
    fill(writer, 5)
    writer.pump(0, sync=True)
    size = len(disk._names[FOLDER / segment_name(1)].seen)
    fill(writer, 5, 5)
    writer.pump(0)
    disk.kill()
    del disk._names[FOLDER / segment_name(1)].seen[-3:]
    assert [record.seq for record in JournalReader(FOLDER, disk=disk).records()] == list(range(5))
    writer = open_writer(disk)
    assert writer.recovered.last_seq == 4
    assert writer.recovered.cut_bytes > 100
    assert len(disk._names[FOLDER / segment_name(1)].seen) == size
    fill(writer, 5, 5)
    writer.close()
    assert [record.seq for record in JournalReader(FOLDER, disk=disk).records()] == list(range(10))


def test_a_power_cut_may_keep_a_later_block_of_what_was_not_synced(virtual_disk):
    disk = virtual_disk()
    writer = open_writer(disk)
    for seq in range(4):
        fill(writer, 1, seq)
        writer.pump(0, sync=seq == 0)
    blocks = list(JournalReader(FOLDER, disk=disk).blocks())
    disk.kill()
    disk.flip(FOLDER / segment_name(1), blocks[1].start.offset * 8 + 400)
    # Block 2 reached the medium, block 1 did not: nobody was promised either.
    assert [record.seq for record in JournalReader(FOLDER, disk=disk).records()] == [0]
    assert open_writer(disk).recovered.last_seq == 0


@pytest.mark.parametrize("last", [True, False])
def test_older_corruption_refuses_with_segment_and_offset(virtual_disk, last):
    disk = virtual_disk()
    writer = open_writer(disk)
    for seq in range(5):
        fill(writer, 1, seq)
        writer.pump(seq, sync=True)
    block = list(JournalReader(FOLDER, disk=disk).blocks())[2]
    writer.close()
    if not last:
        open_writer(disk).close()
    disk.flip(FOLDER / segment_name(1), block.start.offset * 8 + 400)
    expected = f"segment 1, offset {block.start.offset} "
    with pytest.raises(InvariantBroken, match=expected):
        list(JournalReader(FOLDER, disk=disk).records())
    if last:
        with pytest.raises(InvariantBroken, match=expected):
            open_writer(disk)
    else:
        with pytest.raises(InvariantBroken, match=expected):
            JournalTail(FOLDER, disk=disk).poll()


def test_a_newer_format_is_refused_by_name(virtual_disk, monkeypatch):
    disk = virtual_disk()
    monkeypatch.setattr(journal_format, "FORMAT", 3)
    open_writer(disk).close()
    monkeypatch.setattr(journal_format, "FORMAT", 1)
    sentence = r"newer Poise \(format 3; this one reads up to 1\)"
    with pytest.raises(UserError, match=sentence):
        open_writer(disk)
    with pytest.raises(UserError, match=sentence):
        JournalReader(FOLDER, disk=disk)


def test_another_environment_and_another_writer_are_refused(virtual_disk):
    disk = virtual_disk()
    writer = open_writer(disk)
    with pytest.raises(UserError, match="another Poise is writing"):
        open_writer(disk)
    writer.close()
    with pytest.raises(UserError, match="environment 'demo', not 'live'"):
        open_writer(disk, environment="live")
    with pytest.raises(UserError, match="environment 'demo', not 'live'"):
        JournalReader(FOLDER, disk=disk, environment="live")
    with pytest.raises(UserError, match="environment 'demo', not 'live'"):
        JournalTail(FOLDER, disk=disk, environment="live").poll()
    open_writer(disk).close()


@pytest.mark.parametrize("nothing", [b"", b"PNG", bytes(100)])
def test_what_is_no_journal_is_refused(virtual_disk, nothing):
    disk = virtual_disk()
    disk.make_folder(FOLDER)
    with pytest.raises(UserError, match="there is no journal"):
        JournalReader(FOLDER, disk=disk)
    disk.create(FOLDER / segment_name(1)).write(nothing)
    with pytest.raises(UserError, match="is not a Poise journal"):
        JournalReader(FOLDER, disk=disk)


def test_a_full_disk_stops_loudly_and_a_restart_goes_on(virtual_disk):
    disk = virtual_disk()
    writer = open_writer(disk)
    fill(writer, 10)
    writer.pump(0, sync=True)
    disk.capacity = disk.used_bytes() + 300
    fill(writer, 10, 10)
    writer.pump(1)
    assert isinstance(writer.error, UserError)
    assert "disk is full" in str(writer.error)
    assert writer.backlog == 10
    assert writer.synced_seq == 9
    with pytest.raises(UserError, match="free space"):
        writer.append(Kind.FRAME, 20, 0, 1, b"")
    with pytest.raises(UserError, match="free space"):
        writer.close()
    assert [record.seq for record in JournalReader(FOLDER, disk=disk).records()] == list(range(10))
    disk.capacity = disk.used_bytes()
    with pytest.raises(UserError, match="disk is full"):
        open_writer(disk)
    disk.capacity = None
    writer = open_writer(disk)
    fill(writer, 5, 10)
    writer.close()
    assert [record.seq for record in JournalReader(FOLDER, disk=disk).records()] == list(range(15))


@pytest.mark.parametrize("seed", range(30))
def test_an_input_output_error_at_any_step(seed):
    chance = random.Random(seed)
    disk = VirtualDisk(chance)
    writer = open_writer(disk, segment_bytes=1000)
    disk.failures[disk.steps + chance.randint(1, 30)] = errno.EIO
    seq = 0
    while writer.error is None:
        fill(writer, 3, seq)
        seq += 3
        writer.pump(seq * 50 * MS)
    assert "input/output error" in str(writer.error)
    synced = writer.synced_seq
    with pytest.raises(UserError):
        writer.close()
    disk.cut_power()
    found = [record.seq for record in JournalReader(FOLDER, disk=disk).records()]
    assert found == list(range(len(found)))
    assert len(found) > synced
    open_writer(disk).close()


def test_retention_by_size_age_and_need(virtual_disk):
    disk = virtual_disk()
    clock = iter(range(0, 10**6, 1000))
    writer = open_writer(disk, segment_bytes=500, wall_ns=lambda: next(clock))
    for seq in range(50):
        fill(writer, 1, seq, 400)
        writer.pump(seq, sync=True)
    writer.close()
    last = JournalReader(FOLDER, disk=disk).headers()[-1].segment
    everything = {"keep_bytes": 1 << 30, "keep_ns": 1 << 60}
    assert drop_segments(disk, FOLDER, Position(last, 0), 0, **everything) == []
    assert drop_segments(disk, FOLDER, Position(3, 9), 0, keep_bytes=0, keep_ns=0) == [1, 2]
    # Segment 6 began at 5000: segment 5 is older than that.
    aged = drop_segments(disk, FOLDER, Position(last, 0), 8_500, keep_bytes=1 << 30, keep_ns=3_400)
    assert aged == [3, 4, 5]
    assert drop_segments(disk, FOLDER, Position(last, 0), 0, keep_bytes=1100, keep_ns=1 << 60)
    assert JournalReader(FOLDER, disk=disk).first_segment == last - 1
    with pytest.raises(InvariantBroken, match="dropped"):
        next(JournalReader(FOLDER, disk=disk).blocks(Position(2, 0)))
    with pytest.raises(InvariantBroken, match="dropped what was still needed"):
        JournalTail(FOLDER, Position(2, 0), disk=disk).poll()
    open_writer(disk).close()


def test_the_thread_writes_and_syncs_on_the_real_disk(tmp_path):
    folder = tmp_path / "journal"
    tail = JournalTail(folder)
    writer = open_writer(None, folder)
    with JournalThread(writer) as thread:
        fill(writer, 1000)
        thread.request_sync()
        deadline = time.monotonic() + 30
        got = 0
        while got < 1000 and time.monotonic() < deadline:
            got += sum(block.record_count for block in tail.poll())
            time.sleep(0.005)
        assert got == 1000
        assert writer.synced_seq == 999
        fill(writer, 10, 1000)
    assert writer.synced_seq == 1009
    assert sum(block.record_count for block in tail.poll()) == 10
    tail.close()
    one = JournalReader(folder / segment_name(1))
    assert sum(1 for _ in one.records()) == 1010
    assert RealDisk().free_bytes(folder) > 0


def test_the_real_disk_answers_in_sentences(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another data folder"):
        open_writer(None, tmp_path / "file")
    first = open_writer(None, tmp_path / "journal")
    with pytest.raises(UserError, match="another Poise is writing"):
        open_writer(None, tmp_path / "journal")
    first.close()


def test_a_thread_that_fails_is_seen(virtual_disk):
    class Broken(VirtualDisk):
        def step(self):
            if self.steps > 10:
                raise ZeroDivisionError
            self.steps += 1

    writer = open_writer(Broken(random.Random(0)))
    thread = JournalThread(writer, write_every_s=0.001).start()
    deadline = time.monotonic() + 30
    seq = 0
    while writer.error is None and time.monotonic() < deadline:
        fill(writer, 1, seq)
        seq += 1
        thread.request_sync()
        time.sleep(0.001)
    assert isinstance(writer.error, InvariantBroken)
    with pytest.raises(InvariantBroken, match="journal thread stopped"):
        thread.stop()
