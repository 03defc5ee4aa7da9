"""From the wire to a z-score: latency at a fixed rate, and the rate that can be held.

    python bench/wire_to_signal.py [--quick] [--soak] [--no-edge] [--json] ...

Three processes of a desk as they run for a user (core; edge with lake, API and one subscribed
client) and a sender in a fourth, over real WebSockets on loopback. The load is the recordings' own
frames as 50 instruments (see `_feed`), open loop; 100 pairs on 3 timeframes, warm from REST.

- ``p50_us`` .. ``max_us``: from the receive time of the socket read to the z-scores of a quote
  stored. All frames of one read have one receive time, so a frame waits for those before it.
- ``send_p50_us`` ..: to the same end from the time at which the sender *intended* to send, so a
  late sender and the kernel count too.
- ``saturation_msg_s``: highest rate at which the queue still runs empty in every second of 30.
- ``edge_alive``, ``edge_killed``: the same before and after a ``kill -9`` of the edge; saturation
  is measured after it.
- ``stages``: microseconds of each room by kind, called one by one in this process, beforehand.

The machine's other tenants are in every figure: look at ``machine.load`` and ``steal_percent``.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from multiprocessing.connection import wait
from pathlib import Path

import _venue
import httpx
import msgspec
import numpy as np
from _feed import KINDS, QUOTE, Feed, recordings
from _machine import cpu_seconds, machine, others_busy_s, percentiles_us, rss_mb
from _probe import ROWS, ProbeSettings, Ring
from _stages import measure as measure_stages
from _stages import pairs
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from poise.api import contract as wire
from poise.runtime.processes import Child, Ended, Ready, Said
from poise.runtime.settings import CoreSettings, EdgeSettings

CORE_WORK = "_probe:core_work"
EDGE_WORK = "poise.app.edge_process:edge_work"
INSTRUMENTS = 50
SETTLE_S = 5
HELD_MS = 20.0
"""A queue that never gets shorter than this within a second has a backlog."""
TRIALS = 7
TARGETS = {
    "p50_us": 40,
    "p99_us": 300,
    "send_p50_us": 100,
    "send_p99_us": 800,
    "saturation_msg_s": 60_000,
    "rss_mb_per_min": 1,
}


class Bench:
    """Sender, core, edge and client; `close` ends them."""

    def __init__(self, feed, folder, pace):
        self.feed, self.folder, self.pace = feed, folder, pace
        self.children, self.said, self.ready = [], [], {}
        self.sent = 0
        ours, theirs = multiprocessing.get_context("fork").Pipe()
        self.sender = multiprocessing.get_context("fork").Process(
            target=_venue.run, args=(feed, theirs), daemon=True
        )
        self.sender.start()
        theirs.close()
        self._orders = ours
        port = ours.recv()
        memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else folder
        self._ring_path = memory / f"poise-bench-{os.getpid()}"
        self.ring = Ring(self._ring_path)
        self.core = self.edge = None
        self._port = port

    def start(self, *, edge, client=True):
        """Start core and, where asked for, edge and client."""
        names, port = self.feed.symbols, self._port
        settings = CoreSettings(
            environment="replay",
            run_id="bench",
            data=str(self.folder),
            link=str(self.folder / "core.sock"),
            ws_url=f"ws://127.0.0.1:{port}",
            rest_url=f"http://127.0.0.1:{port}",
            symbols=tuple(names),
            pairs=tuple(f"{names[y]}/{names[x]}" for y, x in pairs(len(names))),
        )
        self.core = self.begin("core", CORE_WORK, ProbeSettings(settings, str(self._ring_path)))
        self.warmth = self.warm()
        if edge:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            address = self.begin_edge(settings)
            if client:
                threading.Thread(target=_listen, args=(address,), daemon=True).start()

    def begin(self, name, work, settings):
        child = Child(name, work, settings)
        child.start()
        self.children.append(child)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if self.core:
                self.play(2_000, 1)  # silence would be an alarm
            else:
                time.sleep(0.1)
                self.look()
            if name in self.ready:
                return child
        raise RuntimeError(f"{name} did not start within 120 s")

    def begin_edge(self, core):
        settings = EdgeSettings(environment="replay", data=core.data, link=core.link, port=0)
        self.edge = self.begin("edge", EDGE_WORK, settings)
        return self.ready["edge"]

    def look(self):
        """Read what the children say; a child that has ended ends the bench."""
        while pipes := wait([child.pipe for child in self.children], 0):
            for child in self.children:
                if child.pipe in pipes:
                    news = child.news()
                    if isinstance(news, Ended):
                        raise RuntimeError(f"{child.name} ended: {news.error}")
                    if isinstance(news, Said):
                        self.said.append(news.text)
                    if isinstance(news, Ready):
                        self.ready[child.name] = news.detail

    def warm(self):
        """Trickle until the core has its history; returns how many rows are warm."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            self.play(5_000, 2)
            for text in self.said:
                if text.startswith("ready:"):
                    return text
        raise RuntimeError(f"not warm within 120 s: {self.said[-3:]}")

    def play(self, rate, seconds, patience_s=30.0):
        """One stretch: intended, receive and finish times, and kinds of its frames."""
        count = int(rate * seconds)
        self.ring.clear(self.sent, count)
        self._orders.send((rate, seconds, self.pace))
        if not self._orders.poll(seconds * 4 + 90):
            raise RuntimeError("the sender is stuck")
        try:
            first, times, late_ns = self._orders.recv()
        except EOFError:
            self.look()
            raise RuntimeError(f"the sender died; the core said {self.said[-5:]}") from None
        assert first == self.sent
        self.sent += count
        done = self.ring.wait(self.sent - 1, patience_s)
        self.look()
        recv, end = self.ring.rows(first, count)
        if not done and patience_s >= 30.0:
            raise RuntimeError(f"{int((end == 0).sum())} frames never came: {self.said[-3:]}")
        return Stretch(
            np.frombuffer(times, np.int64), recv, end, self.feed.kinds(first, count), late_ns
        )

    def usage(self):
        pids = {"core": self.core.pid, "sender": self.sender.pid}
        if self.edge:
            pids["edge"] = self.edge.pid
        return {name: cpu_seconds(pid) for name, pid in pids.items()}

    def kill_edge(self):
        """`kill -9` it; returns when."""
        edge, self.edge = self.edge, None
        self.children.remove(edge)
        os.kill(edge.pid, signal.SIGKILL)
        return time.time_ns()

    def close(self):
        for child in reversed(self.children):
            child.stop()
            child.join()
        self._orders.close()
        self.sender.join(5)
        if self.sender.is_alive():
            self.sender.kill()
        self._ring_path.unlink(missing_ok=True)


