"""Replay: a recording through the very same core, on the recording's own clock."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from poise.core.errors import UserError, VenueMessageError
from poise.core.events import Event, HealFailed, PairSpec, RunStarted, TimeframeSpec, Timer
from poise.core.instrument import Instrument
from poise.core.outputs import Bar, Gap, Output
from poise.core.units import NS_PER_MS, NS_PER_S, InstrumentIx, Ns
from poise.engine.digest import RunDigest
from poise.engine.step import Engine
from poise.runtime.recording import EXCHANGE_INFO, BadLine, Line, RecordingFile, merged
from poise.runtime.sequencer import Sequencer
from poise.venues.binance.instruments import from_catalogue, parse_exchange_info
from poise.venues.binance.usdm import BinanceUsdm

TIMER_NS = 100 * NS_PER_MS
_PAUSE_NS = 3_600 * NS_PER_S
"""A hole in the tape longer than this is stepped over by one timer."""


class ReplayResult(msgspec.Struct, frozen=True):
    """What a replay found. `gaps` are permanent ones; healed gaps are counted apart.

    `lines` counts every line read, those left out (`quarantined`) among them.
    """

    files: list[str]
    lines: int
    quarantined: int
    trades: int
    duplicates: int
    gaps: int
    gaps_healed: int
    chain_breaks: int
    book_checks: int
    book_mismatches: int
    bars: int
    first_ns: int
    last_ns: int
    seconds: float
    digest: str
    per_instrument: dict[str, dict[str, int]]


def recorded_instruments(
    files: list[RecordingFile], scales: dict[str, tuple[int, int]]
) -> tuple[Instrument, ...]:
    """Instruments of recordings: exchangeInfo in the file, `scales` given by the user, catalogue.

    Raises
    ------
    UserError
        When the scales of a symbol are known from none of them.
    """
    found: dict[str, Instrument] = {}
    for file in files:
        if file.exchange_info is not None:
            try:
                found.update(parse_exchange_info(file.exchange_info, quote=None, now_ns=Ns(0)))
            except VenueMessageError as error:
                raise UserError(
                    f"{file.path}: its line of instruments is broken: {error}"
                ) from None
        for symbol in file.symbols:
            if symbol not in found:
                found[symbol] = _scaled(symbol, scales)
    return tuple(
        msgspec.structs.replace(item, ix=InstrumentIx(ix)) for ix, item in enumerate(found.values())
    )


def _scaled(symbol: str, scales: dict[str, tuple[int, int]]) -> Instrument:
    if symbol not in scales:
        return from_catalogue(symbol, 0)
    price_scale, qty_scale = scales[symbol]
    quote = next((name for name in ("USDT", "USDC") if symbol.endswith(name)), symbol[-4:])
    return Instrument(
        ix=InstrumentIx(0),
        venue="binance.usdm",
        symbol=symbol,
        base=symbol.removesuffix(quote),
        quote=quote,
        kind="PERP",
        price_scale=price_scale,
        qty_scale=qty_scale,
        tick=1,  # type: ignore[arg-type] # unknown; nothing is ordered in a replay
        step=1,  # type: ignore[arg-type]
        scale_source="flag",
    )


class Replay:
    """One replay of recordings.

    Parameters
    ----------
    paths
        Files, merged by receive time.
    timeframes
        Bars to build.
    speed
        None: as fast as possible; else a factor on the original pace.
    scales
        (price, quantity) decimal places by symbol, for symbols that no catalogue knows.
    on_step
        Sees every event that had outputs.
    """

    def __init__(
        self,
        paths: list[Path],
        timeframes: tuple[TimeframeSpec, ...],
        *,
        speed: float | None = None,
        scales: dict[str, tuple[int, int]] | None = None,
        on_step: Callable[[Event, list[Output]], None] | None = None,
    ) -> None:
        self.files = [RecordingFile(path) for path in paths]
        instruments = recorded_instruments(self.files, scales or {})
        self.engine = Engine()
        self._digest = RunDigest()
        self._speed = speed
        self._on_step = on_step
        self._gaps = self._gaps_healed = self._bars = 0
        self.sequencer = Sequencer(
            BinanceUsdm(instruments), self.engine, on_step=self._count, digest=self._digest
        )
        self._run = RunStarted(
            environment="replay",
            run_id="replay",
            instruments=instruments,
            timeframes=timeframes,
            pairs=_all_pairs(instruments),
            trade_channel="trade",
            recv_ns=Ns(0),
        )
        self.bad: list[BadLine] = []

    def run(self, *, sleep: Callable[[float], None] = time.sleep) -> ReplayResult:
        """Play everything; returns what was found."""
        started = time.perf_counter()
        self.sequencer.start(self._run)
        lines = first_ns = last_ns = next_timer_ns = 0
        for line in merged(self.files):
            lines += 1
            if not first_ns:
                first_ns = line.recv_ns
                next_timer_ns = line.recv_ns + TIMER_NS
            last_ns = line.recv_ns
            if line.recv_ns - next_timer_ns > _PAUSE_NS:
                next_timer_ns = line.recv_ns
            while line.recv_ns >= next_timer_ns:
                self._pace(next_timer_ns - first_ns, started, sleep)
                self.sequencer.control(Timer(Ns(next_timer_ns)))
                next_timer_ns += TIMER_NS
            self._play(line)
        self._end_gaps(last_ns)
        no_lines = [bad for file in self.files for bad in file.bad]
        lines += len(no_lines)
        self.bad.extend(no_lines)
        return self._result(lines, first_ns, last_ns, time.perf_counter() - started)

    def _play(self, line: Line) -> None:
        sequencer = self.sequencer
        if line.source == EXCHANGE_INFO:
            return
        if line.source:
            sound = sequencer.answer(line.source, line.payload, line.recv_ns)
        else:
            sound = sequencer.frame("tape", line.payload, line.recv_ns)
        if not sound:
            reason = sequencer.last_refusal.partition(": ")[2]
            self.bad.append(BadLine(line.file, line.number, reason))

    def _end_gaps(self, last_ns: int) -> None:
        """Nothing can heal any more: what is still missing is recorded, what waits let through."""
        for state in self.engine.market.instruments:
            while state.trades.healing:
                reason = "the tape ended"
                failed = HealFailed(
                    state.instrument.ix, self._run.trade_channel, reason, True, Ns(last_ns)
                )
                self.sequencer.control(failed)

    def _pace(self, elapsed_ns: int, started: float, sleep: Callable[[float], None]) -> None:
        if self._speed is not None:
            ahead = elapsed_ns / NS_PER_S / self._speed - (time.perf_counter() - started)
            if ahead > 0:
                sleep(ahead)

    def _count(self, event: Event, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Gap):
                self._gaps_healed += output.healed
                self._gaps += not output.healed
            elif isinstance(output, Bar):
                self._bars += 1
        if self._on_step is not None:
            self._on_step(event, outputs)

    def _result(self, lines: int, first_ns: int, last_ns: int, seconds: float) -> ReplayResult:
        states = self.engine.market.instruments
        pairs = self.engine.pairs
        self._digest.add_floats(pairs.params, pairs.outputs)
        return ReplayResult(
            files=[file.path.name for file in self.files],
            lines=lines,
            quarantined=len(self.bad),
            trades=sum(state.trades.count for state in states),
            duplicates=sum(state.trades.duplicates for state in states),
            gaps=self._gaps,
            gaps_healed=self._gaps_healed,
            chain_breaks=sum(state.book.chain_breaks for state in states),
            book_checks=sum(state.book.checks for state in states),
            book_mismatches=sum(state.book.mismatches for state in states),
            bars=self._bars,
            first_ns=first_ns,
            last_ns=last_ns,
            seconds=round(seconds, 3),
            digest=self._digest.hexdigest(),
            per_instrument={
                state.instrument.symbol: {
                    "book_checks": state.book.checks,
                    "book_mismatches": state.book.mismatches,
                    "chain_breaks": state.book.chain_breaks,
                    "last_trade_id": state.trades.last_id,
                    "trades": state.trades.count,
                }
                for state in states
            },
        )


def _all_pairs(instruments: tuple[Instrument, ...]) -> tuple[PairSpec, ...]:
    """Every pair once, at most 300: enough to see, few enough to compute per tick."""
    count = len(instruments)
    pairs = [
        PairSpec(instruments[y].ix, instruments[x].ix)
        for x in range(count)
        for y in range(x + 1, count)
    ]
    return tuple(pairs[:300])
