"""The REST routes of the contract."""

import re
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from litestar import Request, WebSocket, get, post, websocket
from litestar.handlers import BaseRouteHandler

from poise import __version__
from poise.api import contract as wire
from poise.api.errors import Refused
from poise.api.health_view import health, recent_gaps
from poise.api.live import Hub
from poise.api.live_socket import converse
from poise.api.market_view import (
    candles,
    find_instrument,
    find_timeframe,
    instrument_infos,
    run_of,
)
from poise.api.pair_view import PairView
from poise.core.errors import UserError
from poise.core.instrument import Instrument
from poise.core.units import NS_PER_MS
from poise.market.timeframes import timeframe_seconds
from poise.runtime.edge import Edge

LIMIT_MAX = 1_500
LIMIT_DEFAULT = 500
GAPS_MAX = 200
PAIR_BARS = 600
"""Bars that a pair's charts should show beyond the window."""
PAIR_FETCH_S = 0.7
BODY_MAX = 65_536
_WHOLE = re.compile(r"[0-9]{1,18}")
_AnyRequest = Request[Any, Any, Any]
Routes = Sequence[BaseRouteHandler]


class Api:
    """The routes, bound to one edge."""

    def __init__(self, edge: Edge, view: PairView, hub: Hub, csrf: str) -> None:
        self._edge = edge
        self._view = view
        self._hub = hub
        self._csrf = csrf

    def status(self) -> wire.Status:
        """What this server is."""
        edge = self._edge
        run = run_of(edge)
        hello = edge.core.hello
        return wire.Status(
            version=__version__,
            environment=run.environment,
            run_id=run.run_id,
            venue=run.instruments[0].venue if run.instruments else "",
            started_ns=str(edge.started_ns if hello is None else hello.started_ns),
            server_ns=str(time.time_ns()),
            notice="" if hello is None else hello.notice,
            csrf_token=self._csrf,
            instruments=instrument_infos(run),
            timeframes=[
                wire.TimeframeInfo(item.name, timeframe_seconds(item.name), item.window)
                for item in run.timeframes
            ],
            pairs=self._view.pairs(),
        )

    async def candles(self, query: "Query") -> wire.Candles:
        """A page of bars."""
        run = run_of(self._edge)
        item = query.instrument("instrument")
        name = find_timeframe(run, query.text("timeframe")).name
        limit = query.whole("limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
        end_ms = query.maybe_whole("end_ms", 0, 1 << 43)
        bars = self._edge.bars
        if bars is None:
            raise Refused(503, "The journal is still being read.")
        end_ns = None if end_ms is None else end_ms * NS_PER_MS
        series = bars.series[name][item.ix]
        found, has_older = await self._edge.history.page(item, series, name, end_ns, limit)
        return candles(item, name, found, has_older=has_older)

    async def pair(self, query: "Query") -> wire.PairDetail:
        """Everything about one pair."""
        run = run_of(self._edge)
        y, x = query.instrument("y"), query.instrument("x")
        timeframe = find_timeframe(run, query.text("timeframe"))
        self._view.row_number(y.ix, x.ix, timeframe.name)
        await self._lengthen((y, x), timeframe.name, timeframe.window + PAIR_BARS)
        return self._view.detail(y.ix, x.ix, timeframe.name, time.time_ns())

    async def add_pair(self, body: bytes) -> list[tuple[int, int]]:
        """Follow one more pair; returns all followed."""
        run = run_of(self._edge)
        if len(body) > BODY_MAX:
            raise Refused(413, f"The body has {len(body)} bytes; {BODY_MAX} are allowed.")
        try:
            wanted = msgspec.json.decode(body, type=wire.AddPair)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise Refused(400, f"The body is no AddPair: {error}.") from None
        count = len(run.instruments)
        for leg in (wanted.y, wanted.x):
            if not 0 <= leg < count:
                raise UserError(f"Instrument {leg} is not one of the run's {count}.")
        if wanted.y == wanted.x:
            raise UserError("A pair needs two different instruments.")
        if (wanted.y, wanted.x) not in self._view.pairs():
            await self._edge.add_pair(wanted.y, wanted.x)
        return self._view.pairs()

    def all_pairs(self) -> list[wire.PairRow]:
        """The whole table."""
        run_of(self._edge)
        return self._view.rows(np.arange(len(self._edge.row_versions)), time.time_ns())

    def health(self) -> wire.Health:
        """The health page."""
        return health(self._edge)

    def gaps(self) -> list[wire.GapInfo]:
        """Newest gap records first."""
        return recent_gaps(self._edge, GAPS_MAX)

    async def socket(self, socket: WebSocket[Any, Any, Any]) -> None:
        """Live updates."""
        await converse(socket, self._edge, self._hub)

    async def _lengthen(self, legs: tuple[Instrument, ...], timeframe: str, wanted: int) -> None:
        """Page older bars of both legs, if the charts would begin with their window only."""
        bars = self._edge.bars
        if bars is None:
            return
        jobs = []
        for item in legs:
            found = bars.series[timeframe][item.ix].before(1 << 62, wanted)
            if found.start_ms and len(found.start_ms) < wanted:
                jobs.append((item.ix, found.start_ms[0] * NS_PER_MS))
        history = self._edge.history
        await history.fetch_all(jobs, timeframe, wanted, PAIR_FETCH_S)


class Query:
    """Query parameters, refused by name and value."""

    def __init__(self, request: _AnyRequest, edge: Edge) -> None:
        self._values = request.query_params
        self._edge = edge

    def text(self, name: str) -> str:
        """A parameter that must be there."""
        value: str | None = self._values.get(name)
        if not value:
            raise Refused(400, f"The parameter {name!r} is missing.")
        return value

    def instrument(self, name: str) -> Instrument:
        """An instrument by row, symbol or id."""
        return find_instrument(run_of(self._edge), self.text(name))

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds."""
        value = self.maybe_whole(name, low, high)
        return default if value is None else value

    def maybe_whole(self, name: str, low: int, high: int) -> int | None:
        """A whole number within bounds; None when absent."""
        text: str | None = self._values.get(name)
        if text is None:
            return None
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            shown = text[:40]
            raise Refused(400, f"{name} is {shown!r}; a whole number from {low} to {high} goes.")
        return int(text)


def routes(api: Api, edge: Edge) -> Routes:
    """Route handlers of an API."""

    @get("/api/status", sync_to_thread=False)
    def status() -> wire.Status:
        return api.status()

    @get("/api/instruments", sync_to_thread=False)
    def instruments() -> list[wire.InstrumentInfo]:
        return instrument_infos(run_of(edge))

    @get("/api/candles")
    async def page(request: _AnyRequest) -> wire.Candles:
        return await api.candles(Query(request, edge))

    @get("/api/pair")
    async def pair(request: _AnyRequest) -> wire.PairDetail:
        return await api.pair(Query(request, edge))

    @get("/api/pairs", sync_to_thread=False)
    def pairs() -> list[wire.PairRow]:
        return api.all_pairs()

    @post("/api/pairs")
    async def add_pair(request: _AnyRequest) -> list[tuple[int, int]]:
        return await api.add_pair(await request.body())

    @get("/api/health", sync_to_thread=False)
    def health_page() -> wire.Health:
        return api.health()

    @get("/api/gaps", sync_to_thread=False)
    def gaps() -> list[wire.GapInfo]:
        return api.gaps()

    @websocket("/ws")
    async def live(socket: WebSocket[Any, Any, Any]) -> None:
        await api.socket(socket)

    return [status, instruments, page, pair, pairs, add_pair, health_page, gaps, live]
