"""The load: two recordings of futures, played as many instruments at once, as bytes of sockets.

Every instrument plays one whole recording from its own starting place, round and round, so each has
a sound book, consecutive trade ids and a real sequence of messages; the mix of kinds, the sizes and
the order are the recordings'. Only names, ids and times are written anew, in place, for whole
blocks of frames at once: digits keep their width. Where a recording ends, a few depth frames turn
the book of its end into the book of its beginning.
"""

import gzip
import json
import os
import re
from pathlib import Path

import numpy as np

RECORDINGS = ("usdm_btcusdt_20240808.gz", "usdm_ethusdt_20240808.gz")
QUOTE, TRADE, DEPTH = range(3)
KINDS = ("quote", "trade", "depth")
_KIND = {b"bookTicker": QUOTE, b"trade": TRADE, b"depth@0ms": DEPTH}
_IDS = (
    re.compile(rb'"u":(\d+)'),
    re.compile(rb'"t":(\d+)'),
    re.compile(rb'"U":(\d+),"u":(\d+),"pu":(\d+)'),
)
_WRAP_LEVELS = 66
_BLOCK = 50_000


def recordings():
    """Folder of the recordings, or None."""
    named = os.environ.get("POISE_DATA")
    root = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    folder = root / "hftbacktest"
    return folder if all((folder / name).exists() for name in RECORDINGS) else None


def _names(count):
    """Venue symbols, as long as those of the recordings: half play the one, half the other."""
    return [f"{'BE'[ix * 2 // count]}{ix % (count // 2):02d}USDT" for ix in range(count)]


def _with_header(payload):
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    assert size < 65_536
    return bytes((0x81, 126)) + size.to_bytes(2, "big") + payload


