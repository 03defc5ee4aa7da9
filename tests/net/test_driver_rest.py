"""The real driver: REST, TLS, and sinks that raise or call back."""

import asyncio
import ssl

import pytest
import trustme
from tests.net.server import Server, eventually

from poise.core.errors import TransientError, VenueRejected
from poise.core.events import HealFailed, StreamUp
from poise.core.outputs import HealBook, HealTrades
from poise.core.venue import RestRequest

MS = 1_000_000
BOTH = {(0, "quote"): "socket", (0, "trade"): "socket"}


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
