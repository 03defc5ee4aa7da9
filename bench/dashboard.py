"""The page under load: frames a second and lag in headless Chromium.

    python bench/dashboard.py [--rate 5000] [--seconds 20] [--json]

The desk of `wire_to_signal` (50 instruments, 100 pairs on 3 timeframes, journal, lake, API) with
one real browser, on each screen in turn.

- ``fps``: animation frames a second that the page was given, over the whole stretch. What an empty
  page gets at the same time, ``blank_fps``, is all that the machine has to give.
- ``gap_p99_ms``: between two animation frames.
- ``lag_p95_ms``: from the server's stamp of a live frame to the page's acknowledgement, which it
  sends when it has painted it. Both clocks are this machine's.
- ``bytes_s``: of live frames.
- ``heap_mb``: of the page, at the beginning and at the end.

The browser paints in software and shares the machine with the desk and the sender.
"""

import argparse
import json
import shutil
import tempfile
import threading
from pathlib import Path

import numpy as np
from _feed import Feed, recordings
from _machine import machine
from playwright.sync_api import sync_playwright
from wire_to_signal import INSTRUMENTS, Bench

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
SETTLE_MS = 4_000
TARGETS = {"fps": "at least 50", "lag_p95_ms": "below 150"}
WATCH = """
(() => {
  const notes = { frames: [], stamps: new Map(), lags: [], bytes: 0 };
  window.__bench = notes;
  // msgpack: array, "frame" or "ack" with its length, then the sequence number.
  const number = (bytes, at) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const kind = bytes[at];
    if (kind < 0x80) return kind;
    if (kind === 0xcc) return view.getUint8(at + 1);
    if (kind === 0xcd) return view.getUint16(at + 1);
    return view.getUint32(at + 1);
  };
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
    if (bytes[1] === 0xa3 && String.fromCharCode(...bytes.slice(2, 5)) === "ack") {
      const sent = notes.stamps.get(number(bytes, 5));
      if (sent !== undefined) notes.lags.push(Date.now() - sent);
      notes.stamps.clear();
    }
    return send.call(this, data);
  };
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => {
        if (!(data instanceof ArrayBuffer)) return;
        notes.bytes += data.byteLength;
        const bytes = new Uint8Array(data, 0, Math.min(64, data.byteLength));
        const text = String.fromCharCode(...bytes);
        const stamp = /\\d{19}/.exec(text);
        if (text.slice(2, 7) === "frame" && stamp !== null)
          notes.stamps.set(number(bytes, 7), Number(stamp[0]) / 1e6);
      });
    }
  };
  const tick = (now) => { notes.frames.push(now); requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
})();
"""
RESET = "() => { const n = window.__bench; n.frames = []; n.lags = []; n.bytes = 0; }"
HEAP = "() => performance.memory.usedJSHeapSize / 1e6"


def fps(frames):
    """Mean animation frames a second."""
    return round(float(1e3 * (len(frames) - 1) / (frames[-1] - frames[0])), 1)


def measured(page, seconds):
    """What the page noted while it stayed on one screen."""
    page.wait_for_timeout(SETTLE_MS)
    heap = page.evaluate(HEAP)
    page.evaluate(RESET)
    page.wait_for_timeout(seconds * 1_000)
    notes = page.evaluate(
        "() => ({frames: __bench.frames, lags: __bench.lags, bytes: __bench.bytes})"
    )
    frames, lags = np.array(notes["frames"]), np.array(notes["lags"])
    if len(lags) == 0:
        raise SystemExit("the page painted no live frame")
    return {
        "fps": fps(frames),
        "gap_p99_ms": round(float(np.percentile(np.diff(frames), 99)), 1),
        "lag_p50_ms": round(float(np.percentile(lags, 50)), 1),
        "lag_p95_ms": round(float(np.percentile(lags, 95)), 1),
        "lag_max_ms": round(float(lags.max()), 1),
        "live_frames_s": round(len(lags) / seconds, 1),
        "bytes_s": round(notes["bytes"] / seconds),
        "heap_mb": [round(heap, 1), round(page.evaluate(HEAP), 1)],
    }


def watch(address, routes, seconds):
    """Log in and measure each screen."""
    found = next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("this bench needs Chromium: install the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(WATCH)
        page.goto("about:blank")
        page.wait_for_timeout(seconds * 1_000)
        result = {"blank_fps": fps(page.evaluate("() => __bench.frames"))}
        page.goto(address)
        page.wait_for_url("**/market**")
        for route in routes:
            page.goto(address.partition("/login")[0] + route)
            result[route] = measured(page, seconds)
        browser.close()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    if recordings() is None:
        raise SystemExit("no recordings: set POISE_DATA to the folder that holds hftbacktest/")
    folder = Path(tempfile.mkdtemp(prefix="poise-page-"))
    feed = Feed(recordings(), INSTRUMENTS)
    bench = Bench(feed, folder, "poisson")
    result = {"bench": "dashboard", "machine": machine(), "rate_msg_s": options.rate}
    try:
        bench.start(edge=True, client=False)
        routes = ("/market", f"/pairs/{feed.symbols[0]}/{feed.symbols[1]}")
        long_enough = (len(routes) + 2) * (options.seconds + SETTLE_MS / 1e3 + 10)
        flow = threading.Thread(target=bench.play, args=(options.rate, long_enough))
        flow.start()
        result |= watch(bench.ready["edge"], routes, options.seconds)
        flow.join()
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    for name, value in result.items():
        print(f"{name:22} {value}")
    print(f"{'targets':22} {TARGETS}")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
