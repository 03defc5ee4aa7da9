"""The load of the benches is a sound market: ids, chains and books hold, round after round."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from poise.core.outputs import Gap
from poise.runtime.sequencer import Sequencer

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def bench():
    """Modules of the bench folder, by name."""
    before = list(sys.path)
    sys.path.insert(0, str(BENCH))
    try:
        yield importlib.import_module
    finally:
        sys.path[:] = before


@pytest.mark.real_data
def test_recordings_replayed_as_other_instruments_stay_consistent(bench, real_data):
    feed_module, stages = bench("_feed"), bench("_stages")
    feed = feed_module.Feed(real_data / "hftbacktest", 2)
    venue, engine, run = stages._core(feed)
    outputs = []
    sequencer = Sequencer(venue, engine, on_step=lambda _, found: outputs.extend(found))
    sequencer.start(run)
    count = len(feed._order) + 4_000  # once round and on
    for number, (payload, at) in enumerate(stages._payloads(feed, count)):
        assert sequencer.frame("ws:public#1", payload, at), sequencer.last_refusal
        if number == 10:
            stages._answers(feed, sequencer, at)
    assert not [each for each in outputs if isinstance(each, Gap)]
    assert engine.market.clock.started
    for state in engine.market.instruments:
        book = state.book
        assert book.live
        assert (book.chain_breaks, book.mismatches) == (0, 0)
        assert book.checks > 500
        assert state.trades.duplicates == 0
    share = np.bincount(feed.kinds(0, count), minlength=3) / count
    assert share == pytest.approx([0.71, 0.21, 0.08], abs=0.02)
