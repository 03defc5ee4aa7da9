"""The edge's copy of the market equals the core's own state."""

import asyncio

import numpy as np
import pytest
from tests.runtime.edge_desk import make_desk

from poise.core.outputs import Bar, Gap
from poise.runtime.edge_bars import CAPACITY, BarSeries, BarTable
from poise.runtime.edge_pairs import pair_past, sum_of_squares
from poise.runtime.edge_tail import JournalFeed, find_run
from poise.runtime.replica import TAPE_KEPT, Replica
from poise.store.journal_format import START, Kind, Position, Record
from poise.store.journal_reader import JournalReader


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return make_desk(tmp_path_factory.mktemp("desk") / "journal")


@pytest.fixture(scope="module")
def replica(desk):
    copy = Replica()
    for record in JournalReader(desk[0]).records():
        copy.take(record)
    return copy


def test_books_trades_and_quotes_equal_the_cores(desk, replica):
    core = desk[2].engine.market
    assert replica.run == desk[2].run
    assert replica.skipped == 0
    live = 0
    for mine, its in zip(replica.market.instruments, core.instruments, strict=True):
        assert mine.trades.last_id == its.trades.last_id
        assert mine.trades.count == its.trades.count
        assert mine.quote == its.quote
        assert mine.mark == its.mark
        assert mine.book.live == its.book.live
        live += its.book.live
        for one, other in zip(mine.book.book.top(50), its.book.book.top(50), strict=True):
            assert np.array_equal(one, other)
    assert live == 3


def test_tape_is_every_trade_let_through_in_order(desk, replica):
    core = desk[2].engine.market
    for tape, state in zip(replica.tapes, core.instruments, strict=True):
        ids = [trade.trade_id for trade in tape.trades]
        assert ids == sorted(set(ids))
        assert tape.count == state.trades.count
        assert tape.trades[-1] == state.last_trade
        assert tape.since(tape.count) == []
        assert tape.since(tape.count - 2) == list(tape.trades)[-2:]