class Stretch:
    """Times of one stretch."""

    def __init__(self, intended, recv, end, kinds, late_ns):
        self.intended, self.recv, self.end, self.kinds, self.late_ns = (
            intended, recv, end, kinds, late_ns,
        )  # fmt: skip

    def part(self, rows):
        """Some of its frames."""
        return Stretch(
            self.intended[rows], self.recv[rows], self.end[rows], self.kinds[rows], self.late_ns
        )

    def latencies(self):
        quotes = self.kinds == QUOTE
        return percentiles_us((self.end - self.recv)[quotes]) | percentiles_us(
            (self.end - self.intended)[quotes], "send_"
        )

    def held(self):
        """Whether the queue ran empty in every second, the last included."""
        if (self.end == 0).any():
            return False
        second = (self.intended - self.intended[0]) // 1_000_000_000
        waits = (self.end - self.intended) / 1e6
        # Half-filled last seconds say nothing.
        return all(waits[second == n].min() < HELD_MS for n in range(int(second[-1])))


def _listen(address):
    """One client that subscribes to all that a page shows, and acknowledges every frame."""
    base = address.partition("/login")[0]
    answer = httpx.get(address)
    headers = {"Cookie": answer.headers["set-cookie"].partition(";")[0], "Origin": base}
    decoder, encode = msgspec.msgpack.Decoder(wire.Frame), msgspec.msgpack.encode
    topics = (("quotes", ""), ("pairs", ""), ("health", ""), ("candle", "0|1s"), ("book", "0"))
    while True:
        try:
            with connect(base.replace("http", "ws") + "/ws", additional_headers=headers) as talk:
                for topic, key in (*topics, ("trades", "0"), ("pair", "0|1|1s")):
                    talk.send(encode(wire.Subscribe(topic, key)))
                while True:
                    frame = decoder.decode(talk.recv())
                    talk.send(encode(wire.Ack(frame.seq)))
        except (ConnectionClosed, OSError):
            time.sleep(1.0)


def measured(bench, rate, seconds):
    """Latencies, processor and mix of a stretch at a fixed rate."""
    bench.play(rate, SETTLE_S)
    collections, collecting = bench.ring.collections, bench.ring.collecting_ms
    before, wall, (busy, stolen) = bench.usage(), time.monotonic(), others_busy_s()
    stretch = bench.play(rate, seconds)
    after, spent = bench.usage(), time.monotonic() - wall
    busy, stolen = (b - a for a, b in zip((busy, stolen), others_busy_s(), strict=True))
    counts = np.bincount(stretch.kinds, minlength=3)
    cpu = {}
    for name, (user, system) in after.items():
        u, s = user - before[name][0], system - before[name][1]
        cpu[name] = {
            "user_s": round(u, 2),
            "sys_s": round(s, 2),
            "percent": round(100 * (u + s) / spent, 1),
            "us_per_msg": round(1e6 * (u + s) / len(stretch.kinds), 2),
        }
    mine = sum(row["user_s"] + row["sys_s"] for row in cpu.values())
    return stretch.latencies() | {
        "rate_msg_s": rate,
        "messages": len(stretch.kinds),
        "reads": len(np.unique(stretch.recv)),
        "sender_latest_us": round(stretch.late_ns / 1e3),
        "mix": {
            k: round(100 * float(n) / len(stretch.kinds), 1)
            for k, n in zip(KINDS, counts, strict=True)
        },
        "gc_collections": bench.ring.collections - collections,
        "gc_ms": round(bench.ring.collecting_ms - collecting, 1),
        "cpu": cpu,
        "others_percent": round(100 * max(0.0, busy - stolen - mine) / spent / os.cpu_count(), 1),
        "steal_percent": round(100 * stolen / spent / os.cpu_count(), 1),
    }


