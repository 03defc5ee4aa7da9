"""Byte-level damage to frames, used by faults only."""

import re

import msgspec

from poise.loopback.chance import Chance
from poise.loopback.specs import SymbolSpec

_EVENT_TIME = re.compile(rb'"E":(\d+)')
_BOTH_TIMES = re.compile(rb'"([ET])":(\d+)')
_PRICE = re.compile(rb'"(p|b)":"[^"]*"')
_BAD_NUMBERS = (b"NaN", b"-1.00", b"1e400", b"Infinity", b"", b"0x10", b"1_000")


def skewed(data: bytes, stream: str, by_ms: int) -> bytes:
    """Shift the venue's own times; kline and mark price carry other times under T, left alone."""
    if "@kline_" in stream or "@markPrice" in stream:
        return _EVENT_TIME.sub(lambda m: b'"E":%d' % (int(m[1]) + by_ms), data)
    return _BOTH_TIMES.sub(lambda m: b'"%b":%d' % (m[1], int(m[2]) + by_ms), data)


def garbage(payload: bytes, chance: Chance) -> bytes:
    """Return a broken relative of a frame: torn, nested too deep, not UTF-8, no number."""
    choice = chance.below(6)
    if choice == 0:
        return payload[: max(1, len(payload) // 2)]
    if choice == 1:
        return b"[" * 5000
    if choice == 2:
        return payload[:-1] + b',"s":"\xff\xfe"}'
    if choice == 3:
        return b'{"stream":17,"data":null}'
    if choice == 4:
        return b"\x00 not json at all"
    number = _BAD_NUMBERS[chance.below(len(_BAD_NUMBERS))]
    return _PRICE.sub(lambda m: b'"%b":"%b"' % (m[1], number), payload, count=1)


def crossed_ticker(data: bytes) -> bytes:
    """Exchange bid and ask of a bookTicker."""
    event = msgspec.json.decode(data, type=dict[str, object])
    event["b"], event["a"] = event["a"], event["b"]
    return msgspec.json.encode(event)


def crossed_depth(data: bytes, spec: SymbolSpec, best_ask: int) -> bytes:
    """Add a bid a hundred ticks above the best ask (scaled price) to a depth diff."""
    event = msgspec.json.decode(data, type=dict[str, object])
    bids = event["b"]
    assert isinstance(bids, list)
    bids.append([spec.price(best_ask + 100 * spec.tick), spec.qty(spec.step)])
    return msgspec.json.encode(event)
