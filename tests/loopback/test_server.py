"""The venue on real sockets: an ordinary client cannot tell, and nothing leaks."""

import asyncio
import contextlib
import ssl
import time

import aiohttp
import msgspec
import pytest
import trustme

from poise.loopback.config import (
    GeneratedConfig,
    Limits,
    ServerConfig,
    TapeConfig,
    VenueConfig,
)
from poise.loopback.errors import ServerStartError
from poise.loopback.faults import Fault, FaultKind, FaultPlan
from poise.loopback.server import LoopbackServer, serve

SECOND = 1_000_000_000
MARKET = GeneratedConfig(seed=3, instruments=4, history_days=1, recent_s=60, activity=3.0)
STREAMS = "/public/stream?streams=ardenusdt@bookTicker/ardenusdt@depth@100ms"


def config(*faults, limits=None, **changes):
    plan = FaultPlan(1, faults)
    venue = VenueConfig(MARKET, limits or Limits(), plan, keep_truth=True)
    return ServerConfig(venue, **changes)


def run(test):
    """Run a test and make sure that it leaves no task behind."""

    async def whole():
        await asyncio.wait_for(test(), 30)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(whole())


async def take(ws, count):
    return [msgspec.json.decode((await ws.receive(5)).data) for _ in range(count)]


def test_rest_and_sockets_on_one_port(naive_book):
    async def test():
        async with (
            LoopbackServer(config()) as server,
            aiohttp.ClientSession() as http,
            http.ws_connect(server.ws_url + STREAMS) as ws,
        ):
            early = await take(ws, 30)
            url = server.rest_url + "/fapi/v1/depth"
            async with http.get(url, params={"symbol": "ARDENUSDT", "limit": 1000}) as got:
                assert got.headers["X-MBX-USED-WEIGHT-1M"] == "20"
                book = naive_book(await got.json())
            met, tickers = 0, {}
            for frame in early + await take(ws, 100):
                data = frame["data"]
                if data["e"] == "bookTicker":
                    tickers[data["u"]] = data
                else:
                    book.apply(data)
                    t = tickers.get(book.last)
                    if t:
                        met += 1
                        assert book.best() == (t["b"], t["B"], t["a"], t["A"])
            assert met > 2
            async with http.get(server.rest_url + "/fapi/v1/time") as got:
                now_ms = time.time_ns() // 1_000_000
                assert abs((await got.json())["serverTime"] - now_ms) < 1000

    run(test)


def test_subscribe_ping_and_wrong_route():
    async def test():
        async with (
            LoopbackServer(config()) as server,
            aiohttp.ClientSession() as http,
            http.ws_connect(server.ws_url + "/market/ws", autoping=False) as ws,
        ):
            streams = ["ardenusdt@trade", "ardenusdt@markPrice@1s"]
            await ws.send_json({"method": "SUBSCRIBE", "params": streams, "id": 5})
            assert await ws.receive_json() == {"result": None, "id": 5}
            await ws.ping(b"hello")
            pong = await ws.receive(5)
            assert (pong.type, bytes(pong.data)) == (aiohttp.WSMsgType.PONG, b"hello")
            frames = await take(ws, 2)
            assert {f["e"] for f in frames} == {"markPriceUpdate"}
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(server.ws_url + "/nowhere/ws")

    run(test)


