"""Fixtures of the net room's tests."""

import asyncio

import pytest
import uvloop
from tests.net.mini import START, MiniVenue, Recorder, make_instruments
from tests.net.peers import LoopbackPeer, ScriptedPeer
from tests.net.rig import Rig
from tests.net.server import sockets_of_this_process

from poise.net.driver import Driver
from poise.net.settings import NetSettings

MS = 1_000_000


@pytest.fixture
def rig():
    return Rig


@pytest.fixture
def mini():
    return MiniVenue


@pytest.fixture
def recorder():
    return Recorder


@pytest.fixture
def scripted():
    return ScriptedPeer


@pytest.fixture
def loopback_peer():
    return LoopbackPeer


@pytest.fixture
def instruments():
    return make_instruments


@pytest.fixture
def start_ns():
    return START


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine on either loop and see that nothing is left behind."""

    def runner(main):
        before = sockets_of_this_process()
        factory = uvloop.new_event_loop if request.param == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as each:
            each.run(checked(main))
        assert sockets_of_this_process() <= before

    async def checked(main):
        await main
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    return runner


@pytest.fixture
def feed(mini, recorder, instruments):
    """Make a driver to a server, and its sink."""

    def make(server, *, sink=None, venue=None, tls=None, scheme="", **changes):
        quick = {
            "backoff_base_ns": 5 * MS, "backoff_cap_ns": 50 * MS, "quiet_grace_ns": 5 * MS,
            "check_every_ns": 5 * MS, "repair_base_ns": 20 * MS,
        }  # fmt: skip
        sink = sink or recorder()
        host = f"{scheme}://localhost:{server.port}" if scheme else f"://127.0.0.1:{server.port}"
        driver = Driver(
            venue or mini(rate=200.0), instruments(1), sink,
            ws_url=host if scheme else "ws" + host,
            rest_url=(host if scheme else "http" + host).replace("wss", "https"),
            settings=NetSettings(**quick | changes), tls=tls, seed=1,
        )  # fmt: skip
        return driver, sink

    return make
