"""Rows of the lake depend on the journal alone: wherever reading was cut, each is there once."""

import asyncio
import contextlib
import errno
import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runtime.edge_desk import START, make_desk

from poise.core.errors import UserError
from poise.core.events import Quote
from poise.runtime.edge_lake import EdgeLake
from poise.runtime.edge_marks import Marks
from poise.runtime.edge_tail import JournalFeed
from poise.runtime.replica import Replica
from poise.store.disk import RealDisk
from poise.store.journal_tail import journal_identity
from poise.store.lake_query import open_lake


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return make_desk(tmp_path_factory.mktemp("desk") / "journal")


class FailingDisk(RealDisk):
    """Refuses every change from the given one on, as a dead disk or a killed process would."""

    def __init__(self, changes: int) -> None:
        super().__init__()
        self.left = changes

    def _change(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.EIO, "Input/output error")

    def create(self, path):
        self._change()
        return super().create(path)

    def rename(self, old, new):
        self._change()
        super().rename(old, new)

    def remove(self, path):
        self._change()
        super().remove(path)

    def sync_folder(self, folder):
        self._change()
        super().sync_folder(folder)


class Clock:
    """Every look at it is a second later: commits are due after a few blocks."""

    def __init__(self, step_ns: int = 1_000_000_000) -> None:
        self.now_ns = START
        self.step_ns = step_ns

    def __call__(self) -> int:
        self.now_ns += self.step_ns
        return self.now_ns


def follow(journal, root, blocks, disk=None, clock=None, *, settle=False) -> EdgeLake:
    """Read on from the last commit, `blocks` of the journal or all (None), and leave at once.

    With `settle` each commit ends before the next block; else rows wait while it is on its way.
    """

    async def work() -> EdgeLake:
        alarms = []
        lake = EdgeLake(
            root,
            environment="demo",
            run_id="edge",
            journal_id=journal_identity(journal),
            wall_ns=clock or Clock(),
            alarm=alarms.append,
            disk=disk,
        )
        replica = Replica(lake.add)
        feed = JournalFeed(journal, "demo", replica, lake, alarms.append)
        feed.locate()
        if blocks is None:
            task = asyncio.create_task(feed.run())
            position = None
            while position != feed.position or lake.committing:
                position = feed.position
                await asyncio.sleep(0.05)
            await feed.stop()
            await task
        elif settle:
            for _ in range(blocks):
                await feed.read_blocks(1)
        else:
            await feed.read_blocks(blocks)
        lake.close()
        return lake

    return asyncio.run(work())


def stored(root: Path) -> dict[str, list]:
    """All rows of the lake, sorted."""
    lake = open_lake(root)

    def rows(answer):
        return sorted(answer.arrow.to_pylist(), key=lambda row: list(map(str, row.values())))

    found = {"gaps": rows(lake.gaps())}
    for name in lake.instruments().arrow["id"].to_pylist():
        found[f"trades {name}"] = rows(lake.trades(name))
        found[f"quotes {name}"] = rows(lake.quotes(name))
        for timeframe in ("1s", "1m"):
            found[f"bars {name} {timeframe}"] = rows(lake.bars(name, timeframe))
    lake.close()
    return found


@pytest.fixture(scope="module")
def oracle(desk, tmp_path_factory):
    """Rows of one undisturbed reading."""
    root = tmp_path_factory.mktemp("oracle") / "lake"
    follow(desk[0], root, None)
    return stored(root)


def test_one_reading_stores_what_the_venue_traded(desk, oracle):
    """Against the loopback's own truth: every aggregate once, none invented, holes recorded."""
    _, venue, second = desk
    lost = 0
    for item in second.run.instruments:
        rows = oracle[f"trades {item.id}"]
        ids = [row["id"] for row in rows]
        assert len(ids) == len(set(ids)) > 20
        times = {trade.time_ms for trade in venue.true_trades(item.symbol)}
        assert {row["venue_ns"] // 1_000_000 for row in rows} <= times
        gaps = [gap for gap in oracle["gaps"] if gap["instrument"] == item.id]
        lost += len(gaps)
        recorded = {
            number
            for gap in gaps
            if not gap["healed"]
            for number in range(gap["first_id"], gap["last_id"] + 1)
        }
        holes = set(range(min(ids), max(ids))) - set(ids) - recorded
        # Between the two runs nobody listened: one hole. Later trades still waited at an end.
        assert len(stretches(holes)) <= 2, stretches(holes)
    assert lost > 5, "the frames lost on purpose left no trace"


def stretches(numbers: set[int]) -> list[tuple[int, int]]:
    found = []
    for _, group in itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        values = [value for _, value in group]
        found.append((values[0], values[-1]))
    return found


def test_doubled_quotes_are_stored_once(oracle):
    for name, rows in oracle.items():
        if name.startswith("quotes"):
            ids = [row["update_id"] for row in rows]
            assert len(ids) == len(set(ids)) > 50


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cuts=st.lists(st.integers(1, 60), max_size=5), fast=st.booleans())
def test_any_cut_gives_the_same_rows(desk, oracle, tmp_path_factory, cuts, fast):
    root = tmp_path_factory.mktemp("cut") / "lake"
    clock = Clock(6_000_000_000 if fast else 700_000_000)
    for blocks in cuts:
        follow(desk[0], root, blocks, clock=clock, settle=blocks % 2 == 0)
    follow(desk[0], root, None, clock=clock)
    assert stored(root) == oracle


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=st.lists(st.integers(0, 120), min_size=1, max_size=4))
def test_a_disk_that_dies_at_any_change_loses_and_doubles_nothing(
    desk, oracle, tmp_path_factory, changes
):
    root = tmp_path_factory.mktemp("dies") / "lake"
    for change in changes:
        with contextlib.suppress(UserError):  # it died while it was opened
            disk, clock = FailingDisk(change), Clock(6_000_000_000)
            follow(desk[0], root, 80, disk, clock, settle=True)
    follow(desk[0], root, None)
    assert stored(root) == oracle


def test_a_dying_disk_stops_the_lake_and_says_so(desk, tmp_path):
    lake = follow(
        desk[0], tmp_path / "lake", 80, FailingDisk(60), Clock(6_000_000_000), settle=True
    )
    assert lake.state.startswith("stopped: ")
    assert lake.writer is None
    assert lake.lag_s() is None


def test_lake_of_another_environment_is_refused(desk, tmp_path):
    follow(desk[0], tmp_path / "lake", 5)
    with pytest.raises(UserError, match="environment 'demo'"):
        EdgeLake(
            tmp_path / "lake",
            environment="live",
            run_id="edge",
            journal_id="x",
            wall_ns=Clock(),
            alarm=print,
        )


def test_marks_know_doubles_resets_and_quotes_without_id():
    def quote(update_id, venue_s):
        return Quote(0, update_id, 1, 1, 2, 1, int(venue_s * 1e9), 0)

    marks = Marks()
    assert marks.is_new("a", quote(10, 1.0))
    assert not marks.is_new("a", quote(10, 1.0))
    assert not marks.is_new("a", quote(9, 1.1))
    assert marks.is_new("b", quote(9, 1.1))
    assert marks.is_new("a", quote(11, 1.2))
    assert not marks.is_new("a", quote(0, 1.2))
    assert marks.is_new("a", quote(0, 1.3))
    assert not marks.is_new("a", quote(11, 1.3))
    assert marks.is_new("a", quote(3, 9.0)), "the venue counts anew"
