"""The tick lake: what goes in comes out once, as integers, floats and decimals."""

import builtins
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from poise.core.errors import InvariantBroken, UserError
from poise.core.outputs import Bar, Gap
from poise.store import lake_manifest
from poise.store.journal_format import Position
from poise.store.lake_compaction import compact, remove_replaced
from poise.store.lake_query import Lake, open_lake, timeframe_ns
from poise.store.lake_schema import CHANNELS

DAY = 86_400_000_000_000
T0 = 19_944 * DAY
S = 1_000_000_000
ARDEN = "binance.usdm:ARDEN-USDT-PERP"
BREN = "binance.usdm:BREN-USDT-PERP"


def add(writer, count, start=0, instrument=0, step_ns=S):
    for n in range(start, start + count):
        venue_ns = T0 + n * step_ns
        writer.add_trade(
            instrument,
            1000 + n,
            6_180_020 + n,
            6 + n,
            -1 if n % 3 else 1,
            venue_ns,
            venue_ns + 7,
            n,
        )


def ids(lake, instrument=ARDEN, **options):
    return lake.trades(instrument, **options).arrow["id"].to_pylist()


def bar(start, close, *, instrument=0, timeframe="1m", origin="live"):
    return Bar(
        instrument=instrument,
        timeframe=timeframe,
        start_ns=start,
        end_ns=start + 60 * S,
        open=close - 1,
        high=close + 5,
        low=close - 5,
        close=close,
        volume=1500,
        buy_volume=500,
        trades=7,
        bid_close=0,
        ask_close=0,
        origin=origin,
    )


def test_trades_come_back_in_every_form(tmp_path, open_writer):
    writer = open_writer(tmp_path)
    add(writer, 5)
    writer.commit(Position(1, 100))
    answer = open_lake(tmp_path).trades("ARDENUSDT")
    assert answer.arrow.to_pylist()[1] == {
        "instrument": ARDEN,
        "id": 1001,
        "price": 61800.21,
        "qty": 0.007,
        "side": -1,
        "venue_ns": T0 + S,
        "recv_ns": T0 + S + 7,
        "position": 1,
        "price_scaled": 6_180_021,
        "qty_scaled": 7,
    }
    assert len(answer) == 5
    assert answer.to_pandas()["id"].tolist() == [1000, 1001, 1002, 1003, 1004]
    assert answer.to_polars()["side"].to_list() == [1, -1, -1, 1, -1]
    exact = open_lake(str(tmp_path)).trades(ARDEN, numbers="decimal").arrow
    assert exact["price"].to_pylist()[1] == Decimal("61800.21")
    assert exact["qty"].to_pylist()[4] == Decimal("0.010")


def test_notebook_libraries_are_optional(tmp_path, open_writer, monkeypatch):
    open_writer(tmp_path)
    answer = open_lake(tmp_path).trades(ARDEN)
    real = builtins.__import__

    def refuse(name, *rest):
        if name in {"pandas", "polars"}:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match=r"pandas is not installed: pip install 'poise\[notebook\]"):
        answer.to_pandas()
    with pytest.raises(UserError, match="polars is not installed"):
        answer.to_polars()


def test_ranges_are_half_open_and_limits_keep_the_newest(tmp_path, open_writer):
    writer = open_writer(tmp_path)
    for start in range(0, 100, 10):
        add(writer, 10, start)
        writer.commit(Position(1, start + 10))
    lake = open_lake(tmp_path)
    assert ids(lake, start_ns=T0 + 5 * S, end_ns=T0 + 8 * S) == [1005, 1006, 1007]
    assert ids(lake, limit=3) == [1097, 1098, 1099]
    assert lake.last_trades(ARDEN, 25).arrow["id"].to_pylist() == list(range(1075, 1100))
    assert len(lake.last_trades(ARDEN, 1000)) == 100
    assert len(lake.trades(BREN)) == 0
    assert lake.trades(BREN).columns == lake.trades(ARDEN).columns
    with pytest.raises(UserError, match=r"no instrument 'NOSUCH'; it has binance.usdm:ARDEN"):
        lake.trades("NOSUCH")


def test_columns_and_rows_are_the_same(tmp_path, open_writer):
    n = np.arange(50)
    one, two = open_writer(tmp_path / "rows"), open_writer(tmp_path / "columns")
    for instrument in (1, 0):
        add(one, 50, instrument=instrument)
        two.add_trades(
            instrument,
            1000 + n,
            6_180_020 + n,
            6 + n,
            np.where(n % 3, -1, 1),
            T0 + n * S,
            T0 + n * S + 7,
            n,
        )
    for writer in (one, two):
        writer.commit(Position(1, 100))
    for name in (ARDEN, BREN):
        rows, columns = (open_lake(tmp_path / each).trades(name) for each in ("rows", "columns"))
        assert rows.arrow.equals(columns.arrow)
        assert len(rows) == 50
    with pytest.raises(ValueError, match="differ in length"):
        two.add_trades(0, n[:3], n, n, n, n, n, n)


