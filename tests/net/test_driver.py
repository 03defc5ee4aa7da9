"""The real driver over real sockets, against a server that misbehaves on demand."""

import asyncio
import contextlib
import ssl
import struct
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import msgspec
import pytest
import trustme
import uvloop
from aiohttp import web
from picows import WSMsgType
from picows.picows import _make_test_ws_frame

from poise.core.errors import TransientError, VenueRejected
from poise.core.events import HealFailed, StreamDown, StreamUp
from poise.core.outputs import HealBook, HealTrades
from poise.core.venue import RestRequest
from poise.net.driver import Driver
from poise.net.driver.connection import Connection
from poise.net.settings import NetSettings

MS = 1_000_000
TEXT, CONTINUATION, PING = 1, 0, 9


class Server:
    """A venue on a port. `raw` writes bytes under the WebSocket; knobs are plain attributes."""

    def __init__(self, tls=None):
        self.tls = tls
        self.sockets, self.requests, self.subscribed = [], [], []
        self.closes, self.pongs = [], []
        self.acknowledges = self.talks = self.answers_pings = True
        self.refuses = 0
        self.rest = (200, {}, b"{}")
        self.port = 0

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_):
        for _, transport in self.sockets:
            transport.abort()
        await self._runner.cleanup()

    async def _handle(self, request):
        if request.headers.get("Upgrade", "").lower() != "websocket":
            self.requests.append(request.path)
            status, headers, body = self.rest
            if request.path == "/time":
                return web.Response(body=b"1790000000000")
            return web.Response(status=status, headers=headers, body=body)
        if self.refuses:
            return web.Response(status=self.refuses, body=b"<html>no</html>")
        ws = web.WebSocketResponse(autoping=self.answers_pings, compress=False)
        await ws.prepare(request)
        self.sockets.append((ws, request.transport))
        async for message in ws:
            if message.type is aiohttp.WSMsgType.PONG:
                self.pongs.append(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await self._control(ws, msgspec.json.decode(message.data))
        self.closes.append(ws.close_code)
        return ws

    async def _control(self, ws, message):
        self.subscribed += message["params"]
        if self.acknowledges:
            await ws.send_str(f'{{"id":{message["id"]},"result":null}}')
        for name in message["params"]:
            if self.talks and message["method"] == "SUB":
                await ws.send_str(f'{{"stream":"{name}","data":0}}')

    def raw(self, data, which=-1):
        self.sockets[which][1].write(data)

    def say(self, name, number=1):
        self.raw(ws_frame(f'{{"stream":"{name}","data":{number}}}'.encode()))


def ws_frame(payload, opcode=TEXT, fin=True):
    first = (0x80 if fin else 0) | opcode
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, size)
    elif size < 65536:
        head = struct.pack("!BBH", first, 126, size)
    else:
        head = struct.pack("!BBQ", first, 127, size)
    return head + payload


