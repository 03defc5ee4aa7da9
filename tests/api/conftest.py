"""A whole desk for the tests of the API: loopback venue and core as processes, the edge here."""

import asyncio
import contextlib
import tempfile
import threading
import time
from pathlib import Path

import httpx
import msgspec
import pytest
from websockets.sync.client import connect

from poise.api import contract as wire
from poise.api.server import bind, create_app, serve
from poise.api.session import Session
from poise.app.start import CORE_WORK, VENUE_WORK
from poise.core.events import TimeframeSpec
from poise.loopback.config import GeneratedConfig, ServerConfig, VenueConfig
from poise.runtime.edge import Edge
from poise.runtime.processes import Child, Ended, Ready
from poise.runtime.settings import CoreSettings, EdgeSettings

NOTICE = "generated market, planted edge: P&L means nothing"


class Backend:
    """Venue and core."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="poise-api-"))
        self.children = []
        market = GeneratedConfig(seed=5, instruments=4, trades_per_s=8.0, requotes_per_s=8.0)
        port = self.begin(Child("venue", VENUE_WORK, ServerConfig(VenueConfig(market))))
        settings = CoreSettings(
            environment="demo",
            run_id="run-api",
            data=str(self.folder),
            link=str(self.folder / "core.sock"),
            ws_url=f"ws://127.0.0.1:{port}",
            rest_url=f"http://127.0.0.1:{port}",
            most_traded=4,
            pairs=(),
            max_pairs=3,
            timeframes=(
                TimeframeSpec("1s", 60),
                TimeframeSpec("1m", 60),
                TimeframeSpec("5m", 300),
            ),
            trade_channel="aggTrade",
            notice=NOTICE,
        )
        self.begin(Child("core", CORE_WORK, settings))

    def begin(self, child: Child) -> str:
        child.start()
        self.children.append(child)
        while True:
            news = child.news()
            assert not isinstance(news, Ended), news
            if isinstance(news, Ready):
                return news.detail

    def stop(self) -> None:
        for child in reversed(self.children):
            child.stop()
            child.join()


class RunningEdge:
    """An edge with its API in a thread of this process."""

    def __init__(self, backend: Backend, token: str = "", *, lake: bool = True) -> None:
        self.listener = bind("127.0.0.1", 0)
        self.port = self.listener.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.session = Session(token, backend.folder)
        self.settings = EdgeSettings(
            environment="demo",
            data=str(backend.folder),
            link=str(backend.folder / "core.sock"),
            lake=lake,
        )
        self.cookie = ""
        self.stop_s = 0.0
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()))
        self._thread.start()
        assert self._started.wait(30)

    async def _work(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.edge = Edge(self.settings)
        await self.edge.start()
        self._started.set()
        await serve(create_app(self.edge, self.session, self.port), self.listener, self._stop)
        await self.edge.stop()

    def stop(self) -> None:
        began = time.monotonic()
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.stop_s = time.monotonic() - began

    def call(self, coroutine):
        """Run a coroutine in the edge's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def login(self) -> str:
        if not self.cookie:
            answer = httpx.get(f"{self.base}/login", params={"token": self.session.token})
            assert answer.status_code == 303, answer.text
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return self.cookie

    def get(self, path: str, **params) -> httpx.Response:
        headers = {"Cookie": self.login()}
        return httpx.get(self.base + path, params=params, headers=headers, timeout=10)

    def post(self, path: str, body=None, **headers) -> httpx.Response:
        every = {
            "Cookie": self.login(),
            "Origin": self.base,
            "X-CSRF-Token": self.session.csrf,
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        every = {name: value for name, value in every.items() if value is not None}
        return httpx.post(self.base + path, json=body, headers=every, timeout=10)

    def answer(self, kind, path: str, **params):
        """Decode an answer strictly by the contract."""
        response = self.get(path, **params)
        assert response.status_code == 200, response.text
        return msgspec.json.decode(response.content, type=kind)

    @contextlib.contextmanager
    def socket(self, query: str = "", **changes):
        headers = {"Cookie": self.login()} | changes.pop("headers", {})
        address = f"ws://127.0.0.1:{self.port}/ws{query}"
        origin = changes.pop("origin", self.base)
        with connect(address, origin=origin, additional_headers=headers, **changes) as socket:
            yield Talk(socket, "json" if "json" in query else "msgpack")


class Talk:
    """A client of the live socket that checks what the contract promises of every frame."""

    def __init__(self, socket, encoding: str) -> None:
        self.socket = socket
        self.codec = getattr(msgspec, encoding)
        self.json = encoding == "json"
        self.seq = 0
        self.acknowledges = True
        self.refusals = []

    def say(self, message) -> None:
        data = self.codec.encode(message)
        self.socket.send(data.decode() if self.json else data)

    def subscribe(self, topic: str, key: str = "") -> None:
        self.say(wire.Subscribe(topic, key))

    def frame(self, timeout: float = 5.0) -> wire.Frame:
        while True:
            data = self.socket.recv(timeout)
            assert isinstance(data, str) == self.json
            message = self.codec.decode(data, type=wire.ServerMessage)
            if isinstance(message, wire.Refusal):
                self.refusals.append(message)
                continue
            assert (message.seq, message.prev) == (self.seq + 1, self.seq)
            self.seq = message.seq
            if self.acknowledges:
                self.say(wire.Ack(message.seq))
            return message

    def updates(self, kind, count: int, frames: int = 100):
        """The next `count` updates of a kind."""
        found = []
        for _ in range(frames):
            found += [each for each in self.frame().updates if isinstance(each, kind)]
            if len(found) >= count:
                return found[:count]
        raise AssertionError(f"{len(found)} of {count} {kind.__name__} in {frames} frames")


@pytest.fixture(scope="package")
def backend():
    running = Backend()
    yield running
    running.stop()


@pytest.fixture(scope="package")
def running_desk(backend):
    edge = RunningEdge(backend)
    try:
        yield edge
    finally:
        edge.stop()
    assert edge.stop_s < 2.5


@pytest.fixture
def desk(running_desk):
    # Before each test: a machine that stops for seconds leaves a hole in the second bars.
    wait_until(lambda: warm(running_desk), "no warm pairs within 120 s", 120)
    return running_desk


def warm(edge: RunningEdge) -> bool:
    present = edge.edge.present
    return (
        present is not None and len(present.params) > 0 and bool((present.params[:, 4] == 1).all())
    )


def wait_until(done, what: str, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture(scope="session")
def patience():
    return wait_until


@pytest.fixture(scope="session")
def running_edge():
    return RunningEdge