def test_the_writers_process_sees_rows_in_memory(tmp_path, open_writer):
    writer = open_writer(tmp_path)
    lake, other = Lake(tmp_path, tail=writer), open_lake(tmp_path)
    add(writer, 3)
    writer.add_bar(bar(T0, 100), 3)
    assert ids(lake) == [1000, 1001, 1002]
    assert ids(other) == []
    writer.commit(Position(1, 50))
    add(writer, 2, 3)
    assert ids(lake) == [1000, 1001, 1002, 1003, 1004]
    assert ids(other) == [1000, 1001, 1002]
    assert lake.last_trades(ARDEN, 2).arrow["id"].to_pylist() == [1003, 1004]
    assert len(lake.bars(ARDEN, "1m")) == 1


def test_an_unfinished_commit_is_seen_by_nobody(tmp_path, open_writer):
    writer = open_writer(tmp_path)
    add(writer, 3)
    writer.commit(Position(1, 50))
    add(writer, 2, 3)
    columns = writer._buffers["trades"].columns()
    # The machine dies between the manifest and the commit point.
    writer.files.prepare({"trades": (CHANNELS["trades"], columns)}, [], Position(1, 70))
    writer.close()
    lake = open_lake(tmp_path)
    assert ids(lake) == [1000, 1001, 1002]
    segments = len(list(tmp_path.rglob("*.parquet")))
    writer = open_writer(tmp_path)
    assert writer.resume == Position(1, 50)
    assert len(list(tmp_path.rglob("*.parquet"))) == segments - 1
    add(writer, 4, 3)
    writer.commit(Position(1, 90))
    assert ids(lake) == [1000, 1001, 1002, 1003, 1004, 1005, 1006]


def test_days_are_utc_days_of_the_venues_time(tmp_path, open_writer):
    writer = open_writer(tmp_path)
    add(writer, 4, start=-2)
    writer.commit(Position(1, 50))
    folder = tmp_path / "manifest" / "trades"
    assert sorted(each.name for each in folder.iterdir()) == ["2024-08-08.json", "2024-08-09.json"]
    assert ids(open_lake(tmp_path)) == [998, 999, 1000, 1001]
    assert ids(open_lake(tmp_path), start_ns=T0) == [1000, 1001]


def test_bars_corrected_live_and_from_history(tmp_path, open_writer):
    writer = open_writer(tmp_path)
    for seq, each in enumerate(
        [
            bar(T0, 100, origin="history"),
            bar(T0, 110),
            bar(T0, 120),
            bar(T0, 130, origin="history"),
            bar(T0 + 60 * S, 140, origin="history"),
            bar(T0, 999, timeframe="5m"),
            bar(T0 + 60 * S, 77, instrument=1),
        ]
    ):
        writer.add_bar(each, seq)
        writer.commit(Position(1, seq + 1))
    lake = open_lake(tmp_path)
    bars = lake.bars(ARDEN, "1m").arrow
    assert bars["close_scaled"].to_pylist() == [120, 140]
    assert bars["origin"].to_pylist() == ["live", "history"]
    assert bars["close"].to_pylist() == [1.2, 1.4]
    assert bars["volume"].to_pylist() == [1.5, 1.5]
    assert lake.bars(ARDEN, "1m", limit=1).arrow["start_ns"].to_pylist() == [T0 + 60 * S]
    matrix = lake.close_matrix([ARDEN, BREN], "1m").arrow.to_pydict()
    assert matrix["start_ns"] == [T0, T0 + 60 * S]
    assert matrix[ARDEN] == [1.2, 1.4]
    assert np.isnan(matrix[BREN][0])
    assert matrix[BREN][1] == 0.77
    assert len(lake.close_matrix([ARDEN], "1h")) == 0


