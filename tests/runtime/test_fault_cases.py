"""Single faults that the drawn runs have once shown to matter, on virtual time."""

import pytest
from tests.runtime.fault_desk import Desk
from tests.runtime.fault_scenario import SECOND, START_NS, Scenario, market

from poise.core.events import StreamDown, Timer
from poise.loopback.config import Limits, VenueConfig
from poise.loopback.faults import Fault, FaultKind, FaultPlan


@pytest.fixture
def desk_with():
    def make(*faults, channel="trade", has_key=True, seconds=60, **limits):
        plan = FaultPlan(1, faults)
        config = VenueConfig(market(1), Limits(**limits), plan, keep_truth=True)
        return Desk(Scenario(1, channel, has_key, seconds, 0, config))

    return make


def play(desk, seconds):
    desk.begin()
    for tick in range(1, seconds * 10):
        desk.driver.run(START_NS + tick * SECOND // 10)
        desk._control(Timer(desk.driver.now_ns))
    assert not desk.witness.errors
    return desk


def test_silent_marks_do_not_cost_the_trades_beside_them(desk_with):
    """Aggregates and mark prices share a socket; only the latter are sure to talk."""
    silence = Fault(FaultKind.SILENT_STREAM, "*@markPrice*", at_s=tuple(range(3, 200)))
    desk = play(desk_with(silence, channel="aggTrade"), 150)
    down = {event.channel for event in desk.events if isinstance(event, StreamDown)}
    assert down == {"mark"}
    assert "net.rest_polling" not in desk.diagnostics


def test_a_refusal_of_several_requests_at_once_is_one_refusal(desk_with):
    """Three snapshots asked for, three 418 without Retry-After: two minutes, not eight."""
    ban = Fault(FaultKind.HTTP_418, "*/depth", at_s=(0.0, 0.0, 0.0))
    desk = play(desk_with(ban), 140)
    assert desk.injected["http_418"] == 3
    assert desk.is_well()
