"""Killed at random moments, or cut from power: each journalled trade is in the lake once."""

import errno
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poise.core.errors import UserError
from poise.store.disk import RealDisk, read_whole
from poise.store.journal_format import Kind, Position
from poise.store.journal_reader import JournalReader
from poise.store.journal_tail import JournalTail
from poise.store.journal_writer import JournalWriter
from poise.store.lake_compaction import compact, remove_replaced
from poise.store.lake_manifest import (
    COMMITTED_NAME,
    Committed,
    Manifest,
    manifest_days,
    manifest_path,
    read_json,
)
from poise.store.lake_query import open_lake
from poise.store.lake_writer import LakeWriter
from poise.store.virtual_disk import PowerCut, VirtualDisk

sys.path.insert(0, str(Path(__file__).parent))
import kill_child

KILLS = int(os.environ.get("CAMPAIGN_KILLS", "4"))
T0 = 19_944 * 86_400_000_000_000


def lake_positions(disk, root):
    """Positions of all committed trades, read without the query engine."""
    committed = read_json(disk, root / COMMITTED_NAME, Committed)
    found = []
    for day in manifest_days(disk, root, "trades"):
        for entry in read_json(disk, manifest_path(root, "trades", day), Manifest).entries:
            if entry.end <= committed.position:
                data = read_whole(disk, root / entry.name)
                found += pq.read_table(pa.BufferReader(data))["position"].to_pylist()
    return sorted(found)


