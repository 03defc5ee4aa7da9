"""An edge that ends and starts again: same browser, same bars, same books, lake without a hole."""

import numpy as np
import pytest

from poise.api import contract as wire
from poise.runtime.edge import CAUGHT_UP_NS
from poise.store.lake_query import open_lake


@pytest.fixture
def second(backend, desk, running_edge):
    """Another edge of the same desk, beside the first: it finds the lake taken."""
    edge = running_edge(backend, "s" * 43)
    yield edge
    edge.stop()


def test_edge_without_a_lake_serves_all_the_same(desk, second, patience):
    assert "another Poise is writing the lake" in second.edge.lake_refused
    health = second.answer(wire.Health, "/api/health")
    assert health.lake_state.startswith("off: another Poise")
    assert any("lake" in line for line in health.diagnostics)
    patience(lambda: second.edge.bars is not None, "the journal is not read")
    page = second.answer(wire.Candles, "/api/candles", instrument=0, timeframe="1m", limit=50)
    assert len(page.start_ms) > 0


def test_books_are_mended_when_their_snapshot_was_missed(desk, second, patience):
    """Reading began behind the snapshots: the core is asked to fetch one more of each."""
    replica = second.edge.replica

    def caught_up():
        present = second.edge.present
        return present is not None and present.recv_ns - replica.recv_ns < CAUGHT_UP_NS

    patience(caught_up, "the replica lags")
    second.call(_lose_books(replica))
    states = replica.market.instruments
    assert not any(state.book.live for state in states)
    patience(lambda: all(state.book.live for state in states), "books stay unknown", 20)
    first = desk.edge.replica.market.instruments

    def equal():
        return all(
            one.book.book.last_id == other.book.book.last_id
            and np.array_equal(one.book.book.top(20)[0], other.book.book.top(20)[0])
            for one, other in zip(states, first, strict=True)
        )

    patience(equal, "the two copies differ", 10)


async def _lose_books(replica):
    for state in replica.market.instruments:
        state.book.on_down("lost by the test", replica.recv_ns, [])


def test_edge_started_again_shows_bars_and_lake_of_before(backend, desk, running_edge, patience):
    """The session's edge is stopped and replaced within the same run of the core."""
    before = desk.answer(wire.Candles, "/api/candles", instrument=1, timeframe="1s", limit=200)
    desk.stop()
    again = running_edge(backend, desk.session.token)
    try:
        again.cookie = desk.cookie
        patience(lambda: again.edge.present is not None, "no state")
        assert again.edge.lake_refused == ""
        status = again.answer(wire.Status, "/api/status")
        assert status.csrf_token == desk.session.csrf, "the page goes on with its session"
        page = again.answer(wire.Candles, "/api/candles", instrument=1, timeframe="1s", limit=500)
        at = {start: place for place, start in enumerate(page.start_ms)}
        for place, start in enumerate(before.start_ms):
            assert page.close[at[start]] == before.close[place]
        patience(
            lambda: all(state.book.live for state in again.edge.replica.market.instruments),
            "books stay unknown",
            20,
        )
    finally:
        again.stop()
        desk.__init__(backend, desk.session.token)  # for the tests that come after
        desk.cookie = again.cookie
    lake = open_lake(backend.folder / "lake")
    for name in lake.instruments().arrow["id"].to_pylist():
        ids = lake.trades(name).arrow["id"].to_numpy()
        assert len(np.unique(ids)) == len(ids)
        assert (np.diff(np.sort(ids)) == 1).all(), "each aggregate once, none missing"
    lake.close()
