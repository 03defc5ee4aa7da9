"""Small recordings written by hand."""

import gzip
import json

import pytest

from poise.core.instrument import Instrument

S = 1_000_000_000
MS = 1_000_000
START = 1_723_161_255 * S


def _trade(key, ms, price="61800.30", symbol="BTCUSDT"):
    data = {"e": "trade", "E": START // MS + ms, "T": START // MS + ms, "s": symbol, "t": key,
            "p": price, "q": "0.006", "X": "MARKET", "m": False}  # fmt: skip
    return {"stream": f"{symbol.lower()}@trade", "data": data}


def _quote(update_id, ms, bid="61800.20", ask="61800.30", symbol="BTCUSDT"):
    data = {"e": "bookTicker", "u": update_id, "s": symbol, "b": bid, "B": "2.507", "a": ask,
            "A": "2.510", "T": START // MS + ms, "E": START // MS + ms}  # fmt: skip
    return {"stream": f"{symbol.lower()}@bookTicker", "data": data}


def _line(ms, frame):
    text = frame if isinstance(frame, str) else json.dumps(frame, separators=(",", ":"))
    return f"{START + ms * MS} {text}\n".encode()


def _tape(count, symbol="BTCUSDT"):
    """Lines of `count` trades, 100 ms apart, each behind a quote."""
    lines = []
    for key in range(1, count + 1):
        ms = key * 100
        price = f"{61_800 + key % 7}.30"
        lines.append(_line(ms, _quote(key, ms, symbol=symbol)))
        lines.append(_line(ms + 1, _trade(key, ms, price, symbol)))
    return lines


@pytest.fixture(scope="session")
def start_ns():
    return START


@pytest.fixture(scope="session")
def trade_frame():
    return _trade


@pytest.fixture(scope="session")
def quote_frame():
    return _quote


@pytest.fixture(scope="session")
def make_line():
    return _line


@pytest.fixture(scope="session")
def make_tape():
    return _tape


@pytest.fixture
def write(tmp_path):
    def write(lines, name="tape"):
        path = tmp_path / name
        data = lines if isinstance(lines, bytes) else b"".join(lines)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


@pytest.fixture(scope="session")
def btc():
    return Instrument(
        ix=0, venue="binance.usdm", symbol="BTCUSDT", base="BTC", quote="USDT", kind="PERP",
        price_scale=2, qty_scale=3, tick=10, step=1,
    )  # fmt: skip