def edge_killed(bench, rate, seconds):
    """Latencies of a stretch in whose middle the edge dies, before and after it."""
    killed = []
    timer = threading.Timer(3 + seconds / 2, lambda: killed.append(bench.kill_edge()))
    timer.start()
    stretch = bench.play(rate, seconds)
    timer.join()
    before = stretch.intended < killed[0]
    return {
        f"edge_{name}": stretch.part(rows).latencies()
        for name, rows in (("alive", before), ("killed", ~before))
    }


def saturation(bench, seconds, start):
    """Bracket the rate, then halve the bracket; every trial is told."""
    low, high, trials = 0, 0, []
    rate = start
    for _ in range(TRIALS):
        stretch = bench.play(rate, seconds, patience_s=20.0)
        held = stretch.held()
        trials.append([int(rate), held])
        print(f"  {rate:8,.0f} msg/s {'held' if held else 'not held'}", flush=True)
        if not held and (stretch.end == 0).any():
            bench.ring.wait(bench.sent - 1, 60.0)
        low, high = (rate, high) if held else (low, rate)
        if low and high and high - low <= 0.05 * low:
            break
        rate = (low + high) / 2 if low and high else 1.25 * low or high / 1.25
        if rate * seconds > ROWS:
            break
    return {"saturation_msg_s": int(low), "saturation_trials": trials}


def soak(bench, rate, minutes):
    """Resident memory after each minute, and its slope."""
    pids = {"core": bench.core.pid} | ({"edge": bench.edge.pid} if bench.edge else {})
    rows = {name: [] for name in pids}
    clock = []
    for _ in range(minutes):
        bench.play(rate, 60)
        clock.append(time.monotonic() / 60)
        for name, pid in pids.items():
            rows[name].append(rss_mb(pid))
        print(
            f"  {' '.join(f'{name} {each[-1]:.1f} MB' for name, each in rows.items())}", flush=True
        )
    slopes = {name: float(np.polyfit(clock, each, 1)[0]) for name, each in rows.items()}
    return {
        "rss_mb": {name: [round(x, 1) for x in each] for name, each in rows.items()},
        "rss_mb_per_min": round(slopes["core"], 3),
        "rss_mb_per_min_edge": round(slopes.get("edge", 0.0), 3),
    }


def work(options, folder, result):
    feed = Feed(recordings(), INSTRUMENTS)
    result |= {"bench": "wire_to_signal", "machine": machine(), "pace": options.pace}
    result["alone"] = options.alone
    bench = Bench(feed, folder, options.pace)
    try:
        result["stages"] = measure_stages(feed)
        bench.start(edge=not options.no_edge)
        result["warm"] = bench.warmth
        result |= measured(bench, options.rate, options.seconds)
        result["edge"] = bench.edge is not None
        if options.soak:
            result |= soak(bench, options.rate, options.soak)
        if bench.edge:
            result |= edge_killed(bench, options.rate, options.seconds)
        if not options.no_saturation:
            result |= saturation(bench, 6 if options.quick else 30, options.start)
        result["alarms"] = [text for text in bench.said if text.startswith("alarm")][:5]
    finally:
        bench.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--pace", choices=("poisson", "even", "recorded"), default="poisson")
    parser.add_argument("--start", type=int, default=60_000, help="first rate tried for saturation")
    parser.add_argument("--quick", action="store_true", help="10 s, and trials of 6 s")
    parser.add_argument("--soak", type=int, nargs="?", const=10, default=0, metavar="MINUTES")
    parser.add_argument(
        "--alone",
        action="store_true",
        help="sender and core at real-time priority (needs root), where others use the machine",
    )
    parser.add_argument("--no-edge", action="store_true")
    parser.add_argument("--no-saturation", action="store_true")
    parser.add_argument("--folder", type=Path, default=None, help="where to write; removed after")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    if recordings() is None:
        raise SystemExit("no recordings: set POISE_DATA to the folder that holds hftbacktest/")
    if options.quick:
        options.seconds = min(options.seconds, 10)
    if options.alone:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))  # inherited by the children
    folder = Path(tempfile.mkdtemp(prefix="poise-wire-", dir=options.folder))
    result = {}
    try:
        work(options, folder, result)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in result.items():
            target = f"   (target {TARGETS[name]:,})" if name in TARGETS else ""
            print(f"{name:22} {value}{target}")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