def test_bars_from_trades_against_a_naive_loop(tmp_path, open_writer):
    writer = open_writer(tmp_path)
    add(writer, 300, step_ns=S // 2)
    writer.commit(Position(1, 50))
    lake = open_lake(tmp_path)
    rows = lake.trades(ARDEN).arrow.to_pylist()
    naive = {}
    for row in rows:
        naive.setdefault(row["venue_ns"] // (60 * S) * 60 * S, []).append(row)
    bars = lake.bars_from_trades(ARDEN, "1m").arrow.to_pylist()
    assert [each["start_ns"] for each in bars] == sorted(naive)
    for each in bars:
        group = naive[each["start_ns"]]
        prices = [row["price"] for row in group]
        assert (each["open"], each["close"]) == (prices[0], prices[-1])
        assert (each["high"], each["low"]) == (max(prices), min(prices))
        assert each["volume_scaled"] == sum(row["qty_scaled"] for row in group)
        assert each["buy_volume_scaled"] == sum(
            row["qty_scaled"] for row in group if row["side"] > 0
        )
        assert each["trades"] == len(group)
        assert each["end_ns"] == each["start_ns"] + 60 * S


@pytest.mark.parametrize("text", ["", "m", "0m", "1x", "-1m", "1.5m", "²m"])
def test_wrong_timeframes_are_named(text):
    with pytest.raises(UserError, match="is not a timeframe"):
        timeframe_ns(text)
    assert timeframe_ns("15m") == 900 * S


def test_quotes_and_gaps(tmp_path, open_writer):
    writer = open_writer(tmp_path)
    writer.add_quote(1, 5, 100, 2000, 101, 3000, T0, T0 + 1, 9)
    writer.add_quotes(0, np.array([6]), 200, 1, 201, 1, np.array([T0]), T0, 10)
    gap = Gap(
        instrument=1,
        channel="trade",
        first_id=7,
        last_id=9,
        from_ns=T0,
        to_ns=T0 + S,
        reason="socket closed",
        healed=False,
    )
    writer.add_gap(gap, 11)
    writer.commit(Position(1, 50))
    lake = open_lake(tmp_path)
    quote = lake.quotes(BREN).arrow.to_pylist()[0]
    assert (quote["bid"], quote["ask"], quote["bid_qty"], quote["update_id"]) == (1.0, 1.01, 2.0, 5)
    assert len(lake.quotes(ARDEN)) == 1
    found = lake.gaps().arrow.to_pylist()
    assert [(each["instrument"], each["reason"], each["healed"]) for each in found] == [
        (BREN, "socket closed", False)
    ]
    assert len(lake.gaps(instrument=ARDEN)) == 0
    assert len(lake.gaps(start_ns=T0 + 2 * S)) == 0


def test_new_scales_make_a_new_version(tmp_path, open_writer, instrument):
    writer = open_writer(tmp_path, bases=("ARDEN",))
    add(writer, 2)
    writer.register([instrument(0, price_scale=3)])
    add(writer, 2, 2)
    writer.commit(Position(1, 50))
    prices = open_lake(tmp_path).trades(ARDEN).arrow["price"].to_pylist()
    assert prices == [61800.20, 61800.21, 6180.022, 6180.023]
    assert len(open_lake(tmp_path).instruments()) == 2
    add(writer, 1, 4, instrument=1)
    with pytest.raises(InvariantBroken, match="not registered"):
        writer.commit(Position(1, 60))


@pytest.mark.parametrize("now_days", [0.5, 1.5])
def test_compaction_keeps_every_row_and_old_files_for_a_while(tmp_path, open_writer, now_days):
    writer = open_writer(tmp_path)
    lake = open_lake(tmp_path)
    for start in range(0, 1000, 10):
        add(writer, 10, start)
        add(writer, 5, start, instrument=1)
        writer.commit(Position(1, start + 10))
    before, other = lake.trades(ARDEN).arrow, lake.trades(BREN).arrow
    files = set(tmp_path.rglob("*.parquet"))
    now = T0 + int(now_days * DAY)
    joins = 0
    while compact(writer, now):
        joins += 1
        assert lake.trades(ARDEN).arrow.equals(before)
    assert joins >= 1
    assert lake.trades(BREN).arrow.equals(other)
    assert all(path.exists() for path in files)
    assert remove_replaced(writer, now + 14 * 60 * S) == 0
    assert remove_replaced(writer, now + 16 * 60 * S) >= 100
    left = list(tmp_path.rglob("*.parquet"))
    if now_days > 1:
        folder = tmp_path / "trades" / "binance.usdm"
        assert sorted(path.parent for path in left) == [
            folder / "ARDEN-USDT-PERP" / "2024-08-09",
            folder / "BREN-USDT-PERP" / "2024-08-09",
        ]
        metadata = pq.read_schema(left[0]).metadata
        assert metadata[b"poise.price_scale"] == b"2"
    assert lake.trades(ARDEN).arrow.equals(before)
    assert lake.trades(BREN).arrow.equals(other)
    writer.close()
    writer = open_writer(tmp_path)
    assert not compact(writer, now)
    assert lake.trades(ARDEN).arrow.equals(before)


def test_compaction_joins_levels_and_bounds_memory(tmp_path, open_writer, monkeypatch):
    monkeypatch.setattr("poise.store.lake_compaction.FRESH_FILES", 3)
    monkeypatch.setattr("poise.store.lake_compaction.FAN_IN", 3)
    monkeypatch.setattr("poise.store.lake_compaction.MAX_JOINED_ROWS", 400)
    writer = open_writer(tmp_path)
    for start in range(0, 1000, 25):
        add(writer, 25, start)
        writer.commit(Position(1, start + 25))
        compact(writer, T0)
    while compact(writer, T0):
        pass
    (manifest,) = writer.files.manifests.values()
    assert len(manifest.entries) < 14
    assert max(each.rows for each in manifest.entries) <= 400
    assert max(each.level for each in manifest.entries) >= 2
    assert ids(open_lake(tmp_path)) == list(range(1000, 2000))
    while compact(writer, T0 + 2 * DAY):
        pass
    (manifest,) = writer.files.manifests.values()
    assert len(manifest.entries) <= 5
    assert ids(open_lake(tmp_path)) == list(range(1000, 2000))


def test_due_by_age_and_by_number(tmp_path, open_writer, monkeypatch):
    writer = open_writer(tmp_path)
    assert not writer.due(0)
    assert not writer.due(10 * S)
    add(writer, 1)
    assert not writer.due(11 * S)
    assert not writer.due(15 * S)
    assert writer.due(16 * S)
    writer.commit(Position(1, 1))
    assert not writer.due(17 * S)
    monkeypatch.setattr("poise.store.lake_writer.COMMIT_ROWS", 10)
    add(writer, 10)
    assert writer.due(17 * S)
    monkeypatch.setattr("poise.store.lake_writer.MAX_ROWS", 10)
    with pytest.raises(InvariantBroken, match="wait for a commit"):
        writer.due(17 * S)


def test_refusals_are_sentences(tmp_path, open_writer, monkeypatch):
    with pytest.raises(UserError, match="there is no tick lake"):
        open_lake(tmp_path / "nothing")
    writer = open_writer(tmp_path / "lake")
    with pytest.raises(UserError, match="another Poise is writing"):
        open_writer(tmp_path / "lake")
    writer.close()
    with pytest.raises(UserError, match="environment 'demo', not 'live'"):
        open_writer(tmp_path / "lake", environment="live")
    open_writer(tmp_path / "lake").close()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another data folder"):
        open_writer(tmp_path / "file")
    header = tmp_path / "lake" / lake_manifest.HEADER_NAME
    header.write_text(header.read_text().replace('"format": 1', '"format": 3'))
    sentence = r"newer Poise \(format 3; this one reads up to 1\)"
    with pytest.raises(UserError, match=sentence):
        open_writer(tmp_path / "lake")
    with pytest.raises(UserError, match=sentence):
        open_lake(tmp_path / "lake")
    header.write_text("{")
    with pytest.raises(InvariantBroken, match=r"lake\.json is corrupt"):
        open_lake(tmp_path / "lake")


def test_another_journal_begins_anew(tmp_path, open_writer):
    writer = open_writer(tmp_path)
    add(writer, 3)
    writer.commit(Position(7, 100))
    assert writer.resume == Position(7, 100)
    writer.close()
    writer = open_writer(tmp_path, journal_id="j1")
    assert writer.resume == Position(0, 0)
    add(writer, 3, 3)
    writer.commit(Position(1, 50))
    answer = open_lake(tmp_path).trades(ARDEN).arrow
    assert answer["id"].to_pylist() == [1000, 1001, 1002, 1003, 1004, 1005]
    assert answer["position"].to_pylist()[3] == (1 << 48) + 3


def test_another_process_reads_while_the_writer_goes_on(tmp_path, open_writer):
    writer = open_writer(tmp_path)
    add(writer, 10)
    writer.commit(Position(1, 50))
    code = (
        "import sys; from poise.store.lake_query import open_lake;"
        "print(len(open_lake(sys.argv[1]).trades('ARDENUSDT').to_pandas()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    assert done.stdout.strip() == "10"
    add(writer, 1, 10)
    writer.commit(Position(1, 60))


def test_the_core_never_loads_arrow():
    code = (
        "import sys, poise.store.journal_writer, poise.store.journal_thread,"
        " poise.store.journal_reader, poise.store.journal_retention, poise.store.virtual_disk;"
        "print([m for m in ('pyarrow', 'duckdb', 'numpy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    assert done.stdout.strip() == "[]"
