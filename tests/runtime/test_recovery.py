"""A run continues the one before it; a journal replays to the same outputs."""

import itertools
from pathlib import Path

import msgspec
import pytest

from poise.core.errors import UserError
from poise.core.events import PairSpec, RunStarted, TimeframeSpec, Timer
from poise.core.instrument import Instrument
from poise.engine.step import Engine
from poise.runtime.journal_replay import JournalReplay
from poise.runtime.recovery import Checkpoint, continued_from, write_checkpoint
from poise.runtime.sequencer import Sequencer
from poise.store.journal_writer import JournalWriter
from poise.venues.binance.usdm import BinanceUsdm

SECOND = 1_000_000_000
START_MS = 1_700_000_000_000


def instrument(ix: int, symbol: str) -> Instrument:
    return Instrument(
        ix=ix, venue="binance.usdm", symbol=symbol, base=symbol[:-4], quote="USDT", kind="PERP",
        price_scale=2, qty_scale=3, tick=1, step=1,
    )  # fmt: skip


INSTRUMENTS = (instrument(0, "AAAUSDT"), instrument(1, "BBBUSDT"))


def run_started(continued: tuple[tuple[str, int], ...] = ()) -> RunStarted:
    return RunStarted(
        environment="demo",
        run_id="r",
        instruments=INSTRUMENTS,
        timeframes=(TimeframeSpec("1s", 20),),
        pairs=(PairSpec(0, 1),),
        trade_channel="trade",
        recv_ns=START_MS * 1_000_000,
        continued=continued,
    )


def trade_frame(symbol: str, number: int, ms: int) -> bytes:
    data = {
        "e": "trade", "E": ms, "T": ms, "s": symbol, "t": number,
        "p": f"{100 + number % 7}.50", "q": "0.125", "m": bool(number % 2),
    }  # fmt: skip
    return msgspec.json.encode({"stream": f"{symbol.lower()}@trade", "data": data})


class Desk:
    """A sequencer on a real journal."""

    def __init__(self, data: Path) -> None:
        self.journal = JournalWriter(
            data / "journal", environment="demo", run_id="r", code_version="0",
            config_hash="0", wall_ns=itertools.count(START_MS * 1_000_000).__next__,
        )  # fmt: skip
        self.engine = Engine()
        self.sequencer = Sequencer(
            BinanceUsdm(INSTRUMENTS),
            self.engine,
            journal=self.journal,
            first_seq=self.journal.recovered.last_seq + 1,
        )

    def trades(self, symbol: str, first: int, last: int) -> None:
        for number in range(first, last + 1):
            ms = START_MS + number * 300
            self.sequencer.frame("ws:public#1", trade_frame(symbol, number, ms), ms * 1_000_000)
            self.sequencer.control(Timer((ms + 100) * 1_000_000))

    def close(self) -> None:
        self.journal.close(0)


def test_a_new_run_knows_the_last_trade_of_each_instrument(tmp_path: Path) -> None:
    assert continued_from(tmp_path, "trade") == ()
    desk = Desk(tmp_path)
    desk.sequencer.start(run_started())
    desk.trades("AAAUSDT", 10, 30)
    desk.trades("BBBUSDT", 500, 505)
    desk.close()
    expected = (("binance.usdm:AAA-USDT-PERP", 30), ("binance.usdm:BBB-USDT-PERP", 505))
    assert continued_from(tmp_path, "trade") == expected
    assert continued_from(tmp_path, "aggTrade") == ()  # other ids: nothing to continue

    again = Desk(tmp_path)
    again.sequencer.start(run_started(expected))
    again.trades("AAAUSDT", 33, 34)  # 31 and 32 were missed while down
    again.trades("BBBUSDT", 505, 507)  # 505 was known
    states = again.engine.market.instruments
    assert states[0].trades.healing
    assert states[0].trades.last_id == 30
    assert (states[1].trades.duplicates, states[1].trades.last_id) == (1, 507)
    again.close()


def test_a_checkpoint_shortens_the_way_and_changes_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.sequencer.start(run_started())
    desk.trades("AAAUSDT", 1, 20)
    write_checkpoint(
        tmp_path,
        Checkpoint(
            seq=desk.sequencer.seq,
            segment=desk.journal.position.segment,
            run=run_started(),
            last_ids=(("binance.usdm:AAA-USDT-PERP", 20),),
        ),
    )
    desk.trades("AAAUSDT", 21, 25)
    desk.close()
    with_checkpoint = continued_from(tmp_path, "trade")
    (tmp_path / "checkpoint.msgpack").unlink()
    assert with_checkpoint == continued_from(tmp_path, "trade")
    assert dict(with_checkpoint)["binance.usdm:AAA-USDT-PERP"] == 25


def test_a_journal_replays_to_the_same_outputs_and_digest(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.sequencer.start(run_started())
    desk.trades("AAAUSDT", 1, 60)
    assert not desk.sequencer.frame("ws:public#1", b'{"stream":"x@trade","data":{}}', 10**18)
    desk.close()
    first = JournalReplay(tmp_path / "journal").run()
    second = JournalReplay(tmp_path / "journal").run()
    assert first.digest == second.digest
    assert (first.runs, first.trades, first.quarantined, first.mismatches) == (1, 60, 1, 0)
    assert first.outputs > 10


def test_a_folder_without_a_journal_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="journal"):
        JournalReplay(tmp_path / "none")
    with pytest.raises(UserError, match="journal"):
        JournalReplay(tmp_path)
