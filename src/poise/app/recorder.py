"""``poise record``: a venue's frames and snapshots as a recording."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from poise.app.config import Config
from poise.app.folders import link_path
from poise.app.start import core_settings, new_run_id
from poise.core.errors import UserError
from poise.core.events import ControlEvent, StreamUp
from poise.core.outputs import Diagnostic, HealBook
from poise.core.units import Ns
from poise.net.driver import Driver
from poise.runtime.boot import choose_instruments, tls_context
from poise.runtime.recording import EXCHANGE_INFO, RecordingWriter
from poise.venues.binance.usdm import BinanceUsdm


class _Listed(msgspec.Struct):
    symbols: list[dict[str, Any]]


class Recorder:
    """A sink that writes everything down; it asks for one snapshot of each book."""

    def __init__(self, writer: RecordingWriter, say: Callable[[str], None]) -> None:
        self._writer = writer
        self._say = say
        self.driver: Driver | None = None

    def on_frame(self, source: str, payload: bytes, recv_ns: int) -> None:  # noqa: ARG002 - a sink
        """Write one frame."""
        self._writer.frame(payload, recv_ns)

    def on_answer(self, source: str, payload: bytes, recv_ns: int) -> None:
        """Write one REST answer."""
        self._writer.answer(source, payload, recv_ns)

    def on_event(self, event: ControlEvent) -> None:
        """A depth stream is up: its snapshot is wanted."""
        if isinstance(event, StreamUp) and event.channel == "depth" and self.driver is not None:
            self.driver.heal(HealBook(event.instrument, 1))

    def on_diagnostic(self, diagnostic: Diagnostic) -> None:
        """Say what went wrong."""
        self._say(f"{diagnostic.level}: {diagnostic.text}")


def run_recorder(config: Config, file: Path, seconds: float, say: Callable[[str], None]) -> int:
    """Record until Ctrl-C or for `seconds`; returns the lines written."""
    return asyncio.run(_record(config, file, seconds, say))


def _only(exchange_info: bytes, symbols: set[str]) -> bytes:
    """The answer's entries of some symbols, as the venue wrote them."""
    listed = msgspec.json.decode(exchange_info, type=_Listed)
    return msgspec.json.encode(_Listed([raw for raw in listed.symbols if raw["symbol"] in symbols]))


async def _record(config: Config, file: Path, seconds: float, say: Callable[[str], None]) -> int:
    settings = core_settings(config, "live", new_run_id(), Path(), link_path())
    instruments = await choose_instruments(settings, Ns(time.time_ns()))
    venue = BinanceUsdm(instruments, settings.trade_channel)
    tls = tls_context(settings.ca_file)
    try:
        async with httpx.AsyncClient(base_url=settings.rest_url, verify=tls or True) as client:
            info = await client.get("/fapi/v1/exchangeInfo")
    except httpx.HTTPError as error:
        raise UserError(f"cannot reach {settings.rest_url} ({type(error).__name__})") from None
    wanted = {item.symbol for item in instruments}
    writer = RecordingWriter(file)  # only now: a venue out of reach leaves no empty file behind
    writer.answer(EXCHANGE_INFO, _only(info.content, wanted), time.time_ns())
    recorder = Recorder(writer, say)
    driver = Driver(
        venue, instruments, recorder, ws_url=settings.ws_url, rest_url=settings.rest_url, tls=tls
    )
    recorder.driver = driver
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    say(f"recording {', '.join(item.symbol for item in instruments)}; Ctrl-C stops")
    try:
        async with driver:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), seconds or None)
    finally:
        writer.close()
    return writer.lines