def test_tape_that_forgot_says_so(replica):
    tape = type(replica.tapes[0])()
    for trade in list(replica.tapes[0].trades) * (TAPE_KEPT // 10):
        tape.add(trade)
    assert tape.count > TAPE_KEPT
    assert tape.since(0) is None
    assert len(tape.since(tape.count - TAPE_KEPT)) == TAPE_KEPT


def test_closes_equal_the_cores_windows(desk, replica):
    core = desk[2].engine.pairs.windows["1s"]
    mine = replica.bars.closes["1s"]
    assert np.array_equal(mine.last, core.last)
    for ix in range(3):
        last = int(core.last[ix])
        count = core.run_length(ix, last, core.capacity)
        assert count == mine.run_length(ix, last, core.capacity) >= 3
        assert np.array_equal(mine.window(ix, last, count), core.window(ix, last, count))


def test_bars_and_gaps_are_the_journals(desk, replica):
    outputs = [record for record in JournalReader(desk[0]).records() if record.kind == Kind.OUTPUT]
    assert outputs
    assert replica.gaps_healed == sum(gap.healed for gap in replica.gaps) > 0
    series = replica.bars.series["1s"][0]
    found = series.before(1 << 62, 100)
    assert len(found.start_ms) >= 3
    assert np.diff(found.start_ms).tolist() == [1_000] * (len(found.start_ms) - 1)
    assert (found.values[:, 1] >= found.values[:, 2]).all()


def test_run_is_found_from_any_position(desk):
    reader = JournalReader(desk[0])
    blocks = list(reader.blocks())
    runs = {header.segment: header.run_id for header in reader.headers()}
    assert len(runs) > 2
    for block in blocks[:: len(blocks) // 7]:
        assert find_run(reader, block.start).run_id == runs[block.start.segment]


def test_without_a_lake_reading_begins_with_the_newest_segment(desk):
    async def work():
        replica = Replica()
        feed = JournalFeed(desk[0], "demo", replica, None, pytest.fail)
        assert feed.position == START
        feed.locate()
        assert feed.position == Position(JournalReader(desk[0]).headers()[-1].segment, 0)
        assert replica.run == desk[2].run
        await feed.read_blocks(1_000)
        return replica

    assert asyncio.run(work()).seq == desk[2].sequencer.seq


def test_journal_of_another_environment_stops_the_reading(desk):
    async def work():
        alarms = []
        feed = JournalFeed(desk[0], "live", Replica(), None, alarms.append)
        await feed.run()
        return feed, alarms

    feed, alarms = asyncio.run(work())
    assert feed.state.startswith("stopped: ")
    assert "environment" in alarms[0]


def test_frame_that_does_not_decode_is_said_and_passed_over(desk):
    replica = Replica()
    replica.take(Record(Kind.FRAME, 1, 1, 1, b"{}"))
    assert replica.skipped == 1
    replica.begin(desk[2].run)
    replica.take(Record(Kind.FRAME, 2, 2, 1, b"{nonsense"))
    assert replica.skipped == 2
    assert "frame 2" in replica.diagnostics[-1].diagnostic.text


def bar(number, close=100, origin="live", volume=5):
    start = number * 10**9
    return Bar(
        0, "1s", start, start + 10**9, close, close, close, close, volume, 0, 1, 0, 0, origin
    )


def test_series_keeps_the_newest_and_knows_what_changed(desk):
    series = BarSeries(desk[2].run.instruments[0], 10**9)
    for number in range(10, 10 + CAPACITY + 5):
        assert series.put(bar(number))
    assert not series.put(bar(14)), "older than the ring"
    assert len(series.before(1 << 62, 1 << 30).start_ms) == CAPACITY
    newest = 10 + CAPACITY + 4
    assert series.before(newest, 2).start_ms == [(newest - 2) * 1_000, (newest - 1) * 1_000]
    seen = series.changes
    series.put(bar(newest - 3, close=101))
    series.put(bar(newest + 1))
    changed = series.changed_since(seen)
    assert changed.start_ms == [(newest - 3) * 1_000, (newest + 1) * 1_000]
    assert series.changed_since(seen - 600) is None
    epoch = series.epoch
    series.put(bar(newest - 2, origin="history"))
    assert series.epoch == epoch + 1


def test_series_shows_holes_as_holes(desk):
    series = BarSeries(desk[2].run.instruments[0], 10**9)
    for number in (5, 9, 7):
        series.put(bar(number))
    assert series.before(1 << 62, 10).start_ms == [5_000, 7_000, 9_000]
    assert len(series.within(6, 9)) == 2


def test_history_replaces_prices_but_not_the_mid_close(desk):
    table = BarTable(desk[2].run)
    live = bar(50, close=100)
    live = Bar(*[getattr(live, n) for n in live.__struct_fields__[:11]], 99, 103, "live")
    table.put(live)
    table.put(bar(50, close=90, origin="history", volume=77))
    price = 10.0 ** desk[2].run.instruments[0].price_scale
    assert table.series["1s"][0].before(1 << 62, 1).values[0, 3] == 90 / price
    assert np.exp(table.closes["1s"].window(0, 50, 1)[0]) == pytest.approx(101 / price)


def test_pair_past_stderr_against_its_definition(desk):
    table = BarTable(desk[2].run)
    rng = np.random.default_rng(5)
    y, x = (20_000 * np.exp(np.cumsum(rng.normal(0, 1e-3, 90))) for _ in range(2))
    for number in range(90):
        for ix, value in ((0, y[number]), (1, x[number])):
            one = bar(1_000 + number, close=int(value))
            table.put(Bar(ix, *[getattr(one, name) for name in one.__struct_fields__[1:]]))
    closes = table.closes["1s"]
    past = pair_past(closes, 0, 1, 20, 4)
    # The first 19 bars only fill the window: the past begins where statistics do.
    assert past.number.tolist() == list(range(1_019, 1_090))
    log_x, log_y = closes.window(1, 1_089, 90), closes.window(0, 1_089, 90)
    for at in (0, 26, 70):
        leg_x, leg_y = log_x[at : at + 20], log_y[at : at + 20]
        design = np.column_stack((np.ones(20), leg_x))
        (_, beta), rss, _, _ = np.linalg.lstsq(design, leg_y, rcond=None)
        sigma = np.sqrt(rss[0] / 18)
        error = sigma * np.sqrt(np.linalg.inv(design.T @ design)[1, 1])
        assert past.history.beta[at] == pytest.approx(beta, rel=1e-7)
        assert past.beta_stderr[at] == pytest.approx(error, rel=1e-7)
    assert not np.isnan(past.beta_stderr).any()
    assert (past.mids, past.closes) == (0, 40)
    s_xx = sum_of_squares(closes, 1, 20)
    assert past.history.sigma[-1] / np.sqrt(s_xx) == pytest.approx(past.beta_stderr[-1], rel=1e-9)
    assert pair_past(closes, 0, 2, 20, 4) is None


def test_open_gap_counts_until_it_heals(desk):
    replica = Replica()
    replica.begin(desk[2].run)
    assert replica.gaps_open == 0
    replica.gaps.append(Gap(0, "trade", 1, 2, 0, 0, "lost", healed=False))
    replica.gaps_lost += 1
    assert replica.gaps_open == 1
