"""20 runs of a real core over real sockets, each with its faults, one over TLS (Shows 4)."""

from collections import Counter

import pytest
from tests.runtime.fault_outcome import over_sockets, side_by_side

from poise.loopback.faults import FaultKind

RUNS = 20
AT_ONCE = 4
"""They wait more than they work."""


@pytest.fixture(scope="module")
def played():
    """Outcome of each run; raises what was wrong with it."""
    with side_by_side(over_sockets, range(RUNS), AT_ONCE) as futures:
        yield lambda number: futures[number].result()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(RUNS))
def test_every_run_over_sockets_ends_well(played, number):
    """As on virtual time, and besides: no task, socket, file or thread is left."""
    injected, books = played(number)
    assert injected
    assert books


@pytest.mark.timeout(900)
def test_every_kind_of_fault_comes_to_pass_over_sockets(played):
    kinds = Counter(kind for number in range(RUNS) for kind in played(number)[0])
    assert not [str(kind) for kind in FaultKind if not kinds[kind]]
