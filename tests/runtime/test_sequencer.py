"""The sequencer: one number, one non-decreasing time, and bad frames that change nothing."""

import json
import pickle
import random

import msgspec
import numpy as np
import pytest

from poise.core.events import RunStarted, TimeframeSpec, Timer
from poise.core.outputs import Diagnostic
from poise.engine.digest import RunDigest
from poise.engine.step import Engine
from poise.runtime.sequencer import Sequencer
from poise.store.journal_format import Kind
from poise.venues.binance.usdm import BinanceUsdm

S = 1_000_000_000
MS = 1_000_000


class Journal:
    def __init__(self):
        self.records, self.sources = [], {}

    def append(self, kind, seq, recv_ns, source, payload):
        self.records.append((kind, seq, recv_ns, source, payload))

    def declare_source(self, number, name, seq, recv_ns):
        assert number not in self.sources
        self.sources[number] = name


class Bench:
    def __init__(self, btc):
        self.run = RunStarted(
            environment="replay", run_id="r", instruments=(btc,),
            timeframes=(TimeframeSpec("1s", 20),), pairs=(), trade_channel="trade", recv_ns=0,
        )  # fmt: skip
        self.engine, self.journal, self.events = Engine(), Journal(), []
        self.step = self.engine.step
        self.engine.step = self.seen
        self.digest = RunDigest()
        self.sequencer = Sequencer(
            BinanceUsdm((btc,)), self.engine, journal=self.journal, digest=self.digest, first_seq=7
        )
        self.sequencer.start(self.run)

    def seen(self, event):
        self.events.append(event)
        return self.step(event)

    def state(self):
        """All that the core knows, as bytes."""
        market, pairs = self.engine.market, self.engine.pairs
        (state,) = market.instruments
        parts = (state.trades, state.book, state.bars, state.quote, state.last_trade, market.clock)
        arrays = [
            np.asarray(part).tobytes() for part in (pairs.params, pairs.outputs, pairs.log_mid)
        ]
        return pickle.dumps(parts), arrays, self.digest.hexdigest(), self.sequencer.seq


@pytest.fixture
def bench(btc):
    return Bench(btc)


def encode(frame):
    return json.dumps(frame).encode()


BAD = [
    b"", b"{}", b"[" * 99_999, b'{"stream":17,"data":null}', b"\xff\xfe", b"<html>",
    b'{"error":{"code":2,"msg":"a\\nb"},"id":1}',
]  # fmt: skip


def test_a_quarantined_frame_leaves_everything_untouched(bench, trade_frame, quote_frame, start_ns):
    sequencer = bench.sequencer
    for key in (1, 2):
        assert sequencer.frame("s", encode(quote_frame(key, key)), start_ns + key)
        assert sequencer.frame("s", encode(trade_frame(key, key)), start_ns + key)
    before, count = bench.state(), len(bench.events)
    bad = [*BAD, encode(trade_frame(3, 3, "NaN")), encode(trade_frame(3, 3, symbol="XUSDT")),
           encode(quote_frame(3, 3, ask="0"))]  # fmt: skip
    for number, payload in enumerate(bad, 1):
        assert sequencer.frame("s", payload, start_ns + 3) is False
        assert sequencer.quarantined == number
        assert sequencer.last_refusal.startswith("s: ")
    assert sequencer.answer("rest:depth:BTCUSDT", b"<html>", start_ns + 3) is False
    assert sequencer.answer("no such source", b"{}", start_ns + 3) is False
    assert bench.state() == before
    assert len(bench.events) == count
    kept = [record for record in bench.journal.records if record[0] == Kind.QUARANTINE]
    assert len(kept) == len(bad) + 2
    for record, payload in zip(kept, bad, strict=False):
        assert record[4].endswith(payload[:65_536])
    # And the stream goes on as if nothing had been.
    assert sequencer.frame("s", encode(trade_frame(3, 3)), start_ns + 4)
    assert bench.engine.market.instruments[0].trades.last_id == 3


def test_numbers_count_inputs_and_times_never_run_back(bench, trade_frame, start_ns):
    rng = random.Random(4)
    sequencer, inputs = bench.sequencer, 1
    for key in range(1, 200):
        at = start_ns + key * MS + rng.randint(-20, 20) * MS
        match rng.choice(["frame", "frame", "bad", "timer", "ack", "answer", "note"]):
            case "frame":
                sequencer.frame("socket 1", encode(trade_frame(key, key)), at)
                inputs += 1
            case "bad":
                sequencer.frame("socket 2", b"?", at)
            case "timer":
                sequencer.control(Timer(at))
                inputs += 1
            case "ack":
                sequencer.frame("socket 1", b'{"result":null,"id":1}', at)
                inputs += 1
            case "answer":
                sequencer.answer(
                    "rest:depth:BTCUSDT", b'{"lastUpdateId":1,"bids":[],"asks":[]}', at
                )
                inputs += 1
            case "note":
                sequencer.note(Diagnostic("info", "x", "y"), at)
        assert sequencer.seq == 6 + inputs
    stepped = [event.recv_ns for event in bench.events]
    assert stepped == sorted(stepped)
    records = bench.journal.records
    assert [record[2] for record in records] == sorted(record[2] for record in records)
    assert [record[1] for record in records] == sorted(record[1] for record in records)
    numbered = [record for record in records if record[0] in {Kind.EVENT, Kind.FRAME}]
    assert [record[1] for record in numbered] == list(range(7, 7 + inputs))


def test_a_control_event_in_the_past_is_journalled_and_applied_with_the_same_time(bench, start_ns):
    bench.sequencer.control(Timer(start_ns))
    bench.sequencer.control(Timer(start_ns - S))
    assert bench.events[-1] == Timer(start_ns)
    kind, _, recv_ns, source, payload = bench.journal.records[-1]
    assert (kind, recv_ns, source) == (Kind.EVENT, start_ns, 0)
    assert msgspec.msgpack.decode(payload, type=Timer) == Timer(start_ns)


def test_every_source_is_declared_before_its_first_record(bench, trade_frame, start_ns):
    for key, source in enumerate(["a", "b", "a", "c", "b"], 1):
        bench.sequencer.frame(source, encode(trade_frame(key, key)), start_ns + key)
    frames = [record for record in bench.journal.records if record[0] == Kind.FRAME]
    assert [bench.journal.sources[record[3]] for record in frames] == ["a", "b", "a", "c", "b"]


def test_outputs_follow_the_input_they_came_from(bench, trade_frame, start_ns):
    sequencer = bench.sequencer
    sequencer.frame("s", encode(trade_frame(1, 0)), start_ns)
    sequencer.frame("s", encode(trade_frame(2, 1_000)), start_ns + S)
    kinds = [record[0] for record in bench.journal.records]
    assert kinds[-2:] == [Kind.FRAME, Kind.OUTPUT]
    assert bench.journal.records[-1][1] == bench.journal.records[-2][1] == sequencer.seq
