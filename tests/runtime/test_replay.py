"""Replay of recordings: the numbers of the real ones, and one digest wherever it runs."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from poise.core.errors import UserError
from poise.core.events import TimeframeSpec
from poise.core.outputs import Bar, BarCorrected, Gap
from poise.runtime.replay import Replay

FRAMES = (TimeframeSpec("1s", 60), TimeframeSpec("1m", 20))
S = 1_000_000_000


def replay(*paths, **options):
    return Replay(list(paths), FRAMES, **options).run()


def test_a_tape_by_hand(write, make_tape):
    run = Replay([write(make_tape(50))], FRAMES)
    result = run.run()
    assert (result.lines, result.trades, result.quarantined, result.gaps) == (100, 50, 0, 0)
    assert (result.last_ns - result.first_ns) == 4_901_000_000
    assert result.bars == 5  # the last trade is dated 5.0 s
    assert result.per_instrument["BTCUSDT"]["last_trade_id"] == 50
    assert run.bad == []


def test_broken_lines_are_left_out_counted_and_named(write, make_tape, make_line):
    tape = make_tape(20)
    tape[9:9] = [b"not a line\n", make_line(450, '{"stream":"btcusdt@trade","data":{"e":"trade"}}')]
    run = Replay([write(tape)], FRAMES)
    result = run.run()
    assert (result.lines, result.quarantined, result.trades) == (42, 2, 20)
    assert sorted(bad.number for bad in run.bad) == [10, 11]
    assert result.lines - result.quarantined == 40


def test_lost_trades_become_permanent_gaps(write, make_tape):
    for count in (40, 1_200):  # the tape ends before, or after the heal requests are given up
        tape = make_tape(count)
        for key in (20, 10):
            del tape[2 * key - 1]
        seen = []
        run = Replay([write(tape)], FRAMES, on_step=lambda _, out, seen=seen: seen.extend(out))
        result = run.run()
        gaps = [item for item in seen if isinstance(item, Gap)]
        assert [(gap.first_id, gap.last_id, gap.healed) for gap in gaps] == [
            (10, 10, False),
            (20, 20, False),
        ]
        assert (result.trades, result.gaps) == (count - 2, 2)


def test_one_wrong_receive_time_does_not_stop_the_replay(write, make_tape):
    tape = make_tape(50)
    result = replay(write([*tape[:20], b"9" + tape[20][1:], *tape[21:]]))
    assert (result.lines, result.quarantined, result.trades) == (100, 1, 50)


def test_a_pause_of_years_is_stepped_over(write, make_tape, make_line, trade_frame):
    years = 10**12
    tape = [*make_tape(20), make_line(years, trade_frame(21, years)),
            make_line(years + 2_000, trade_frame(22, years + 2_000))]  # fmt: skip
    result = replay(write(tape))
    assert (result.trades, result.gaps) == (22, 0)
    assert result.bars < 10


def test_scales_come_from_the_file_the_flag_or_the_catalogue(write, make_tape, make_line):
    tape = make_tape(3, "DOGEUSDT")
    with pytest.raises(UserError, match="--scale DOGEUSDT=PRICE_PLACES,QTY_PLACES"):
        replay(write(tape))
    assert replay(write(tape), scales={"DOGEUSDT": (2, 3)}).trades == 3
    # Too coarse a scale refuses the frames, it does not round them.
    assert replay(write(tape), scales={"DOGEUSDT": (0, 3)}).trades == 0
    info = {"symbols": [{
        "symbol": "DOGEUSDT", "status": "TRADING", "baseAsset": "DOGE", "quoteAsset": "USDT",
        "contractType": "PERPETUAL", "pricePrecision": 2, "quantityPrecision": 3,
        "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.01"},
                    {"filterType": "LOT_SIZE", "stepSize": "0.001"}],
    }]}  # fmt: skip
    first = make_line(0, json.dumps({"rest": "rest:exchangeInfo:", "data": info}))
    assert replay(write([first, *tape])).trades == 3
    broken = make_line(0, '{"rest":"rest:exchangeInfo:","data":{"symbols":5}}')
    with pytest.raises(UserError, match="its line of instruments is broken"):
        replay(write([broken, *tape]))


@pytest.mark.parametrize("source", ["x", "rest", "rest:klines:BTCUSDT:7x", "rest:klines:BTCUSDT"])
def test_an_answer_that_nothing_reads_is_left_out(write, make_tape, make_line, source):
    line = make_line(250, json.dumps({"rest": source, "data": []}))
    tape = make_tape(5)
    assert replay(write([*tape[:4], line, *tape[4:]])).quarantined == 1


def test_pace(write, make_tape):
    slept = []
    run = Replay([write(make_tape(20))], FRAMES, speed=1e6)
    run.run(sleep=slept.append)
    assert sum(slept) < 0.1
    slept.clear()
    Replay([write(make_tape(20))], FRAMES, speed=0.001).run(sleep=slept.append)
    # Nothing sleeps here, so each timer finds itself later by its whole distance from the start.
    assert slept[0] == pytest.approx(100.0, rel=0.2)
    assert slept == sorted(slept)


def flips(text):
    """Places of one frame: of the stamp, of what is read, and of what nothing reads."""
    for part, offset in ((b'"p":"', 5), (b'"q":"', 5), (b'"E":', 8), (b'"X":"', 6), (b"@trade", 2),
                         (b'"m":', 5), (b'"T":', 15), (b" {", -3)):  # fmt: skip
        yield text.index(part) + offset


def test_any_byte_of_a_frame_counts(write, make_tape):
    tape = make_tape(30)
    digests = {replay(write(tape)).digest}
    assert digests == {replay(write(tape, "again")).digest}
    line = tape[21]
    places = list(flips(line))
    for at in places:
        changed = bytearray(line)
        changed[at] ^= 1
        digests.add(replay(write([*tape[:21], bytes(changed), *tape[22:]])).digest)
    assert len(digests) == len(places) + 1


def data_file(folder: Path, name: str) -> Path:
    path = folder / "hftbacktest" / f"usdm_{name}usdt_20240808.gz"
    if not path.exists():
        if os.environ.get("POISE_DATA"):
            pytest.fail(f"POISE_DATA is set, but {path} is missing")
        pytest.skip(f"no recording {path}")
    return path


@pytest.mark.real_data
def test_the_recordings_of_8_august_2024(real_data):
    """Counts of PROVENANCE.md and of the recordings' own line, trade and update ids."""
    seen = []
    run = Replay(
        [data_file(real_data, "btc"), data_file(real_data, "eth")], FRAMES,
        on_step=lambda _, outputs: seen.extend(outputs),
    )  # fmt: skip
    result = run.run()
    assert result.lines == 93_954 + 74_655 == 168_609
    assert (result.quarantined, result.duplicates) == (0, 0)
    assert (result.gaps, result.gaps_healed, result.chain_breaks) == (0, 0, 0)
    assert result.book_mismatches == 0
    rows = result.per_instrument
    assert [rows[name]["trades"] for name in ("BTCUSDT", "ETHUSDT")] == [21_313, 14_076]
    assert [rows[name]["book_checks"] for name in ("BTCUSDT", "ETHUSDT")] == [629, 551]
    assert all(state.book.live for state in run.engine.market.instruments)
    check_bars(seen, run.files, real_data)


