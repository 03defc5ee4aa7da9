"""The real recordings by the loopback at ten times their pace, read live: as a replay (Shows 3)."""

import asyncio
import hashlib
import time

import pytest
import uvloop
from tests.runtime.socket_desk import until

from poise.core.events import DepthDiff, DepthSnapshot, StreamDown, StreamUp, TimeframeSpec
from poise.core.outputs import Gap
from poise.engine.step import Engine
from poise.loopback.config import ServerConfig, TapeConfig, VenueConfig
from poise.loopback.server import LoopbackServer
from poise.runtime.boot import choose_instruments
from poise.runtime.core import Core
from poise.runtime.journal_replay import JournalReplay
from poise.runtime.kernels import warm_kernels
from poise.runtime.replay import Replay
from poise.runtime.settings import CoreSettings

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(600)]
PACE = 10.0
TRADES = {"BTCUSDT": 21_313, "ETHUSDT": 14_076}
BOOK_CHECKS = {"BTCUSDT": 629, "ETHUSDT": 551}
STREAMS = 8
"""Trades, quotes, depth and mark price of two symbols. A tape has no mark price: its streams are
asked for, acknowledged and silent, which is an alarm and no reason to doubt anything else."""
TIMEFRAMES = (TimeframeSpec("1s", 60),)


class Noting(Engine):
    """Notes trades let through, gaps, and a digest of every live book by symbol and update id.

    The venue's snapshot holds 1,000 levels a side: what lies beyond was there before the snapshot
    and no message tells of it. Books are compared within the prices that a snapshot has spanned.
    """

    def __init__(self, spans=None):
        super().__init__()
        self.spans = {} if spans is None else spans
        self._learns = spans is None
        self.trades, self.books, self.gaps, self.streams = {}, {}, [], []

    def step(self, event):
        outputs = super().step(event)
        for trade in self.market.accepted:
            symbol = self.run.instruments[trade.instrument].symbol
            row = (trade.trade_id, trade.price, trade.qty, trade.aggressor_side, trade.venue_ns)
            self.trades.setdefault(symbol, []).append(row)
        self.gaps += [output for output in outputs if isinstance(output, Gap)]
        if isinstance(event, StreamUp | StreamDown):
            self.streams.append(event)
        if isinstance(event, DepthSnapshot) and self._learns:
            symbol = self.run.instruments[event.instrument].symbol
            self.spans[symbol] = (int(event.bids[-1, 0]), int(event.asks[-1, 0]))
        if isinstance(event, DepthDiff):
            self.note_book(self.market.instruments[event.instrument])
        return outputs

    def note_book(self, state):
        sync = state.book
        if sync.live:
            bids, asks = sync.book.top(1 << 20)
            lowest, highest = self.spans[state.instrument.symbol]
            digest = hashlib.blake2b(bids[bids[:, 0] >= lowest].tobytes(), digest_size=16)
            digest.update(asks[asks[:, 0] <= highest].tobytes())
            books = self.books.setdefault(state.instrument.symbol, {})
            books[sync.book.last_id] = digest.digest()


@pytest.fixture(scope="module")
def recordings(real_data):
    names = [f"usdm_{coin}usdt_20240808.gz" for coin in ("btc", "eth")]
    return tuple(real_data / "hftbacktest" / name for name in names)


@pytest.fixture(scope="module")
def direct(recordings, live):
    """What a replay of the files makes of them, its books within what the live one could know."""
    replay = Replay(list(recordings), TIMEFRAMES)
    noting = Noting(live[0].spans)
    replay.engine, replay.sequencer._step = noting, noting.step
    replay.run()
    return noting


async def play(recordings, folder):
    config = VenueConfig(TapeConfig(recordings, speed=PACE, wait_for=STREAMS))
    # A machine that stops for seconds must not make the server cut us for reading late.
    async with LoopbackServer(ServerConfig(config, max_backlog_bytes=1 << 30)) as server:
        settings = CoreSettings(
            environment="demo",
            run_id="tape",
            data=str(folder / "data"),
            link=str(folder / "link"),
            ws_url=server.ws_url,
            rest_url=server.rest_url,
            symbols=tuple(TRADES),
            timeframes=TIMEFRAMES,
            warm=False,
        )
        instruments = await choose_instruments(settings, time.time_ns())
        said = []
        core = Core(settings, instruments, said.append)
        noting = core.engine = Noting()
        core.sequencer._step = noting.step
        await core.start()
        try:
            market = server.venue.market
            await until(lambda: market.finished or core.finished.is_set(), "the tape has no end")
            last_ids = {symbol: market.true_trades(symbol)[-1].id for symbol in TRADES}
            for state in noting.market.instruments:
                last_id = last_ids[state.instrument.symbol]
                await until(
                    lambda state=state, last_id=last_id: state.trades.last_id >= last_id,
                    f"{state.instrument.symbol}: trade {last_id} does not come",
                )
            await asyncio.sleep(0.5)
        finally:
            await core.stop()
    assert server.venue.recording_errors == []
    return noting, core, said


@pytest.fixture(scope="module")
def live(recordings, tmp_path_factory):
    """Engine, core and what was said, after the whole tape by sockets."""
    warm_kernels()
    folder = tmp_path_factory.mktemp("tape")
    return (*uvloop.run(play(recordings, folder)), folder)


def test_the_same_trades(direct, live):
    noting, core, _, _ = live
    assert {symbol: len(rows) for symbol, rows in direct.trades.items()} == TRADES
    assert noting.trades == direct.trades
    assert noting.gaps == direct.gaps == []
    assert core.sequencer.quarantined == 0


def test_the_same_books_at_every_update(direct, live):
    noting, _, _, _ = live
    for symbol, count in BOOK_CHECKS.items():
        mine, theirs = noting.books[symbol], direct.books[symbol]
        shared = mine.keys() & theirs.keys()
        assert all(mine[key] == theirs[key] for key in shared)
        assert max(mine) == max(theirs)
        # The book may go live a few updates sooner or later than in the recording.
        assert len(shared) > 0.99 * len(theirs)
        state = next(s for s in noting.market.instruments if s.instrument.symbol == symbol)
        assert state.book.mismatches == 0
        assert state.book.chain_breaks == 0
        assert state.book.checks > 0.95 * count


def test_only_the_mark_price_is_missed(live):
    noting, _, said, _ = live
    down = {event.channel for event in noting.streams if isinstance(event, StreamDown)}
    up = [(e.instrument, e.channel) for e in noting.streams if isinstance(e, StreamUp)]
    assert not down
    assert sorted(up) == [(ix, channel) for ix in (0, 1) for channel in ("depth", "quote", "trade")]
    assert all("markPrice" in text for text in said if "alarm" in text and "clock" not in text)


def test_what_was_stored_says_the_same(direct, live):
    _, _, _, folder = live
    result = JournalReplay(folder / "data" / "journal").run()
    assert result.mismatches == 0, result.first_mismatches
    assert result.trades == sum(TRADES.values())
    assert result.book_mismatches == result.chain_breaks == result.quarantined == 0
