"""The virtual driver against the loopback by the ordinary connector: faults and hand-overs."""

import asyncio

import msgspec
import pytest
import uvloop

from poise.core.instrument import Instrument
from poise.core.outputs import HealBook, HealTrades
from poise.core.venue import SocketLimits
from poise.net.driver import Driver
from poise.net.settings import NetSettings
from poise.net.virtual import VirtualDriver
from poise.venues.binance.usdm import BinanceUsdm

SECOND = 1_000_000_000


@pytest.fixture
def world(loopback_peer, recorder, start_ns):
    """Make a driver, its sink and its loopback; `lifetime_s` shortens both sides' sockets."""
    from poise.loopback.config import GeneratedConfig, Limits, VenueConfig

    class ShortLived(BinanceUsdm):
        lifetime_s = 23 * 3600

        @property
        def socket_limits(self):
            fields = msgspec.structs.asdict(super().socket_limits)
            return SocketLimits(**fields | {"lifetime_ns": self.lifetime_s * SECOND})

    def make(seed, faults=None, lifetime_s=23 * 3600, venue_lives_s=24 * 3600):
        market = GeneratedConfig(seed=seed, instruments=2, history_days=2, recent_s=600)
        limits = Limits(lifetime_ns=venue_lives_s * SECOND)
        more = {} if faults is None else {"faults": faults}
        peer = loopback_peer(
            VenueConfig(market=market, limits=limits, keep_truth=True, **more),
            start_ns,
            {"X-MBX-APIKEY": "k" * 64},
        )
        members = perpetuals(peer.venue.market.specs.values())
        venue = ShortLived(members)
        venue.lifetime_s = lifetime_s
        sink = recorder()
        driver = VirtualDriver(
            venue, members, sink, peer, seed=seed, start_ns=start_ns, has_key=True,
            settings=NetSettings(),
        )  # fmt: skip
        driver.start()
        return driver, sink, peer.venue, members

    return make


def perpetuals(specs):
    return tuple(
        Instrument(
            ix=ix, venue="binance.usdm", symbol=spec.symbol, base=spec.symbol[:-4], quote="USDT",
            kind="PERP", price_scale=8, qty_scale=8, tick=1, step=1,
        )
        for ix, spec in enumerate(specs)
    )  # fmt: skip


def everything(members):
    channels = ("trade", "quote", "depth", "mark")
    return {(member.ix, channel): "socket" for member in members for channel in channels}


def test_all_streams_of_the_ordinary_connector_come_up(world, start_ns):
    driver, sink, _, members = world(1)
    driver.run(start_ns + 20 * SECOND)
    assert sink.up() == everything(members)
    assert sink.codes() == []
    wishes = (HealBook(0, 1), HealTrades(1, "trade", 1, 10))
    for wish in wishes:
        driver.heal(wish)
    driver.run(start_ns + 22 * SECOND)
    asked = {BinanceUsdm(members).heal_request(wish).source for wish in wishes}
    assert {source for source, _, _ in sink.answers} == asked
    assert abs(driver.feed.clock.offset_ns(driver.now_ns)) < 40_000_000


def test_hand_overs_lose_no_trade(world, start_ns):
    driver, sink, venue, members = world(2, lifetime_s=30, venue_lives_s=40)
    driver.run(start_ns + 120 * SECOND)
    assert len(driver.sockets_opened) > 6
    assert len(sink.events) == len(everything(members))
    for member in members:
        name = f'"stream":"{member.symbol.lower()}@trade"'.encode()
        got = [msgspec.json.decode(p)["data"]["t"] for _, p, _ in sink.frames if name in p]
        ids = [trade.id for trade in venue.true_trades(member.symbol)]
        first, last = min(got), max(got)
        assert set(got) == {number for number in ids if first <= number <= last}


@pytest.mark.parametrize("seed", [1, 4, 5, 7])
def test_faults_pass(world, start_ns, seed):
    from poise.loopback.faults import FaultPlan

    plan = FaultPlan.drawn(seed, until_s=40.0)
    driver, sink, venue, members = world(seed, plan)
    driver.run(start_ns + 40 * SECOND)
    driver.run(start_ns + 140 * SECOND)
    assert venue.injected, plan
    assert sink.up() == everything(members), (plan, driver.reports())
    driver.stop()
    driver.run(start_ns + 141 * SECOND)
    assert driver.open_sockets == 0
    assert venue.sessions == 0


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_real_driver_and_the_real_server(recorder, loop):
    from poise.loopback.config import GeneratedConfig, ServerConfig, VenueConfig
    from poise.loopback.server import LoopbackServer

    async def main():
        market = GeneratedConfig(seed=3, instruments=2, history_days=2, recent_s=600, activity=5.0)
        async with LoopbackServer(ServerConfig(venue=VenueConfig(market=market))) as server:
            members = perpetuals(server.venue.market.specs.values())
            sink = recorder()
            async with Driver(
                BinanceUsdm(members), members, sink, ws_url=server.ws_url, rest_url=server.rest_url
            ) as driver:
                for _ in range(4000):
                    if sink.up() == everything(members) and driver.clock_offset_ns is not None:
                        break
                    await asyncio.sleep(0.005)
                driver.heal(HealBook(1, 1))
                for _ in range(4000):
                    if sink.answers:
                        break
                    await asyncio.sleep(0.005)
            assert sink.up() == everything(members)
            assert sink.codes() == []
            assert sink.answers[0][0] == f"rest:depth:{members[1].symbol}"

    factory = uvloop.new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
