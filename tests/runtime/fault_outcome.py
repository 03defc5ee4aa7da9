"""What is kept of a run on virtual time and of one over sockets; made in processes of their own."""

import asyncio
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import trustme
import uvloop
from tests.runtime.fault_desk import Desk, Scenario
from tests.runtime.socket_desk import Run

from poise.runtime.kernels import warm_kernels

OVER_TLS = 19


@contextmanager
def side_by_side(work, numbers, processes):
    """Call `work` with every number in other processes; gives a future for each."""
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
    try:
        yield {number: pool.submit(work, number) for number in numbers}
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Outcome:
    """What is kept of a run."""

    seed: int
    kinds: frozenset[str]
    error: str
    digest: str
    work: tuple[int, int, int, int]


def outcome(seed):
    """A run on virtual time."""
    desk = Desk(Scenario.drawn(seed))
    error = digest = ""
    try:
        desk.run()
        digest = desk.digest.hexdigest()  # before the end, whose moment is the test's choice
        desk.check()
    except Exception as problem:  # noqa: BLE001 - told with its seed
        error = (
            f"seed {seed}: {type(problem).__name__}: {problem}\n"
            f"  replay: python -m tests.runtime.fault_desk {seed}"
        )
    gaps = [gap for found in desk.witness.gaps.values() for gap in found]
    healed = sum(gap.healed for gap in gaps)
    work = (healed, len(gaps) - healed, desk.witness.resyncs, desk.witness.downs)
    return Outcome(seed, frozenset(desk.injected), error, digest, work)


def over_sockets(number):
    """A run over real sockets: kinds of faults and books checked; raises what was wrong."""
    warm_kernels()
    runner = uvloop.run if number % 3 == 0 else asyncio.run
    with tempfile.TemporaryDirectory() as folder:
        run = Run(number, Path(folder), trustme.CA() if number == OVER_TLS else None)
        runner(run.play())
    return run.injected, run.books
