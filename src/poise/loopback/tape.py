"""The recorded market: plays a recording's own bytes and keeps the venue's book beside them.

What a tape cannot know it does not invent, with two exceptions a connector needs to start:

- Before the in-line snapshot has been played, `/depth` answers with that very snapshot. It is
  newer than the stream then, which the official procedure allows: events up to its id are
  dropped, and the one that holds it is the first applied. A 503 would only make the connector
  ask again. Without any in-line snapshot the book stays unknown.
- A tape has no mark price; `/premiumIndex` gives the mid, with rate 0. `@markPrice` and `@kline`
  streams are acknowledged and stay silent, unless the recording holds them.

The snapshot line sends nothing and holds nothing up. Depth goes out as recorded whatever speed was
asked for: a depth@0ms tape serves `@depth`, `@depth@100ms` and `@depth@500ms` alike.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from poise.loopback import wire
from poise.loopback.book import ASK, BID, Book, BookView, Change, Level
from poise.loopback.config import TapeConfig
from poise.loopback.errors import RecordingError
from poise.loopback.funding import next_stamp_ms
from poise.loopback.klines import MINUTE_MS, Minutes, MinuteSource
from poise.loopback.market import FundingStamp, Mark, Published, Wanted
from poise.loopback.recorded_events import DepthEvent, QuoteEvent, Snapshot, TradeEvent
from poise.loopback.recording import Line, Recording
from poise.loopback.specs import SymbolSpec, scaled
from poise.loopback.streams import DEPTH_SUFFIXES
from poise.loopback.tape_specs import spec_from_survey
from poise.loopback.trades import Trade, TradeLog

BATCH_LINES = 256
"""Lines played in one go at full speed, between two looks at the readers' backlog."""

_MS = 1_000_000
_MARK_SCALE = 8


@dataclass(slots=True)
class _Reel:
    """What the venue knows of one symbol at the tape's present position."""

    spec: SymbolSpec
    book: Book
    early: Snapshot | None
    makes_aggs: bool
    log: TradeLog = field(default_factory=lambda: TradeLog(1, 1))
    minutes: Minutes = field(default_factory=Minutes)
    known: bool = False  # the in-line snapshot has been played
    waiting: list[DepthEvent] = field(default_factory=list)  # diffs before it
    quote: QuoteEvent | None = None
    depth_stream: str = ""
    next_agg: int = 1


