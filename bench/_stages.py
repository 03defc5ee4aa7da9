"""What each stage of the hot path costs, per kind of message: the real rooms, called one by one."""

import gc
import json
import time

import numpy as np
from _feed import KINDS, QUOTE, stamp

from poise.core.events import PairSpec, Quote, RunStarted, Timer
from poise.core.instrument import Instrument
from poise.engine.step import Engine
from poise.runtime.kernels import warm_kernels
from poise.runtime.sequencer import Sequencer
from poise.runtime.settings import DEFAULT_TIMEFRAMES
from poise.store.journal_format import Kind
from poise.store.journal_writer import RECORD
from poise.venues.binance.usdm import BinanceUsdm

STAGES = ("recognise", "decode", "journal", "market", "signals")
_BEGINNING = 48
"""As `net.driver.connection` recognises the stream of a frame."""
START_NS = 1_800_000_000_000_000_000
GAP_NS = 100_000


def pairs(count, each=2):
    """Every instrument in `2 each` pairs: with its next neighbours."""
    steps = [step for step in range(1, each + 1) if step % count]
    return [(ix, (ix + step) % count) for ix in range(count) for step in steps]


def exchange_info(symbols):
    """Instruments as the venue would list them."""
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001"},
    ]
    rows = [
        {
            "symbol": symbol,
            "status": "TRADING",
            "baseAsset": symbol[:3],
            "quoteAsset": "USDT",
            "contractType": "PERPETUAL",
            "pricePrecision": 2,
            "quantityPrecision": 3,
            "filters": filters,
            "underlyingType": "COIN",
        }
        for symbol in symbols
    ]
    return {"symbols": rows}


def snapshot(feed, ix):
    """Answer of the depth endpoint for the book at which an instrument starts."""
    last_id, (bids, asks) = feed.books[ix]
    return json.dumps(
        {
            "lastUpdateId": last_id,
            "E": 1723161256501,
            "T": 1723161256493,
            "bids": sorted(bids.items(), key=lambda row: -float(row[0]))[:1000],
            "asks": sorted(asks.items(), key=lambda row: float(row[0]))[:1000],
        }
    ).encode()


def _core(feed):
    instruments = tuple(
        Instrument(
            ix=ix,
            venue="binance.usdm",
            symbol=symbol,
            base=symbol[:3],
            quote="USDT",
            kind="PERP",
            price_scale=2,
            qty_scale=3,
            tick=1,
            step=1,
        )
        for ix, symbol in enumerate(feed.symbols)
    )
    run = RunStarted(
        environment="replay",
        run_id="bench",
        instruments=instruments,
        timeframes=DEFAULT_TIMEFRAMES,
        pairs=tuple(PairSpec(y, x) for y, x in pairs(len(instruments))),
        trade_channel="trade",
        recv_ns=START_NS,
    )
    return BinanceUsdm(instruments), Engine(), run


def _payloads(feed, count):
    """Frames as the socket hands them over, with their receive times."""
    times = START_NS + np.arange(count) * GAP_NS
    wire, ends, places = feed.build(0, count)
    stamp(wire, places, times)
    begin, rows = 0, []
    for end, at in zip(ends.tolist(), times.tolist(), strict=True):
        head = 4 if wire[begin + 1] == 126 else 2
        rows.append((bytes(wire[begin + head : end]), at))
        begin = end
    return rows


class _Memory:
    """A journal that packs as the real one does and forgets."""

    def __init__(self):
        pack, self.rows = RECORD.pack, []
        put = self.rows.append

        def append(kind, seq, recv_ns, source, payload):
            put(pack(len(payload), kind, source, seq, recv_ns) + payload)

        self.append = append

    def declare_source(self, number, name, seq, recv_ns):
        pass


def _mean(values):
    """Mean without what something else interrupted: no frame takes 20 times as long as most."""
    return float(values[values < 20 * np.median(values)].mean())


def measure(feed, count=60_000):
    """Microseconds a message, by kind and stage; `total` is Sequencer.frame and the rest once."""
    warm_kernels()
    rows = _payloads(feed, count)
    kinds = feed.kinds(0, count)
    gc.collect()
    gc.disable()
    try:
        spent = _by_stage(feed, rows)
        total = _whole(feed, rows)
    finally:
        gc.enable()
    clock = min(-time.perf_counter_ns() + time.perf_counter_ns() for _ in range(100))
    result = {}
    share = np.bincount(kinds, minlength=3) / count
    for kind, name in enumerate(KINDS):
        mine = kinds == kind
        us = {
            stage: round((_mean(spent[mine, at]) - clock) / 1e3, 2)
            for at, stage in enumerate(STAGES)
            if stage != "signals" or kind == QUOTE
        }
        result[name] = us | {"total": round((_mean(total[mine]) - clock) / 1e3, 2)}
    result["mean_of_mix"] = {
        stage: round(
            float(sum(result[name].get(stage, 0) * share[k] for k, name in enumerate(KINDS))), 2
        )
        for stage in (*STAGES, "total")
    }
    return result


def _start(feed):
    venue, engine, run = _core(feed)
    journal = _Memory()
    sequencer = Sequencer(venue, engine, journal=journal)
    sequencer.start(run)
    return venue, engine, journal, sequencer


def _answers(feed, sequencer, at):
    for ix, symbol in enumerate(feed.symbols):
        sequencer.answer(f"rest:depth:{symbol}", snapshot(feed, ix), at)


def _by_stage(feed, rows):
    venue, engine, journal, sequencer = _start(feed)
    market, live, append, clock = engine.market, engine.pairs, journal.append, time.perf_counter_ns
    seen = {spec.wire_name: 0 for item in engine.run.instruments for spec in venue.streams(item)}
    names = {payload[:_BEGINNING]: venue.stream_of(payload) for payload, _ in rows}
    spent = np.zeros((len(rows), len(STAGES)), dtype=np.int64)
    for number, (payload, at) in enumerate(rows):
        t0 = clock()
        name = names.get(payload[:_BEGINNING])
        if name in seen:
            seen[name] = at
        t1 = clock()
        events = venue.decode_frame(payload, at)
        t2 = clock()
        append(Kind.FRAME, number, at, 1, payload)
        t3 = clock()
        outputs = []
        event = events[0]
        market.on_event(event, outputs)
        t4 = clock()
        if type(event) is Quote and market.quote is not None:
            live.on_mid(event.instrument, event.bid, event.ask)
        t5 = clock()
        spent[number] = (t1 - t0, t2 - t1, t3 - t2, t4 - t3, t5 - t4)
        if number == len(feed.symbols):
            _answers(feed, sequencer, at)
        if number % 1000 == 999:
            market.on_event(Timer(at), [])
            journal.rows.clear()
    assert all(state.book.live for state in market.instruments), "a book lost its chain"
    assert sum(state.book.chain_breaks for state in market.instruments) == 0
    return spent


def _whole(feed, rows):
    _, _, journal, sequencer = _start(feed)
    clock, frame = time.perf_counter_ns, sequencer.frame
    spent = np.zeros(len(rows), dtype=np.int64)
    for number, (payload, at) in enumerate(rows):
        t0 = clock()
        frame("ws:public#1", payload, at)
        spent[number] = clock() - t0
        if number == len(feed.symbols):
            _answers(feed, sequencer, at)
        if number % 1000 == 999:
            sequencer.control(Timer(at))
            journal.rows.clear()
    return spent


if __name__ == "__main__":
    from _feed import Feed, recordings

    for key, value in measure(Feed(recordings())).items():
        print(f"{key:12} {value}")
