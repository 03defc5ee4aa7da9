"""Warm at first paint: page the venue's history for every window before and beside live data."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from poise.core.errors import TransientError, VenueRejected
from poise.core.instrument import Instrument
from poise.core.units import NS_PER_S, Ns
from poise.core.venue import RestRequest
from poise.market.timeframes import timeframe_seconds
from poise.net.driver import Answer
from poise.runtime.settings import CoreSettings
from poise.venues.binance.usdm import BinanceUsdm

_SPARE_BARS = 20
_OVERLAP_S = 3.0
"""Past trades are paged until this long after the start, so that they meet the live ones."""
_MAX_PAGES = 60
_KLINES_MAX = 1_500


Fetcher = Callable[[RestRequest], Awaitable[Answer]]
"""Asks REST within the budget; raises TransientError or VenueRejected."""


class _LastRow(msgspec.Struct):
    a: int
    T: int


class Warmer:
    """Pages history into the sequencer.

    Parameters
    ----------
    fetch
        Asks REST.
    deliver
        Takes (source, payload, recv_ns) of each answer.
    problem
        Told, in words, what could not be fetched; the desk goes on without.
    """

    def __init__(
        self,
        venue: BinanceUsdm,
        settings: CoreSettings,
        fetch: Fetcher,
        deliver: Callable[[str, bytes, int], None],
        problem: Callable[[str], None],
    ) -> None:
        self._venue = venue
        self._settings = settings
        self._fetch = fetch
        self._deliver = deliver
        self._problem = problem
        self.done = 0
        self.total = 0

    async def run(self, instruments: tuple[Instrument, ...], now_ns: Callable[[], int]) -> None:
        """Fetch every window of every instrument; returns when all were tried."""
        jobs = []
        for item in instruments:
            for timeframe in self._settings.timeframes:
                if timeframe.name == "1s":
                    jobs.append(self._seconds(item, timeframe.window, now_ns))
                elif timeframe_seconds(timeframe.name) % 60 == 0:
                    # Two windows: the second one gives the charts statistics to show.
                    limit = min(2 * timeframe.window + _SPARE_BARS, _KLINES_MAX)
                    jobs.append(self._klines(item, timeframe.name, limit))
        self.total = len(jobs)
        await asyncio.gather(*jobs)

    async def refresh(self, instruments: tuple[Instrument, ...], timeframe: str) -> None:
        """Fetch the newest bars again: the first live bar of a run had begun before it."""
        await asyncio.gather(*(self._klines(item, timeframe, 3) for item in instruments))

    async def older(self, item: Instrument, timeframe: str, end_ns: int, limit: int) -> None:
        """Fetch bars before `end_ns`; raises what the venue answers."""
        request = self._venue.klines_request(item, timeframe, limit, Ns(end_ns))
        answer = await self._fetch(request)
        self._deliver(request.source, answer.payload, answer.recv_ns)

    async def _klines(self, item: Instrument, timeframe: str, limit: int) -> None:
        request = self._venue.klines_request(item, timeframe, limit)
        try:
            answer = await self._fetch(request)
        except (TransientError, VenueRejected) as error:
            self._problem(f"no {timeframe} history of {item.symbol}: {error}")
        else:
            self._deliver(request.source, answer.payload, answer.recv_ns)
        finally:
            self.done += 1

    async def _seconds(self, item: Instrument, window: int, now_ns: Callable[[], int]) -> None:
        """Page past trades from the start of the window until they overlap the live ones."""
        started_ns = now_ns()
        overlap_ns = started_ns + int(_OVERLAP_S * NS_PER_S)
        start_ns = started_ns - (window + _SPARE_BARS) * NS_PER_S
        request = self._venue.warm_trades_request(
            item, start_ns=Ns(start_ns), end_ns=Ns(started_ns + 60 * NS_PER_S)
        )
        try:
            for _ in range(_MAX_PAGES):
                answer = await self._fetch(request)
                self._deliver(request.source, answer.payload, answer.recv_ns)
                rows = msgspec.json.decode(answer.payload, type=list[_LastRow])
                if len(rows) < 1_000:
                    if answer.recv_ns >= overlap_ns:
                        return
                    await asyncio.sleep((overlap_ns - answer.recv_ns) / NS_PER_S + 0.5)
                if rows:
                    request = self._venue.next_warm_trades_request(item, rows[-1].a + 1)
        except (TransientError, VenueRejected, msgspec.DecodeError) as error:
            self._problem(f"no second bars of {item.symbol} before the start: {error}")
        finally:
            self.done += 1