class RecordedMarket:
    """A `Market` that plays a recording."""

    def __init__(self, config: TapeConfig, recording: Recording, *, keep_truth: bool) -> None:
        self._config = config
        self._lines: Iterator[Line] = recording.lines()
        self._pending: Line | None = next(self._lines, None)
        self._first_ns = self._pending.local_ns if self._pending else 0
        self._last_ns = self._first_ns
        self._started_ns: int | None = None
        self._ahead_ms = recording.surveys[0].event_ahead_ms
        self._reels: dict[str, _Reel] = {}
        for survey in recording.surveys:
            for symbol in survey.symbols:
                line = survey.snapshots.get(symbol)
                early = line.event if line else None
                assert early is None or isinstance(early, Snapshot)
                spec = spec_from_survey(symbol, early, survey.samples.get(symbol))
                aggs = f"{spec.stream}@aggTrade" not in survey.streams
                self._reels[symbol] = _Reel(spec, Book(remember=keep_truth), early, aggs)
        self._specs = {symbol: reel.spec for symbol, reel in self._reels.items()}
        self.lines_played = 0
        self.errors: list[RecordingError] = recording.errors
        """What the check found, and what playing adds to it."""

    @property
    def specs(self) -> Mapping[str, SymbolSpec]:
        """Every symbol of the recording."""
        return self._specs

    @property
    def finished(self) -> bool:
        """The last line has been played."""
        return self._pending is None

    def now_ms(self, now_ns: int) -> int:
        """Venue time at the tape's position: the recording's clock, not the wall's."""
        return self._tape_ns(now_ns) // _MS + self._ahead_ms

    def _tape_ns(self, now_ns: int) -> int:
        """Local time of the recording that corresponds to now."""
        if self._started_ns is None or self._config.speed is None:
            return self._last_ns
        return self._first_ns + int((now_ns - self._started_ns) * self._config.speed)

    def next_due_ns(self) -> int | None:
        """When the next line is due; 0 at full speed; None while held or when over."""
        if self._pending is None or self._started_ns is None:
            return None
        if self._config.speed is None:
            return 0
        return self._started_ns + int(
            (self._pending.local_ns - self._first_ns) / self._config.speed
        )

    def advance(self, now_ns: int, wanted: Wanted) -> list[Published]:
        """Start when enough listen, then play every line that is due."""
        out: list[Published] = []
        if self._started_ns is None:
            if sum(wanted.values()) < self._config.wait_for:
                return out
            self._started_ns = now_ns
        budget = BATCH_LINES if self._config.speed is None else None
        until_ns = self._tape_ns(now_ns)
        line = self._pending
        while line is not None and budget != 0:
            if budget is None and line.local_ns > until_ns:
                break
            try:
                self._play(line, wanted, out)
            except ValueError as error:
                # Checked lines fail only by more decimals than their symbol has had before.
                self.errors.append(RecordingError(*line.place, str(error), self.lines_played))
            self._last_ns = line.local_ns
            self.lines_played += 1
            line = self._pending = next(self._lines, None)
            budget = None if budget is None else budget - 1
            if line is None:
                self._finish(wanted, out)
        return out

    def _play(self, line: Line, wanted: Wanted, out: list[Published]) -> None:
        reel, event = self._reels[line.symbol], line.event
        if isinstance(event, Snapshot):
            self._take_snapshot(reel, event)
        elif isinstance(event, DepthEvent):
            self._take_depth(reel, line, event, wanted, out)
        else:
            if isinstance(event, TradeEvent):
                self._take_trade(reel, event, wanted, out)
            elif isinstance(event, QuoteEvent):
                reel.quote = event
            if line.stream in wanted:
                out.append((line.stream, line.data))

    def _take_snapshot(self, reel: _Reel, snapshot: Snapshot) -> None:
        """Initialise the book, then apply the diffs that go beyond it (official procedure)."""
        if reel.known:
            return
        spec, book = reel.spec, reel.book
        bids, asks = _levels(spec, snapshot.bids), _levels(spec, snapshot.asks)
        book.reset(snapshot.last_update_id, bids, asks)
        book.event_ms, book.transaction_ms = snapshot.E, snapshot.T
        reel.known = True
        for depth in reel.waiting:
            if depth.u >= snapshot.last_update_id:
                _apply(reel, depth)
        reel.waiting.clear()

    def _take_depth(
        self,
        reel: _Reel,
        line: Line,
        depth: DepthEvent,
        wanted: Wanted,
        out: list[Published],
    ) -> None:
        reel.depth_stream = reel.depth_stream or line.stream
        if line.stream != reel.depth_stream:
            return  # a second speed of the same book would be two chains of ids under one name
        if reel.known:
            _apply(reel, depth)
        else:
            reel.waiting.append(depth)
        prefix = reel.spec.stream
        for suffix in DEPTH_SUFFIXES:
            name = f"{prefix}@{suffix}"
            if name in wanted:
                out.append((name, line.data))

    def _take_trade(
        self, reel: _Reel, seen: TradeEvent, wanted: Wanted, out: list[Published]
    ) -> None:
        price = scaled(seen.p, reel.spec.price_digits)
        qty = scaled(seen.q, reel.spec.qty_digits)
        log = reel.log
        # Zero frames are no trades; an id seen before is a repetition by the wire.
        if not price or not qty or (len(log) and seen.t < log.next_id):
            return
        if seen.t != log.next_id:
            reel.log = log = TradeLog(seen.t, reel.next_agg)
        trade = Trade(seen.t, seen.T, price, qty, seen.m)
        closed = log.append(trade)
        reel.minutes.add(trade)
        if closed is not None:
            reel.next_agg = closed.id + 1
            self._send_agg(reel, wire.agg_trade(reel.spec, closed, seen.E), wanted, out)

    def _send_agg(self, reel: _Reel, frame: bytes, wanted: Wanted, out: list[Published]) -> None:
        name = f"{reel.spec.stream}@aggTrade"
        if reel.makes_aggs and name in wanted:
            out.append((name, frame))

    def _finish(self, wanted: Wanted, out: list[Published]) -> None:
        """Close the last aggregates: nothing more will join them."""
        for reel in self._reels.values():
            closed = reel.log.close_last()
            if closed is not None:
                frame = wire.agg_trade(reel.spec, closed, closed.time_ms)
                self._send_agg(reel, frame, wanted, out)

    def depth(self, symbol: str, limit: int) -> BookView | None:
        """Own book; before the in-line snapshot, that snapshot (see the module's text)."""
        reel = self._reels[symbol]
        if reel.known:
            return reel.book.view(limit)
        if reel.early is None:
            return None
        early, spec = reel.early, reel.spec
        return BookView(
            early.last_update_id,
            early.E,
            early.T,
            tuple(_levels(spec, early.bids[:limit])),
            tuple(_levels(spec, early.asks[:limit])),
        )

    def best(self, symbol: str) -> tuple[Level, Level] | None:
        """Best bid and ask of the last bookTicker."""
        reel = self._reels[symbol]
        if reel.quote is None:
            return None
        seen, spec = reel.quote, reel.spec
        return (
            (scaled(seen.b, spec.price_digits), scaled(seen.B, spec.qty_digits)),
            (scaled(seen.a, spec.price_digits), scaled(seen.A, spec.qty_digits)),
        )

    def trades(self, symbol: str) -> TradeLog:
        """Trades played so far."""
        return self._reels[symbol].log

    def minutes(self, symbol: str, now_ms: int) -> MinuteSource:
        """Minutes since the first trade played."""
        minutes = self._reels[symbol].minutes
        minutes.fill(now_ms // MINUTE_MS)
        return minutes

    def mark(self, symbol: str, now_ms: int) -> Mark | None:
        """Return the mid in place of a mark price, rate 0."""
        best = self.best(symbol)
        if best is None:
            return None
        digits = self._specs[symbol].price_digits
        mid = (best[0][0] + best[1][0]) * 10 ** (_MARK_SCALE - digits) // 2
        return Mark(mid, mid, 0, next_stamp_ms(now_ms))

    def funding(self, symbol: str, start_ms: int, end_ms: int) -> list[FundingStamp]:  # noqa: ARG002
        """No funding on a tape."""
        return []

    def last_trade_id(self, symbol: str) -> int:
        """Id of the last raw trade played."""
        return self._reels[symbol].log.next_id - 1

    def true_trades(self, symbol: str) -> list[Trade]:
        """Trades played so far."""
        return self._reels[symbol].log.all()

    def true_book(self, symbol: str, update_id: int | None) -> BookView | None:
        """Own book now, or after `update_id` if the truth is kept; None before the snapshot."""
        reel = self._reels[symbol]
        if not reel.known:
            return None
        return reel.book.view() if update_id is None else reel.book.at(update_id)


def _levels(spec: SymbolSpec, texts: list[tuple[str, str]]) -> list[Level]:
    price_digits, qty_digits = spec.price_digits, spec.qty_digits
    return [(scaled(price, price_digits), scaled(qty, qty_digits)) for price, qty in texts]


def _apply(reel: _Reel, depth: DepthEvent) -> None:
    changes: list[Change] = [(BID, *level) for level in _levels(reel.spec, depth.b)]
    changes += [(ASK, *level) for level in _levels(reel.spec, depth.a)]
    reel.book.apply(depth.u, changes)
    reel.book.event_ms, reel.book.transaction_ms = depth.E, depth.T
