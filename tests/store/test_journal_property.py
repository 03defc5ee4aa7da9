"""Any sequence of appends, crashes and power cuts: what is read is a prefix with all synced."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poise.core.errors import InvariantBroken, UserError
from poise.store.journal_format import Kind, segment_name
from poise.store.journal_reader import JournalReader
from poise.store.journal_tail import JournalTail
from poise.store.journal_writer import JournalWriter
from poise.store.virtual_disk import PowerCut, VirtualDisk

FOLDER = Path("/data/journal")
MS = 1_000_000


def open_writer(disk, segment_bytes):
    return JournalWriter(
        FOLDER,
        environment="demo",
        run_id="r",
        code_version="0",
        config_hash="",
        wall_ns=lambda: 7,
        disk=disk,
        segment_bytes=segment_bytes,
        new_journal_id=lambda: "j",
    )


def stored(disk):
    """Everything a reader finds, without declarations (which segments repeat)."""
    if not any(name.endswith(".journal") for name in disk.names(FOLDER)):
        return []
    reader = JournalReader(FOLDER, disk=disk)
    return [tuple(record) for record in reader.records() if record.kind != Kind.SOURCE]


class Machine:
    """A journal, and a naive list of what was appended to it."""

    def __init__(self, seed, segment_bytes):
        self.disk = VirtualDisk(random.Random(seed))
        self.segment_bytes = segment_bytes
        self.appended = []
        self.now = 0
        self.writer = None
        self.tail = JournalTail(FOLDER, disk=self.disk)
        self.tailed = []

    def open(self):
        if self.writer is None:
            found = stored(self.disk)
            self.writer = open_writer(self.disk, self.segment_bytes)
            assert stored(self.disk) == found
            self.appended = found

    def append(self, size):
        self.open()
        seq = len(self.appended)
        record = (Kind.FRAME, seq, self.now, 3, bytes([seq % 256]) * size)
        kind, seq, recv_ns, source, payload = record
        if seq % 5 == 0:
            self.writer.declare_source(source, f"ws:{seq}", seq, recv_ns)
        self.writer.append(kind, seq, recv_ns, source, payload)
        self.appended.append(record)

    def pump(self, milliseconds):
        self.open()
        self.now += milliseconds * MS
        self.writer.pump(self.now)
        self.poll()

    def poll(self):
        for block in self.tail.poll():
            self.tailed += [tuple(r) for r in block.records() if r.kind != Kind.SOURCE]
        assert self.tailed == self.appended[: len(self.tailed)]

    def close(self):
        self.open()
        self.writer.close(self.now)
        self.writer = None
        assert stored(self.disk) == self.appended

    def crash(self, *, power):
        synced = self.writer.synced_seq if self.writer else -1
        written = self.writer.written_seq if self.writer else -1
        self.writer = None
        if power:
            self.disk.cut_power()
        else:
            self.disk.kill()
        found = stored(self.disk)
        assert found == self.appended[: len(found)]
        assert len(found) > (synced if power else written)
        assert len(found) >= len(self.tailed)
        self.appended = found
        # The reader of another process dies with the machine, and comes back where it stood.
        self.tail = JournalTail(FOLDER, self.tail.position, disk=self.disk)

    def crash_soon(self, steps, *, power):
        """Die at some step of a pump, a rotation or an opening."""
        self.disk.crash_at = self.disk.steps + steps
        try:
            for _ in range(3):
                self.append(40)
                self.pump(70)
            self.close()
            self.open()
        except PowerCut:
            pass
        if self.writer is None:
            self.disk.crash_at = None
        self.crash(power=power)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 400)),
        st.tuples(st.just("pump"), st.integers(0, 80)),
        st.tuples(st.just("close")),
        st.tuples(st.just("kill")),
        st.tuples(st.just("cut")),
        st.tuples(st.just("die"), st.integers(1, 12), st.booleans()),
    ),
    max_size=40,
)


def play(machine, steps):
    for action, *arguments in steps:
        if action == "append":
            machine.append(arguments[0])
        elif action == "pump":
            machine.pump(arguments[0])
        elif action == "close":
            machine.close()
        elif action == "die":
            machine.crash_soon(arguments[0], power=arguments[1])
        elif machine.writer is not None:
            machine.crash(power=action == "cut")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32), segment_bytes=st.sampled_from([300, 2000, 1 << 20]), steps=actions
)
def test_what_is_read_is_a_prefix_with_everything_synced(seed, segment_bytes, steps):
    machine = Machine(seed, segment_bytes)
    play(machine, steps)
    machine.close()
    machine.open()
    machine.poll()
    assert machine.tailed == machine.appended


@settings(max_examples=150, deadline=None)
@given(data=st.data(), segment_bytes=st.sampled_from([400, 1 << 20]))
def test_a_flipped_bit_is_found(data, segment_bytes):
    """Either reading refuses, or only the end is missing: nothing wrong is ever returned."""
    machine = Machine(0, segment_bytes)
    for size in data.draw(st.lists(st.integers(0, 200), min_size=1, max_size=12)):
        machine.append(size)
        machine.pump(30)
    machine.close()
    names = [name for name in machine.disk.names(FOLDER) if name.endswith(".journal")]
    path = FOLDER / data.draw(st.sampled_from(names))
    size = len(machine.disk._names[path].seen)
    machine.disk.flip(path, data.draw(st.integers(0, size * 8 - 1)))
    try:
        found = stored(machine.disk)
    except (InvariantBroken, UserError):
        return
    # The closing mark vouches for every record, so only the mark itself can have been hit.
    assert path.name == names[-1]
    assert found == machine.appended


def test_segments_chain(virtual_disk):
    machine = Machine(1, 300)
    for _ in range(20):
        machine.append(100)
        machine.pump(100)
    machine.close()
    disk = machine.disk
    assert len(JournalReader(FOLDER, disk=disk).headers()) > 5
    # A segment of the same number from another run: sound in itself, foreign in the chain.
    other = Machine(2, 300)
    for _ in range(20):
        other.append(99)
        other.pump(100)
    disk._names[FOLDER / segment_name(3)] = other.disk._names[FOLDER / segment_name(3)]
    with pytest.raises(InvariantBroken, match="does not continue segment 2"):
        stored(disk)
    disk.remove(FOLDER / segment_name(3))
    with pytest.raises(InvariantBroken, match="segment 3 is missing"):
        stored(disk)
