"""20 runs of a real core over real sockets, each with its faults, one over TLS (Shows 4)."""

import asyncio
import functools
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import trustme
import uvloop
from tests.runtime.socket_desk import Run

from poise.loopback.faults import FaultKind
from poise.runtime.kernels import warm_kernels

# Beside other work on two cores a run may outlast every patience: `make campaign` plays them.
pytestmark = pytest.mark.campaign

RUNS = 20
OVER_TLS = 19


@functools.cache
def played(number):
    """A run, played once however many tests ask; raises what was wrong with it."""
    warm_kernels()
    runner = uvloop.run if number % 3 == 0 else asyncio.run
    with tempfile.TemporaryDirectory() as folder:
        run = Run(number, Path(folder), trustme.CA() if number == OVER_TLS else None)
        runner(run.play())
    return run


@pytest.mark.parametrize("number", range(RUNS))
def test_every_run_over_sockets_ends_well(number):
    """As on virtual time, and besides: no task, socket, file or thread is left."""
    run = played(number)
    assert run.injected
    assert run.books


@pytest.mark.timeout(1800)
def test_every_kind_of_fault_comes_to_pass_over_sockets():
    kinds = Counter(kind for number in range(RUNS) for kind in played(number).injected)
    assert not [str(kind) for kind in FaultKind if not kinds[kind]]