def run_and_kill(folder, seed):
    """Run the child and kill it; return the last sequence number it said was synced."""
    child = subprocess.Popen(
        [sys.executable, kill_child.__file__, str(folder), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    assert child.stdout.readline() == "ready\n"
    timer = threading.Timer(random.Random(seed).uniform(0.0, 0.7), child.kill)
    timer.start()
    # The last line may be cut in two by the kill.
    lines = [line for line in child.stdout if line.endswith("\n")]
    timer.join()
    assert child.wait() == -9
    child.stdout.close()
    return int(lines[-1]) if lines else -1


def test_kill_9_at_random_moments(tmp_path):
    total = 0
    for seed in range(KILLS):
        synced = run_and_kill(tmp_path, seed)
        journal = tmp_path / "journal"
        seqs = [r.seq for r in JournalReader(journal).records() if r.kind == Kind.FRAME]
        assert seqs == list(range(len(seqs)))
        assert len(seqs) > synced
        stored = lake_positions(RealDisk(), tmp_path / "lake")
        assert stored == list(range(len(stored)))
        assert len(stored) <= len(seqs)
        total = len(seqs)
    # Everything the journal holds, once the restarted desk has caught up.
    writer = kill_child.open_journal(tmp_path)
    writer.close()
    lake = kill_child.open_lake_writer(tmp_path, writer.journal_id)
    tail = JournalTail(tmp_path / "journal", lake.resume)
    while tail.position < writer.position and lake.rows < total:
        before = tail.position
        kill_child.feed(tail, lake, commit=lambda: False)
        if tail.position == before:
            break
    lake.commit(tail.position)
    lake.close()
    assert lake_positions(RealDisk(), tmp_path / "lake") == list(range(total))
    seen = []
    reader = open_lake(tmp_path / "lake")
    for symbol in ("ARDENUSDT", "BRENUSDT", "CALDERUSDT"):
        seen += reader.trades(symbol).arrow["id"].to_pylist()
    assert sorted(seen) == list(range(total))


class Desk:
    """Journal and lake on one virtual disk."""

    JOURNAL = Path("/data/journal")
    LAKE = Path("/data/lake")

    def __init__(self, disk):
        self.journal = JournalWriter(
            self.JOURNAL,
            environment="demo",
            run_id="r",
            code_version="0",
            config_hash="",
            wall_ns=lambda: T0,
            disk=disk,
            segment_bytes=2500,
            new_journal_id=lambda: "j",
        )
        self.lake = LakeWriter(
            self.LAKE,
            environment="demo",
            run_id="r",
            journal_id="j",
            wall_ns=lambda: T0,
            disk=disk,
        )
        self.lake.register(kill_child.INSTRUMENTS)
        self.tail = JournalTail(self.JOURNAL, self.lake.resume, disk=disk)
        self.seq = self.journal.recovered.last_seq
        self.now = 0

    def work(self, chance, rounds):
        for _ in range(rounds):
            for _ in range(chance.randint(0, 20)):
                self.seq += 1
                frame = kill_child.FRAME.pack(self.seq % 3, self.seq, T0 + self.seq * 10**12)
                self.journal.append(Kind.FRAME, self.seq, 0, 1, frame)
            self.now += 30_000_000
            self.journal.pump(self.now)
            kill_child.feed(self.tail, self.lake, commit=lambda: chance.random() < 0.4)
            if chance.random() < 0.3:
                compact(self.lake, T0 + chance.choice([0, 10**15]))
            if chance.random() < 0.2:
                remove_replaced(self.lake, 1 << 62)

    def finish(self):
        self.journal.close(self.now)
        while True:
            before = self.tail.position
            kill_child.feed(self.tail, self.lake, commit=lambda: False)
            if self.tail.position == before:
                break
        self.lake.commit(self.tail.position)
        self.lake.close()


@pytest.mark.parametrize("seed", range(int(os.environ.get("CAMPAIGN_KILLS", "25"))))
def test_power_cuts_at_any_step(seed, monkeypatch):
    monkeypatch.setattr("poise.store.lake_compaction.FRESH_FILES", 3)
    monkeypatch.setattr("poise.store.lake_compaction.FAN_IN", 2)
    chance = random.Random(seed)
    disk = VirtualDisk(chance)
    for _ in range(4):
        disk.crash_at = disk.steps + chance.randint(1, 150)
        with pytest.raises(PowerCut):
            Desk(disk).work(chance, 10**6)
        if chance.random() < 0.7:
            disk.cut_power()
        else:
            disk.kill()
        seqs = [-1]
        if disk.names(Desk.JOURNAL) and JournalTail(Desk.JOURNAL, disk=disk)._open_first():
            seqs = [r.seq for r in JournalReader(Desk.JOURNAL, disk=disk).records()]
            assert seqs == list(range(len(seqs)))
        if disk.exists(Desk.LAKE / COMMITTED_NAME):
            stored = lake_positions(disk, Desk.LAKE)
            assert stored == list(range(len(stored)))
            assert len(stored) <= len(seqs)
    desk = Desk(disk)
    desk.work(chance, 5)
    desk.finish()
    assert lake_positions(disk, Desk.LAKE) == list(range(desk.seq + 1))


def test_a_full_disk_stops_the_lake_and_loses_nothing(virtual_disk, open_writer):
    disk = virtual_disk()
    root = Path("/data/lake")
    writer = open_writer(root, disk=disk)
    for n in range(500):
        writer.add_trade(0, n, 5, 6, 1, T0 + n, T0, n)
    writer.commit(Position(1, 100))
    for n in range(500, 1000):
        writer.add_trade(0, n, 5, 6, 1, T0 + n, T0, n)
    used = disk.used_bytes()
    failed = 0
    sentences = set()
    while True:
        disk.capacity = used + 100 * failed
        try:
            writer.commit(Position(1, 200))
            break
        except UserError as error:
            failed += 1
            sentences.add(str(error).partition(";")[0])
        assert lake_positions(disk, root) == list(range(500))
        assert writer.rows == 500
    assert failed > 10
    assert sentences == {"the tick lake cannot use /data/lake: the disk is full"}
    assert lake_positions(disk, root) == list(range(1000))
    writer.close()
    disk.capacity = disk.used_bytes()
    with pytest.raises(UserError, match="the disk is full"):
        open_writer(root, disk=disk)
    disk.capacity = None
    assert open_writer(root, disk=disk).resume == Position(1, 200)


def test_a_read_only_folder_is_one_sentence(tmp_path, open_writer, monkeypatch):
    writer = open_writer(tmp_path)

    def refuse(self, path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(RealDisk, "create", refuse)
    writer.add_trade(0, 1, 5, 6, 1, T0, T0, 1)
    with pytest.raises(UserError, match="it may not be written; make it writable"):
        writer.commit(Position(1, 100))
    monkeypatch.undo()
    writer.commit(Position(1, 100))
    assert lake_positions(RealDisk(), tmp_path) == [1]
