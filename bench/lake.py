"""Speed and size of the tick lake, and the cost of a journal append.

    python bench/lake.py [--rows 10000000] [--folder DIR] [--json]

- ``append``: one `JournalWriter.append` of a 200-byte frame, journal thread running.
- ``columns``: trades of 20 instruments over 10 days, time-ordered batches of 100,000 numpy rows,
  through `LakeWriter` to committed Parquet.
- ``frames``: the recordings' own frames from a journal on disk (`JournalTail`), decoded by the
  venue's parser, to committed Parquet; depth frames are read and passed over. Needs the
  recordings (POISE_DATA, or ../shared/data).
- ``bytes_per_trade``: those trades after compaction, files whole, all columns.
- ``last_ms``: newest 10,000 trades of one instrument, out of all rows.
- ``bars_ms``: one day of 1-minute bars of one instrument, from the trades.

The lake is on real disk and every commit is synced. Figures of a noisy machine differ by 30 %.
"""

import argparse
import gzip
import json
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from poise.core.events import Quote, Trade
from poise.store.journal_format import Kind, Position
from poise.store.journal_reader import JournalReader
from poise.store.journal_tail import JournalTail
from poise.store.journal_thread import JournalThread
from poise.store.journal_writer import JournalWriter
from poise.store.lake_compaction import compact, remove_replaced
from poise.store.lake_feed import LakeFeed
from poise.store.lake_query import open_lake
from poise.store.lake_schema import NS_PER_DAY
from poise.store.lake_writer import LakeWriter
from poise.venues.binance.instruments import from_catalogue
from poise.venues.binance.parse import Parser

SYMBOLS, DAYS, BATCH = 20, 10, 100_000
T0 = 19_940 * NS_PER_DAY
RECORDINGS = ("usdm_btcusdt_20240808.gz", "usdm_ethusdt_20240808.gz")
HEADER = {"environment": "replay", "run_id": "bench"}


def machine():
    """Say where this ran."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def percentiles(values, digits=2):
    """Summarise repeated measurements."""
    return {f"p{q}": round(float(np.percentile(values, q)), digits) for q in (50, 90, 99)} | {
        "max": round(float(max(values)), digits)
    }


def new_lake(folder, journal_id="bench"):
    return LakeWriter(folder, **HEADER, journal_id=journal_id, wall_ns=time.time_ns)


def new_journal(folder):
    return JournalWriter(
        folder, **HEADER, code_version="bench", config_hash="", wall_ns=time.time_ns
    )


def bench_append(folder):
    writer = new_journal(folder)
    frame, best = b"x" * 200, []
    with JournalThread(writer):
        append = writer.append
        for batch in range(2000):
            start = time.perf_counter_ns()
            for n in range(100):
                append(Kind.FRAME, batch * 100 + n, start, 3, frame)
            best.append((time.perf_counter_ns() - start) / 100)
            time.sleep(0.0005)
    return percentiles(best, 0)


def batches(rows):
    """Yield time-ordered trades of all instruments: random walks, ids counted per instrument."""
    rng = np.random.default_rng(7)  # noqa: TID251 - a bench draws its data
    step = DAYS * NS_PER_DAY // rows
    price = np.full(SYMBOLS, 6_000_000)
    ids = np.zeros(SYMBOLS, np.int64)
    for start in range(0, rows, BATCH):
        n = min(BATCH, rows - start)
        symbol = rng.integers(0, SYMBOLS, n)
        venue = T0 + (start + np.arange(n)) * step // 1_000_000 * 1_000_000
        trade_id = np.empty(n, np.int64)
        trade_price = np.empty(n, np.int64)
        moves = rng.integers(-3, 4, n) * (rng.random(n) < 0.3)
        for each in range(SYMBOLS):
            mine = symbol == each
            count = int(mine.sum())
            trade_id[mine] = ids[each] + np.arange(count)
            ids[each] += count
            path = price[each] + np.cumsum(moves[mine])
            trade_price[mine] = path
            price[each] = path[-1] if count else price[each]
        yield (
            symbol,
            trade_id,
            trade_price,
            np.ceil(rng.lognormal(3, 1.5, n)).astype(np.int64),
            np.where(rng.random(n) < 0.5, 1, -1),
            venue,
            venue + rng.integers(1_000_000, 30_000_000, n),
            start + np.arange(n),
        )


def bench_columns(folder, rows):
    writer = new_lake(folder)
    base = from_catalogue("BTCUSDT", 0)
    writer.register(
        [
            msgspec.structs.replace(base, ix=ix, symbol=f"SYM{ix}", base=f"SYM{ix}")
            for ix in range(SYMBOLS)
        ]
    )
    spent, slow = 0.0, []
    done = 0
    for batch in batches(rows):
        start = time.perf_counter()
        writer.add_trades(*batch)
        done += len(batch[0])
        if writer.due(time.monotonic_ns()):
            writer.commit(Position(1, done))
        took = time.perf_counter() - start
        spent += took
        slow.append(took * 1000)
    start = time.perf_counter()
    if writer.rows:
        writer.commit(Position(1, done + 1))
    spent += time.perf_counter() - start
    start = time.perf_counter()
    while compact(writer, T0 + 20 * NS_PER_DAY):
        pass
    joined = time.perf_counter() - start
    remove_replaced(writer, 1 << 62)
    size = sum(e.size for m in writer.files.manifests.values() for e in m.entries)
    writer.close()
    return {
        "columns_rows_s": round(rows / spent),
        "columns_batch_ms": percentiles(slow),
        "compaction_rows_s": round(rows / joined),
        "generated_bytes_per_trade": round(size / rows, 2),
    }


def write_frames(folder, data):
    """Journal the two recordings, merged by receive time."""
    lines = []
    for name in RECORDINGS:
        with gzip.open(data / name) as file:
            for line in file:
                stamp, _, payload = line.rstrip(b"\n").partition(b" ")
                if payload.startswith(b'{"stream"'):  # not the snapshot in the middle
                    lines.append((int(stamp), payload))
    lines.sort(key=lambda each: each[0])
    journal = new_journal(folder)
    for seq, (stamp, payload) in enumerate(lines):
        journal.append(Kind.FRAME, seq, stamp, 1, payload)
        if seq % 200 == 0:
            journal.pump(seq)
    journal.close()
    return journal.journal_id, len(lines)


def run_frames(folder, journal, journal_id, parser, instruments):
    """Follow the journal into a fresh lake; return seconds, rows and the writer."""
    writer = new_lake(folder, journal_id)
    feed = LakeFeed(writer)
    feed.register(tuple(instruments))
    frame, kinds = parser.frame, (Trade, Quote)
    rows = 0
    start = time.perf_counter()
    tail = JournalTail(journal, writer.resume)
    while blocks := tail.poll():
        for block in blocks:
            for record in block.records():
                payload = record.payload
                if b"@depth" in payload[:40]:
                    continue
                for event in frame(payload, record.recv_ns):
                    if isinstance(event, kinds):
                        feed.add(event, record.seq)
                        rows += 1
            if writer.due(time.monotonic_ns()):
                writer.commit(block.end)
    if writer.rows:
        writer.commit(tail.position)
    spent = time.perf_counter() - start
    tail.close()
    return spent, rows, writer


def time_decoding(journal, parser):
    """Microseconds that the venue's parser alone takes for each row."""
    frames = [
        (record.payload, record.recv_ns)
        for record in JournalReader(journal).records()
        if b"@depth" not in record.payload[:40]
    ]
    start = time.perf_counter()
    for payload, recv_ns in frames:
        parser.frame(payload, recv_ns)
    return (time.perf_counter() - start) / len(frames) * 1e6


