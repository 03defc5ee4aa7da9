"""From events to the lake: each venue trade once, and what the recordings cost in bytes."""

import gzip
import random

import numpy as np
import pytest

from poise.core.events import Quote, RunStarted, Timer, Trade, TradesBackfill
from poise.core.outputs import Bar, BarCorrected, Gap
from poise.store import lake_seen
from poise.store.journal_format import Position
from poise.store.lake_compaction import compact
from poise.store.lake_feed import LakeFeed
from poise.store.lake_query import open_lake
from poise.store.lake_seen import SeenIds
from poise.venues.binance.instruments import from_catalogue
from poise.venues.binance.parse import Parser

T0 = 19_944 * 86_400_000_000_000
ARDEN = "binance.usdm:ARDEN-USDT-PERP"


def trade(trade_id, price=100, instrument=0):
    return Trade(instrument, trade_id, price, 5, 1, T0 + trade_id, T0, trade_id, trade_id)


def run_started(*instruments):
    return RunStarted(
        environment="demo",
        run_id="r",
        instruments=instruments,
        timeframes=(),
        pairs=(),
        trade_channel="trade",
        recv_ns=0,
    )


@pytest.mark.parametrize("seed", range(20))
def test_seen_ids_against_a_set(seed, monkeypatch):
    chance = random.Random(seed)
    seen, naive = SeenIds(), set()
    for _ in range(300):
        if chance.random() < 0.1:
            ids = np.unique([chance.randint(0, 200) for _ in range(chance.randint(0, 20))])
            seen.add_sorted(ids.astype(np.int64))
            naive |= set(ids.tolist())
        else:
            trade_id = chance.randint(0, 200)
            assert seen.add(trade_id) == (trade_id not in naive)
            naive.add(trade_id)
    held = [n for first, last in seen.intervals() for n in range(first, last + 1)]
    assert held == sorted(naive)
    for (_, left), (right, _) in zip(seen.intervals(), seen.intervals()[1:], strict=False):
        assert right > left + 1


def test_holes_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(lake_seen, "MAX_INTERVALS", 5)
    seen = SeenIds()
    for trade_id in range(0, 100, 10):
        assert seen.add(trade_id)
    assert len(seen.intervals()) == 5
    assert seen.intervals()[0] == (0, 50)
    assert not seen.add(90)
    assert seen.add(85)


def test_events_become_rows_once(tmp_path, open_writer, instrument):
    writer = open_writer(tmp_path)
    feed = LakeFeed(writer)
    quote = Quote(1, 3, 10, 20, 11, 30, T0, T0 + 1)
    bar = Bar(0, "1s", T0, T0 + 10**9, 1, 3, 1, 2, 4, 2, 1, 0, 0)
    gap = Gap(0, "trade", 3, 4, T0, T0, "lost", healed=False)
    events = [
        run_started(instrument(0), instrument(1, "BREN")),
        Timer(5),
        trade(1),
        trade(2),
        trade(5),
        quote,
        trade(2),
        trade(6, price=0),
        TradesBackfill(0, "trade", (trade(3), trade(4), trade(5)), 7),
        bar,
        BarCorrected(Bar(0, "1s", T0, T0 + 10**9, 1, 9, 1, 2, 4, 2, 1, 0, 0)),
        gap,
    ]
    for seq, event in enumerate(events):
        feed.add(event, seq)
    assert (feed.doubles, feed.placeholders) == (2, 1)
    writer.commit(Position(1, 100))
    lake = open_lake(tmp_path)
    stored = lake.trades(ARDEN).arrow
    assert stored["id"].to_pylist() == [1, 2, 3, 4, 5]
    assert stored["position"].to_pylist() == [2, 3, 8, 8, 4]
    assert lake.quotes("BRENUSDT").arrow["ask_scaled"].to_pylist() == [11]
    assert lake.bars(ARDEN, "1s").arrow["high_scaled"].to_pylist() == [9]
    assert lake.gaps().arrow["reason"].to_pylist() == ["lost"]
    writer.close()
    # After a restart the ids are read back from the lake: mixed segments and joined ones.
    writer = open_writer(tmp_path)
    feed = LakeFeed(writer)
    feed.add(events[0], 20)
    for trade_id in (1, 5, 6, 4):
        feed.add(trade(trade_id), 21)
    feed.add(trade(1, instrument=1), 22)
    assert feed.doubles == 3
    writer.commit(Position(1, 200))
    while compact(writer, T0 + 10**15):
        pass
    feed = LakeFeed(writer)
    feed.add(events[0], 23)
    for trade_id in (1, 6, 7):
        feed.add(trade(trade_id), 24)
    assert feed.doubles == 2
    writer.commit(Position(1, 300))
    assert lake.trades(ARDEN).arrow["id"].to_pylist() == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "symbol", "count"),
    [("usdm_btcusdt_20240808", "BTCUSDT", 21_313), ("usdm_ethusdt_20240808", "ETHUSDT", 14_076)],
)
def test_recorded_trades_are_stored_whole_and_small(
    tmp_path, open_writer, real_data, name, symbol, count
):
    writer = open_writer(tmp_path, bases=())
    feed = LakeFeed(writer)
    instrument = from_catalogue(symbol, 0)
    feed.register((instrument,))
    parser = Parser({symbol: instrument})
    expected = []
    with gzip.open(real_data / "hftbacktest" / f"{name}.gz") as lines:
        for seq, line in enumerate(lines):
            stamp, _, payload = line.rstrip().partition(b" ")
            if b"@trade" not in payload[:40]:
                continue
            for event in parser.frame(payload, int(stamp)):
                feed.add(event, seq)
                expected.append((event.trade_id, event.price, event.qty, event.venue_ns))
            if seq % 20_000 == 0:
                writer.commit(Position(1, seq + 1))
    writer.commit(Position(2, 0))
    while compact(writer, writer._wall_ns() + 10**15):
        pass
    entries = [each for m in writer.files.manifests.values() for each in m.entries]
    assert sum(each.size for each in entries) <= 10 * count
    table = open_lake(tmp_path).trades(symbol).arrow
    names = ("id", "price_scaled", "qty_scaled", "venue_ns")
    assert len(table) == count
    assert list(zip(*(table[each].to_pylist() for each in names), strict=True)) == sorted(expected)
