"""The real driver over real sockets, against a server that misbehaves on demand."""

import asyncio
from types import SimpleNamespace

import pytest
from picows import WSMsgType
from picows.picows import _make_test_ws_frame
from tests.net.server import CONTINUATION, PING, TEXT, Server, eventually, ws_frame

from poise.core.events import StreamDown, StreamUp
from poise.net.driver.connection import Connection

MS = 1_000_000


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
