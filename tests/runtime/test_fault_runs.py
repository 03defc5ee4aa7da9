"""180 runs of a whole desk on virtual time, each with its own mix of faults (Shows 4).

A failing seed is told with the command that replays it. `python -m pytest -m campaign` runs 2,000
more.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.runtime.fault_desk import Desk, Scenario
from tests.runtime.fault_outcome import outcome, side_by_side

from poise.loopback.faults import FaultKind

ROOT = Path(__file__).parents[2]
BLOCKS, RUNS = 18, 10
LEAST_RUNS = 10
"""Every kind of fault must come to pass in so many of the 180."""
LEAST_HEALED, LEAST_RECORDED, LEAST_RESYNCS, LEAST_DOWNS = 200, 10, 500, 200
"""And they must have had work to do: gaps filled and declared, books joined, streams lost."""
CAMPAIGN_START, CAMPAIGN_BLOCKS, CAMPAIGN_RUNS = 1_000, 40, 50


@pytest.fixture(scope="module")
def block_of():
    """Outcomes of a block; all 180 runs are played once, side by side."""
    with side_by_side(outcome, range(BLOCKS * RUNS), os.cpu_count()) as played:
        yield lambda block: [played[block * RUNS + number].result() for number in range(RUNS)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_fault_run_ends_well(block_of, block):
    """Trades contiguous or declared missing, live books right, all up again, nothing left over."""
    errors = [each.error for each in block_of(block) if each.error]
    assert not errors, "\n".join(errors)


@pytest.mark.timeout(900)
def test_every_kind_of_fault_comes_to_pass(block_of):
    outcomes = [each for block in range(BLOCKS) for each in block_of(block)]
    runs = Counter(kind for each in outcomes for kind in each.kinds)
    rare = {str(kind): runs[str(kind)] for kind in FaultKind if runs[str(kind)] < LEAST_RUNS}
    assert not rare, f"of {BLOCKS * RUNS} runs: {rare}"
    work = [sum(column) for column in zip(*(each.work for each in outcomes), strict=True)]
    least = (LEAST_HEALED, LEAST_RECORDED, LEAST_RESYNCS, LEAST_DOWNS)
    assert all(a >= b for a, b in zip(work, least, strict=True)), f"{work}, not {least}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", [0, 2])
def test_a_seed_gives_one_digest_live_again_and_from_the_recorded_inputs(block_of, block):
    seed = block * RUNS + block // 2
    desk = Desk(Scenario.drawn(seed)).run()
    digests = {block_of(block)[seed - block * RUNS].digest, desk.digest.hexdigest()}
    assert len(digests) == 1
    assert desk.replayed() in digests


def test_the_order_of_sets_and_names_decides_nothing():
    """Two interpreters with different hash seeds tell the same story, digest included."""
    stories = set()
    for hash_seed in ("1", "271"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.runtime.fault_desk", "7"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        stories.add(done.stdout)
    assert len(stories) == 1


@pytest.mark.timeout(900)
def test_different_seeds_are_different_runs(block_of):
    digests = {each.digest for each in block_of(0)}
    assert len(digests) == RUNS


@pytest.mark.campaign
@pytest.mark.parametrize("block", range(CAMPAIGN_BLOCKS))
def test_campaign_of_fault_runs(block):
    first = CAMPAIGN_START + block * CAMPAIGN_RUNS
    errors = [outcome(seed).error for seed in range(first, first + CAMPAIGN_RUNS)]
    errors = [error for error in errors if error]
    print(f"seeds {first} to {first + CAMPAIGN_RUNS - 1}: {len(errors)} failed")
    assert not errors, "\n".join(errors)