def check_bars(outputs, files, folder):
    """Every live second against the trades of the file, read the naive way."""
    bars = {}
    for item in outputs:
        bar = item.bar if isinstance(item, BarCorrected) else item
        if isinstance(bar, Bar) and bar.timeframe == "1s":
            bars[bar.instrument, bar.start_ns // S] = bar
    for ix, name in enumerate(("btc", "eth")):
        seconds = {}
        for line in gzip.decompress(data_file(folder, name).read_bytes()).splitlines():
            if b'"e":"trade"' in line:
                data = msgspec.json.decode(line.split(b" ", 1)[1])["data"]
                price, qty = round(float(data["p"]) * 100), round(float(data["q"]) * 1_000)
                seconds.setdefault(data["T"] // 1_000, []).append((price, qty, not data["m"]))
        numbers = [number for instrument, number in bars if instrument == ix]
        assert sorted(numbers) == list(range(min(numbers), max(numbers) + 1))
        assert len(numbers) > 340
        for number in numbers:
            bar, rows = bars[ix, number], seconds.get(number, [])
            assert bar.trades == len(rows)
            assert bar.volume == sum(qty for _, qty, _ in rows)
            assert bar.buy_volume == sum(qty for _, qty, bought in rows if bought)
            if rows:
                prices = [price for price, _, _ in rows]
                assert (bar.open, bar.high, bar.low, bar.close) == (
                    prices[0], max(prices), min(prices), prices[-1],
                )  # fmt: skip


CHILD = """
import sys
from pathlib import Path
from poise.core.events import TimeframeSpec
from poise.runtime.replay import Replay
frames = (TimeframeSpec("1s", 20), TimeframeSpec("5s", 20))
print(Replay([Path(name) for name in sys.argv[1:]], frames).run().digest)
"""


@pytest.mark.real_data
def test_one_digest_whatever_the_process_and_its_hash_seed(real_data, tmp_path):
    paths = []
    for name in ("btc", "eth"):
        with gzip.open(data_file(real_data, name)) as file:
            path = tmp_path / name
            path.write_bytes(b"".join(file.readline() for _ in range(5_000)))
            paths.append(path)
    frames = (TimeframeSpec("1s", 20), TimeframeSpec("5s", 20))
    digests = [Replay(paths, frames).run().digest for _ in range(2)]
    for seed in ("1", "77"):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *map(str, paths)],
            env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        digests.append(done.stdout.strip())
    assert len(set(digests)) == 1
    data = bytearray(paths[0].read_bytes())
    at = data.rindex(b'"E":') + 10  # a digit that nothing reads
    data[at] = data[at] ^ 1
    paths[0].write_bytes(data)
    assert Replay(paths, frames).run().digest != digests[0]