async def eventually(condition):
    for _ in range(4000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it never happened")


def sockets_of_this_process():
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(entry.readlink()).startswith("socket:")
    return found


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


def payloads(sink):
    return [payload for _, payload, _ in sink.frames]


BOTH = {(0, "quote"): "socket", (0, "trade"): "socket"}


def test_it_connects_subscribes_delivers_and_stops(run, feed):
    async def main():
        async with Server() as server:
            driver, sink = feed(server)
            async with driver:
                await eventually(lambda: sink.up() == BOTH)
                server.say("S0@quote", 7)
                await eventually(lambda: b'{"stream":"S0@quote","data":7}' in payloads(sink))
                assert {source for source, _, _ in sink.frames} == {"ws:public#1"}
                (report,) = driver.reports()
                assert (report.state, report.messages) == ("live", len(sink.frames) + 1)
                await eventually(lambda: driver.clock_offset_ns is not None)
            assert server.subscribed == ["S0@quote", "S0@trade"]
            await eventually(lambda: server.closes == [1001])

    run(main())


def test_up_comes_before_the_first_frame(run, feed, recorder):
    class Ordered(recorder):
        order = ()

        def on_frame(self, source, payload, recv_ns):
            self.order += ("frame",)

        def on_event(self, event):
            super().on_event(event)
            self.order += ("up",)

    async def main():
        async with Server() as server:
            driver, sink = feed(server, sink=Ordered())
            async with driver:
                await eventually(lambda: len(sink.order) >= 2)
                assert sink.order[:2] == ("up", "frame")

    run(main())


def test_frames_of_one_read_share_one_receive_time(run, feed):
    async def main():
        async with Server() as server:
            driver, sink = feed(server)
            async with driver:
                await eventually(lambda: sink.up() == BOTH)
                start = len(sink.frames)
                one = ws_frame(b'{"stream":"S0@quote","data":1}')
                server.raw(one * 50)
                await eventually(lambda: len(sink.frames) == start + 50)
                assert len({at for _, _, at in sink.frames[start:]}) <= 2
                for _ in range(5):  # a ping at the end of a read must not hide that it ended
                    seen = len(sink.frames)
                    server.raw(one + ws_frame(b"", PING))
                    await eventually(lambda n=seen: len(sink.frames) == n + 1)
                times = [at for _, _, at in sink.frames[start + 49 :]]
                assert len(set(times)) == 6
                assert times == sorted(times)

    run(main())


def test_a_connection_cut_inside_a_frame_is_replaced_and_the_piece_discarded(run, feed):
    async def main():
        async with Server() as server:
            driver, sink = feed(server)
            async with driver:
                await eventually(lambda: sink.up() == BOTH)
                server.raw(ws_frame(b'{"stream":"S0@quote","data":"cut"}')[:20])
                await asyncio.sleep(0.02)
                server.sockets[0][1].abort()
                await eventually(lambda: len(server.sockets) == 2 and sink.up() == BOTH)
                assert any(isinstance(event, StreamDown) for event in sink.events)
                assert not any(b"cut" in payload for payload in payloads(sink))

    run(main())


def test_a_half_open_connection_is_replaced(run, feed):
    async def main():
        async with Server() as server:
            server.answers_pings = False
            driver, sink = feed(server, ping_after_ns=50 * MS, pong_timeout_ns=50 * MS)
            async with driver:
                await eventually(lambda: len(server.sockets) >= 2)
                downs = [e.reason for e in sink.events if isinstance(e, StreamDown)]
                assert downs[0].startswith("half-open")

    run(main())


def test_a_pong_keeps_a_quiet_connection(run, feed, mini):
    async def main():
        async with Server() as server:
            venue = mini(rate=500.0, channels=("trade",))
            driver, sink = feed(server, venue=venue, ping_after_ns=20 * MS)
            async with driver:
                await eventually(lambda: bool(sink.up()))
                await asyncio.sleep(0.3)
                assert len(server.sockets) == 1
                assert [type(event) for event in sink.events] == [StreamUp]

    run(main())


def test_an_acknowledged_stream_that_never_sends_is_an_alarm_and_goes_by_rest(run, feed, mini):
    async def main():
        async with Server() as server:
            server.talks = False
            venue = mini(rate=200.0, first_s=0.05)
            venue._first = 50 * MS
            driver, sink = feed(server, venue=venue, failures_before_rest=2, poll_every_ns=20 * MS)
            async with driver:
                await eventually(lambda: sink.up().get((0, "quote")) == "rest")
                assert "net.silent_stream" in sink.codes()
                assert "net.rest_polling" in sink.codes()
                assert any(row.name == "mini REST polling" for row in driver.reports())
                server.talks = True
                await eventually(lambda: sink.up() == BOTH)

    run(main())


def test_refused_handshakes_are_words_and_not_crashes(run, feed):
    async def main():
        async with Server() as server:
            server.refuses = 502
            driver, sink = feed(server)
            async with driver:
                await eventually(lambda: len(sink.diagnostics) > 2)
                lost = [d.text for d in sink.diagnostics if d.code == "net.socket_lost"]
                assert "handshake refused: HTTP 502" in lost[0]
                server.refuses = 0
                await eventually(lambda: sink.up() == BOTH)

    run(main())


def test_nobody_listens(run, feed):
    async def main():
        async with Server() as server:
            pass
        driver, sink = feed(server)
        async with driver:
            await eventually(lambda: "net.socket_lost" in sink.codes("warning"))

    run(main())


@pytest.mark.parametrize("silent_for", [0.0, 0.05])
def test_stopping_during_a_handshake_leaves_no_socket(run, feed, silent_for):
    async def main():
        async def swallow(reader, writer):
            await reader.read()
            writer.close()

        listener = await asyncio.start_server(swallow, "127.0.0.1", 0)
        address = SimpleNamespace(port=listener.sockets[0].getsockname()[1])
        async with listener:
            driver, _ = feed(address, request_timeout_ns=50 * MS)
            await driver.start()
            await asyncio.sleep(silent_for)
            await driver.stop()
        await asyncio.sleep(0.05)

    run(main())


def test_a_frame_too_large_ends_the_socket(run, feed):
    async def main():
        async with Server() as server:
            driver, sink = feed(server)
            async with driver:
                await eventually(lambda: sink.up() == BOTH)
                server.raw(ws_frame(b"x" * 70_000))
                await eventually(lambda: len(server.sockets) == 2 and sink.up() == BOTH)
                assert any("exceed" in d.text for d in sink.diagnostics)

    run(main())


def test_pings_are_answered_with_their_payload(run, feed):
    async def main():
        async with Server() as server:
            server.answers_pings = False  # so that aiohttp shows the pongs it gets
            driver, sink = feed(server)
            async with driver:
                await eventually(lambda: sink.up() == BOTH)
                server.raw(ws_frame(b"1790000000", PING))
                await eventually(lambda: server.pongs == [b"1790000000"])

    run(main())


def test_fragments_are_joined_within_the_limit(run, feed):
    async def main():
        async with Server() as server:
            driver, sink = feed(server)
            async with driver:
                await eventually(lambda: sink.up() == BOTH)
                whole = b'{"stream":"S0@quote","data":"' + b"y" * 300 + b'"}'
                for _ in range(2):  # the second has a beginning that is known by then
                    server.raw(
                        ws_frame(whole[:60], TEXT, fin=False)
                        + ws_frame(b"", PING)
                        + ws_frame(whole[60:90], CONTINUATION, fin=False)
                        + ws_frame(whole[90:], CONTINUATION)
                        + ws_frame(whole)
                    )
                await eventually(lambda: payloads(sink).count(whole) == 4)
                assert len(sink.frames) == 6
                for i in range(30):
                    server.raw(ws_frame(b"z" * 4000, CONTINUATION if i else TEXT, fin=False))
                await eventually(lambda: server.closes == [1009])
                await eventually(lambda: len(server.sockets) == 2 and sink.up() == BOTH)

    run(main())


def test_streams_are_not_mistaken_for_others_with_the_same_beginning(recorder, mini):
    class Owner:
        now_ns = staticmethod(lambda: 7)
        unusual = staticmethod(lambda *_: False)

    sink = recorder()
    connection = Connection(1, "ws", Owner(), mini().stream_of, sink.on_frame, 1 << 16)
    long = "a" * 60
    connection.seen = dict.fromkeys([f"{long}@quote", f"{long}@trade", "b@quote"], 0)

    def take(name):
        frame = _make_test_ws_frame(WSMsgType.TEXT, b'{"stream":"%b","data":1}' % name, True, False)
        connection.on_ws_frame(None, frame)

    for _ in range(3):
        take(f"{long}@quote".encode())
        take(b"b@quote")
    assert connection.seen == {f"{long}@quote": 7, f"{long}@trade": 0, "b@quote": 7}
    take(f"{long}@trade".encode())
    assert set(connection.seen.values()) == {7}
    assert connection.messages == len(sink.frames) == 7


def test_garbage_reaches_the_sink_to_be_quarantined_and_acknowledgements_do_not(run, feed):
    async def main():
        async with Server() as server:
            driver, sink = feed(server)
            async with driver:
                await eventually(lambda: sink.up() == BOTH)
                server.raw(ws_frame(b"\xff{", TEXT) + ws_frame(b'{"id":', 2))
                await eventually(lambda: {b"\xff{", b'{"id":'} <= set(payloads(sink)))
                assert not any(b'"result"' in payload for payload in payloads(sink))
                assert len(server.sockets) == 1

    run(main())


def test_healing_and_fetching(run, feed):
    async def main():
        async with Server() as server:
            driver, sink = feed(server)
            async with driver:
                server.rest = (200, {"X-Used": "41"}, b'{"book":1}')
                driver.heal(HealBook(0, 1))
                await eventually(lambda: len(sink.answers) == 1)
                assert sink.answers[0][:2] == ("rest:book:S0", b'{"book":1}')
                request = RestRequest(path="/y", query=(("a", "ä&b"),), weight=1, source="r")
                answer = await driver.fetch(request)
                assert answer.payload == b'{"book":1}'
                assert answer.recv_ns > sink.answers[0][2]
                assert sum(weight for _, weight in driver.budget.spent) >= 41
                server.rest = (400, {}, b'{"code":-1121}')
                with pytest.raises(VenueRejected):
                    await driver.fetch(request)
                driver.heal(HealTrades(0, "trade", 1, 2))
                await eventually(lambda: any(isinstance(e, HealFailed) for e in sink.events))
                assert sink.events[-1].permanent
            with pytest.raises(TransientError):
                await driver.fetch(request)

    run(main())


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (502, {}, b"<html>bad gateway</html>"),
        (503, {}, b"{}"),
        (200, {"Content-Encoding": "gzip"}, b"not gzip"),
    ],
)
def test_rest_that_fails_is_retried_and_then_a_heal_failure(run, feed, status, headers, body):
    async def main():
        async with Server() as server:
            server.rest = (status, headers, body)
            driver, sink = feed(server, request_attempts=3)
            async with driver:
                driver.heal(HealBook(0, 1))
                await eventually(lambda: any(isinstance(e, HealFailed) for e in sink.events))
                assert server.requests.count("/book") == 3
                (failed,) = [e for e in sink.events if isinstance(e, HealFailed)]
                assert not failed.permanent
                assert failed.channel == "depth"

    run(main())