class _Recording:
    """One file as frames, from the depth frame that its snapshot joins."""

    def __init__(self, path, places):
        self.frames, self.kinds, self.times = [], [], []
        snapshot, lines = None, []
        with gzip.open(path) as file:
            for line in file:
                stamp, _, payload = line.rstrip(b"\n").partition(b" ")
                if payload.startswith(b'{"lastUpdateId"'):
                    snapshot = json.loads(payload)
                else:
                    kind = _KIND[payload[19 : payload.index(b'"', 11)]]
                    lines.append((int(stamp), kind, payload))
        self.book = ({}, {})
        for side, rows in zip(self.book, (snapshot["bids"], snapshot["asks"]), strict=True):
            side.update(rows)
        first = next(
            at
            for at, (_, kind, payload) in enumerate(lines)
            if kind == DEPTH and json.loads(payload)["data"]["u"] >= snapshot["lastUpdateId"]
        )
        self._play(lines[first:], places)

    def _play(self, lines, places):
        """Collect the frames; keep the book at `places` even steps, and lead it back at the end."""
        start = [dict(side) for side in self.book]
        wanted = [len(lines) * place // places for place in range(places)]
        self.starts, self.books = [], []
        top_id, trade_ids = 0, []
        for at, (stamp, kind, payload) in enumerate(lines):
            ids = [int(each) for each in _IDS[kind].search(payload).groups()]
            if kind == DEPTH:
                if len(self.starts) < places and at >= wanted[len(self.starts)]:
                    self.starts.append(at)
                    self.books.append((ids[2], [dict(side) for side in self.book]))
                data = json.loads(payload)["data"]
                for side, rows in zip(self.book, (data["b"], data["a"]), strict=True):
                    _set(side, rows)
            if kind == TRADE:
                trade_ids += ids
            else:
                top_id = max(top_id, *ids)
            self._add(stamp - lines[0][0], kind, payload.replace(b"@depth@0ms", b"@depth@100ms"))
        last_id = json.loads(next(p for _, k, p in reversed(lines) if k == DEPTH))["data"]["u"]
        first_id = json.loads(lines[0][2])["data"]["pu"]
        self.id_step = self._wrap(start, lines[-1][2][:21], last_id, top_id) - first_id
        self.trade_step = trade_ids[-1] - trade_ids[0] + 1

    def _wrap(self, start, head, prev_id, next_id):
        """Lead the book from the end to the beginning: removals first, so that it never crosses."""
        symbol = head[11:18]
        removed = [
            [[price, "0"] for price in end if price not in begin]
            for end, begin in zip(self.book, start, strict=True)
        ]
        added = [
            [[price, qty] for price, qty in begin.items() if end.get(price) != qty]
            for end, begin in zip(self.book, start, strict=True)
        ]
        time_ns = self.times[-1]
        for bids, asks in (removed, added):
            while bids or asks:
                next_id += 1
                time_ns += 1_000_000
                taken = bids[:_WRAP_LEVELS]
                del bids[:_WRAP_LEVELS]
                others = asks[: _WRAP_LEVELS - len(taken)]
                del asks[: len(others)]
                levels = json.dumps({"b": taken, "a": others}, separators=(",", ":"))[1:]
                text = (
                    b'{"stream":"%b@depth@100ms","data":{"e":"depthUpdate","E":1723161256299,'
                    b'"T":1723161256298,"s":"%b","U":%d,"u":%d,"pu":%d,%b}'
                    % (symbol, symbol.upper(), next_id, next_id, prev_id, levels.encode())
                )
                self._add(time_ns, DEPTH, text)
                prev_id = next_id
        return prev_id

    def _add(self, time_ns, kind, payload):
        self.times.append(time_ns)
        self.kinds.append(kind)
        self.frames.append(_with_header(payload))


def _set(side, rows):
    for price, qty in rows:
        if float(qty):
            side[price] = qty
        else:
            side.pop(price, None)


def _digits(values, width):
    return (values[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10 + 48).astype(np.uint8)


class Feed:
    """Frames number 0, 1, 2 and so on without end, of `count` instruments."""

    def __init__(self, folder, count=50):
        parts = [_Recording(folder / name, count // 2) for name in RECORDINGS]
        self.symbols = _names(count)
        self._frames = [frame for part in parts for frame in part.frames]
        self._sizes = np.array([len(frame) for frame in self._frames])
        self._kinds = np.array([kind for part in parts for kind in part.kinds], dtype=np.int8)
        self._find_fields()
        base = np.cumsum([0, *(len(part.frames) for part in parts)])
        steps = np.array([(part.id_step, part.trade_step) for part in parts])
        of_part = np.repeat(np.arange(len(parts)), np.diff(base))
        self._step = np.where(self._kinds == TRADE, steps[of_part, 1], steps[of_part, 0])
        self._start = np.empty(count, dtype=np.int64)
        self.books, frames, owners, times = [], [], [], []
        for ix in range(count):
            which = ix * 2 // count
            part = parts[which]
            at = part.starts[ix % (count // 2)]
            self.books.append(part.books[ix % (count // 2)])
            self._start[ix] = base[which] + at
            local = np.array(part.times)
            period = local[-1] + 1_000_000
            times.append((local - local[at]) % period / period)
            frames.append(np.arange(len(local), dtype=np.int32) + base[which])
            owners.append(np.full(len(local), ix, dtype=np.int16))
        order = np.argsort(np.concatenate(times), kind="stable")
        self._order = np.concatenate(frames)[order]
        self._owner = np.concatenate(owners)[order]
        gaps = np.diff(np.concatenate(times)[order], append=1.0)
        self.gaps = gaps / gaps.mean()
        """Recorded gaps between frames; their mean is 1."""
        names = np.frombuffer("".join(name[:3] for name in self.symbols).encode(), np.uint8)
        self._upper = names.reshape(count, 3)
        self._lower = np.where(self._upper >= 65, self._upper + 32, self._upper).astype(np.uint8)

    def _find_fields(self):
        """Where name, times and ids stand in every frame, and which ids."""
        rows, ids = [], []
        for frame, kind in zip(self._frames, self._kinds.tolist(), strict=True):
            found = _IDS[kind].search(frame)
            spans = [found.start(g + 1) for g in range(found.re.groups)]
            values = [int(each) for each in found.groups()]
            head = 4 if frame[1] == 126 else 2
            rows.append(
                (
                    head + 11,
                    frame.index(b'"s":"') + 5,
                    frame.index(b'"E":') + 4,
                    frame.index(b'"T":') + 4,
                    *(spans * 3)[:3],
                )
            )
            ids.append((values * 3)[:3])
        self._fields = np.array(rows)
        self._ids = np.array(ids)

    def first_trade_id(self, ix):
        """Id of the first trade that instrument `ix` will have."""
        start = self._start[ix]
        part = slice(start, None)
        place = start + int(np.argmax(self._kinds[part] == TRADE))
        return int(self._ids[place, 0])

    def kinds(self, first, count):
        """Kind of each frame of a stretch."""
        return self._kinds[self._order[np.arange(first, first + count) % len(self._order)]]

    def owners(self, first, count):
        """Instrument of each frame of a stretch."""
        return self._owner[np.arange(first, first + count) % len(self._order)]

    def build(self, first, count):
        """Bytes of `count` frames from number `first` on, without their times; see `stamp`."""
        blocks = [
            self._build(at, min(_BLOCK, first + count - at))
            for at in range(first, first + count, _BLOCK)
        ]
        ends = np.cumsum(np.concatenate([sizes for _, sizes, _ in blocks]))
        begins = np.concatenate(([0], ends[:-1]))[:, None]
        places = np.concatenate([places for _, _, places in blocks]) + begins
        return bytearray().join(block for block, _, _ in blocks), ends, places

    def _build(self, first, count):
        number = np.arange(first, first + count)
        frames = self._order[number % len(self._order)]
        owners = self._owner[number % len(self._order)]
        rounds = number // len(self._order) + (frames < self._start[owners])
        buffer = bytearray(b"".join([self._frames[each] for each in frames.tolist()]))
        out = np.frombuffer(buffer, np.uint8)
        sizes = self._sizes[frames]
        places = self._fields[frames]
        fields = places + (np.cumsum(sizes) - sizes)[:, None]
        three, thirteen, ten = np.arange(3), np.arange(13), np.arange(10)
        out[fields[:, 0, None] + three] = self._lower[owners]
        out[fields[:, 1, None] + three] = self._upper[owners]
        ids = self._ids[frames] + (rounds * self._step[frames])[:, None]
        trades = self._kinds[frames] == TRADE
        out[fields[trades, 4, None] + ten] = _digits(ids[trades, 0], 10)
        for slot in (4, 5, 6):  # frames with one id hold it three times: written alike
            some = ~trades
            out[fields[some, slot, None] + thirteen] = _digits(ids[some, slot - 4], 13)
        return buffer, sizes, places[:, 2:4]


def stamp(wire, places, times_ns):
    """Write the times into built frames."""
    out, thirteen = np.frombuffer(wire, np.uint8), np.arange(13)
    for at in range(0, len(times_ns), _BLOCK):
        digits = _digits(times_ns[at : at + _BLOCK] // 1_000_000, 13)
        for column in (0, 1):
            out[places[at : at + _BLOCK, column, None] + thirteen] = digits