def bench_frames(folder, data, repeats=5):
    if data is None:
        return {"frames": "skipped: no recordings (set POISE_DATA)"}
    journal = folder / "journal"
    journal_id, lines = write_frames(journal, data)
    instruments = [from_catalogue(name, ix) for ix, name in enumerate(("BTCUSDT", "ETHUSDT"))]
    parser = Parser({each.symbol: each for each in instruments})
    decode_us = time_decoding(journal, parser)
    rates = []
    for repeat in range(repeats):
        spent, rows, writer = run_frames(
            folder / f"lake{repeat}", journal, journal_id, parser, instruments
        )
        rates.append(rows / spent)
        while compact(writer, time.time_ns()):
            pass
        trades = [
            e for m in writer.files.manifests.values() if m.channel == "trades" for e in m.entries
        ]
        quotes = [
            e for m in writer.files.manifests.values() if m.channel == "quotes" for e in m.entries
        ]
        writer.close()
    return {
        "frames": lines,
        "frames_rows": rows,
        "frames_rows_s": round(float(np.median(rates))),
        "frames_us_a_row": {
            "decode": round(decode_us, 2),
            "store": round(1e6 / float(np.median(rates)) - decode_us, 2),
        },
        "frames_rows_s_all": [round(each) for each in rates],
        "bytes_per_trade": round(sum(e.size for e in trades) / sum(e.rows for e in trades), 2),
        "bytes_per_quote": round(sum(e.size for e in quotes) / sum(e.rows for e in quotes), 2),
    }


def bench_queries(folder, repeats=100):
    lake = open_lake(folder)
    last, bars = [], []
    for repeat in range(repeats):
        name = f"SYM{repeat % SYMBOLS}"
        start = time.perf_counter()
        found = lake.last_trades(name, 10_000)
        last.append((time.perf_counter() - start) * 1000)
        assert len(found) == 10_000
        day = T0 + repeat % DAYS * NS_PER_DAY
        start = time.perf_counter()
        found = lake.bars_from_trades(name, "1m", day, day + NS_PER_DAY)
        bars.append((time.perf_counter() - start) * 1000)
        assert 0 < len(found) <= 1440
    lake.close()
    return {"last_ms": percentiles(last), "bars_ms": percentiles(bars)}


def recordings():
    named = os.environ.get("POISE_DATA")
    root = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    folder = root / "hftbacktest"
    return folder if all((folder / name).exists() for name in RECORDINGS) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, default=None, help="where to write; removed after")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="poise-lake-", dir=options.folder))
    try:
        result = {"bench": "lake", "rows": options.rows, "machine": machine()}
        result["append_ns"] = bench_append(folder / "append")
        result |= bench_columns(folder / "columns", options.rows)
        result |= bench_frames(folder / "frames", recordings())
        result |= bench_queries(folder / "columns")
    finally:
        shutil.rmtree(folder)
    for name, value in result.items():
        print(f"{name:26} {value}")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