@pytest.mark.parametrize(("status", "headers"), [(429, {"Retry-After": "3600"}), (418, {})])
def test_refusals_stop_all_rest(run, feed, status, headers):
    async def main():
        async with Server() as server:
            server.rest = (status, headers, b"{}")
            driver, sink = feed(server)
            async with driver:
                await eventually(lambda: driver.clock_offset_ns is not None)
                driver.heal(HealBook(0, 1))
                await eventually(lambda: "net.rate_limited" in sink.codes())
                asked = len(server.requests)
                driver.heal(HealBook(0, 2))
                await asyncio.sleep(0.05)
                assert len(server.requests) == asked
                assert driver.budget.stopped_until_ns > driver.now_ns() + 60_000 * MS

    run(main())


def test_what_the_sink_raises_stops_the_feed_and_is_told(run, feed, recorder):
    class Broken(recorder):
        def on_frame(self, source, payload, recv_ns):
            raise ZeroDivisionError("a defect of ours")

    async def main():
        async with Server() as server:
            driver, _ = feed(server, sink=Broken())
            async with driver:
                with pytest.raises(ZeroDivisionError):
                    await driver.wait()
                await eventually(lambda: server.closes == [1001])

    run(main())


def test_a_sink_may_heal_from_inside_its_callbacks_and_is_not_reentered(run, feed, recorder):
    class Eager(recorder):
        driver = None
        depth = deepest = 0

        def on_event(self, event):
            self.depth += 1
            self.deepest = max(self.deepest, self.depth)
            super().on_event(event)
            if isinstance(event, StreamUp):
                self.driver.heal(HealBook(0, len(self.events)))
                self.driver.heal(HealTrades(99, "trade", 1, len(self.events)))  # fails at once
            self.depth -= 1

    async def main():
        async with Server() as server:
            driver, sink = feed(server, sink=Eager())
            sink.driver = driver
            async with driver:
                await eventually(lambda: len(sink.answers) == 2)
                assert sum(isinstance(event, HealFailed) for event in sink.events) == 2
                assert sink.deepest == 1

    run(main())


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def test_tls_with_a_test_authority(run, feed, authority):
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)

    async def main():
        async with Server(server_tls) as server:
            driver, sink = feed(server, tls=client_tls, scheme="wss")
            async with driver:
                await eventually(lambda: sink.up() == BOTH)
                driver.heal(HealBook(0, 1))
                await eventually(lambda: len(sink.answers) == 1)
            await asyncio.sleep(0.05)

    run(main())


def test_an_unknown_authority_is_refused_in_words(run, feed, authority):
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_tls)

    async def main():
        async with Server(server_tls) as server:
            client_tls = ssl.create_default_context()
            driver, sink = feed(server, tls=client_tls, scheme="wss", request_attempts=1)
            async with driver:
                await eventually(lambda: "net.socket_lost" in sink.codes("warning"))
                driver.heal(HealBook(0, 1))
                await eventually(lambda: any(isinstance(e, HealFailed) for e in sink.events))
                assert "CERTIFICATE_VERIFY_FAILED" in sink.diagnostics[0].text
            await asyncio.sleep(0.05)

    run(main())