def test_the_server_pings_and_cuts_who_does_not_answer():
    limits = Limits(ping_every_ns=SECOND // 5, pong_within_ns=SECOND)

    async def test():
        async with LoopbackServer(config(limits=limits)) as server, aiohttp.ClientSession() as http:
            url = server.ws_url + "/public/ws"
            async with http.ws_connect(url) as good, http.ws_connect(url, autoping=False) as lazy:
                answering = asyncio.create_task(good.receive())  # answers pings, gets no data
                types = []
                while not types or types[-1] is not aiohttp.WSMsgType.CLOSE:
                    types.append((await lazy.receive(5)).type)
                assert types[0] is aiohttp.WSMsgType.PING
                assert lazy.close_code == 1008
                await asyncio.sleep(0.3)
                assert not answering.done()
                answering.cancel()

    run(test)


def test_too_many_messages_close_the_socket():
    async def test():
        async with (
            LoopbackServer(config()) as server,
            aiohttp.ClientSession() as http,
            http.ws_connect(server.ws_url + "/public/ws") as ws,
        ):
            for number in range(11):
                await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
            answers = [await ws.receive(5) for _ in range(11)]
            assert answers[-1].type is aiohttp.WSMsgType.CLOSE
            assert answers[-1].data == 1008

    run(test)


def test_a_cut_ends_in_the_middle_of_a_frame():
    async def test():
        faults = Fault(FaultKind.CUT, at_s=(0.5,))
        async with LoopbackServer(config(faults)) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                b"GET /public/ws/ardenusdt@bookTicker HTTP/1.1\r\nHost: x\r\n"
                b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            data = await asyncio.wait_for(reader.read(-1), 5)
            writer.close()
            await writer.wait_closed()
            head, _, rest = data.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101")
            while rest:
                size = rest[1] & 0x7F
                start = 2
                if size == 126:
                    size, start = int.from_bytes(rest[2:4], "big"), 4
                whole, rest = rest[start : start + size], rest[start + size :]
            assert len(whole) < size
            assert whole.startswith(b'{"stream":"')

    run(test)


def test_half_open_sockets_stay_open_and_silent():
    async def test():
        fault = Fault(FaultKind.HALF_OPEN, at_s=(0.3,))
        async with (
            LoopbackServer(config(fault)) as server,
            aiohttp.ClientSession() as http,
            http.ws_connect(server.ws_url + STREAMS) as ws,
        ):
            last = time.monotonic()
            with contextlib.suppress(asyncio.TimeoutError):
                while True:
                    await ws.receive(1)
                    last = time.monotonic()
            assert time.monotonic() - last >= 1
            assert not ws.closed

    run(test)


def test_tls_with_an_authority_of_our_own():
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)

    async def test():
        async with LoopbackServer(config(tls=server_side)) as server:
            assert server.ws_url.startswith("wss://127.0.0.1:")
            async with aiohttp.ClientSession() as http:
                url = server.ws_url + STREAMS
                async with http.ws_connect(url, ssl=client_side) as ws:
                    assert (await take(ws, 5))[0]["data"]["s"] == "ARDENUSDT"
                url = server.rest_url + "/fapi/v1/exchangeInfo"
                async with http.get(url, ssl=client_side) as got:
                    assert len((await got.json())["symbols"]) == 4

    run(test)


def test_a_port_in_use_is_one_clear_sentence():
    async def test():
        async with LoopbackServer(config()) as server:
            with pytest.raises(ServerStartError, match=f"cannot listen on 127.0.0.1:{server.port}"):
                await LoopbackServer(config(port=server.port)).start()

    run(test)


def test_serve_says_when_it_is_ready_and_stops_when_told():
    async def test():
        stop, seen = asyncio.Event(), []

        def ready(server):
            seen.append(server.port)
            stop.set()

        await serve(config(), on_ready=ready, stop=stop)
        assert seen[0] > 0
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", seen[0])

    run(test)


def test_a_slow_reader_is_cut_on_a_live_market():
    async def test():
        settings = config(max_backlog_bytes=20_000)
        async with LoopbackServer(settings) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            writer.write(
                b"GET /public/ws/ardenusdt@depth@100ms HTTP/1.1\r\nHost: x\r\n"
                b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            writer.transport.pause_reading()
            await asyncio.sleep(0.2)
            assert server.venue.sessions == 1
            socket = next(iter(server._sockets.values()))
            socket.transport.write(b"\x82\x7f" + (8 << 20).to_bytes(8, "big") + bytes(8 << 20))
            for _ in range(100):
                await asyncio.sleep(0.02)
                if not server.venue.sessions:
                    break
            assert server.venue.sessions == 0
            writer.transport.abort()

    run(test)


@pytest.mark.real_data
def test_a_tape_at_full_speed_loses_nothing_on_a_slow_reader(recordings):
    async def test():
        venue = VenueConfig(TapeConfig(recordings, speed=None, wait_for=4))
        streams = "/".join(
            f"{coin}usdt@{kind}" for coin in ("btc", "eth") for kind in ("depth@100ms", "trade")
        )
        async with (
            LoopbackServer(ServerConfig(venue)) as server,
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{server.ws_url}/public/stream?streams={streams}") as ws,
        ):
            await asyncio.sleep(0.5)
            assert not server.venue.market.finished  # it waits for the reader
            for _ in range(48_526):
                await ws.receive(5)
            with pytest.raises(asyncio.TimeoutError):
                await ws.receive(0.2)

    run(test)
