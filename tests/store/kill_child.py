"""A desk in small: journals trades, follows the journal, fills a lake; killed at any moment.

Prints ``ready``, then the synced sequence number whenever it moved. Arguments: folder, seed.
"""

import random
import struct
import sys
import time
from pathlib import Path

from poise.core.instrument import Instrument
from poise.store.journal_format import Kind
from poise.store.journal_tail import JournalTail
from poise.store.journal_thread import JournalThread
from poise.store.journal_writer import JournalWriter
from poise.store.lake_compaction import compact, remove_replaced
from poise.store.lake_writer import LakeWriter

FRAME = struct.Struct("<qqq")
"""Instrument, trade id, venue_ns."""
T0 = 19_944 * 86_400_000_000_000
INSTRUMENTS = [
    Instrument(
        ix=ix,
        venue="binance.usdm",
        symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        kind="PERP",
        price_scale=2,
        qty_scale=3,
        tick=1,
        step=1,
    )
    for ix, base in enumerate(("ARDEN", "BREN", "CALDER"))
]


def open_lake_writer(folder, journal_id):
    lake = LakeWriter(
        folder / "lake",
        environment="demo",
        run_id="r",
        journal_id=journal_id,
        wall_ns=time.time_ns,
    )
    lake.register(INSTRUMENTS)
    return lake


def open_journal(folder):
    return JournalWriter(
        folder / "journal",
        environment="demo",
        run_id="r",
        code_version="0",
        config_hash="",
        wall_ns=time.time_ns,
        segment_bytes=200_000,
    )


def feed(tail, lake, *, commit):
    """Move what is durable from the journal to the lake."""
    for block in tail.poll():
        for record in block.records():
            if record.kind == Kind.FRAME:
                instrument, number, venue_ns = FRAME.unpack(record.payload)
                lake.add_trade(instrument, number, 5, 6, 1, venue_ns, record.recv_ns, record.seq)
        if commit():
            lake.commit(block.end)


def main(folder, seed):
    chance = random.Random(seed)
    journal = open_journal(folder)
    lake = open_lake_writer(folder, journal.journal_id)
    tail = JournalTail(folder / "journal", lake.resume)
    thread = JournalThread(journal, write_every_s=0.002).start()
    seq = journal.recovered.last_seq
    print("ready", flush=True)
    synced = -1
    while True:
        for _ in range(chance.randint(1, 400)):
            seq += 1
            # Hundred-second steps, so that days change while it runs.
            frame = FRAME.pack(seq % 3, seq, T0 + seq * 100_000_000_000 // 1000)
            journal.append(Kind.FRAME, seq, seq * 10, 1, frame)
        if chance.random() < 0.3:
            thread.request_sync()
        feed(tail, lake, commit=lambda: chance.random() < 0.3)
        if chance.random() < 0.2:
            compact(lake, T0)
            remove_replaced(lake, 1 << 62)
        if journal.synced_seq > synced:
            synced = journal.synced_seq
            print(synced, flush=True)
        if journal.error is not None:
            raise journal.error


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
