"""The wire contract of the API: every REST answer and WebSocket frame, once.

``make types`` writes ``ui/src/contract.ts`` from these structs; a test fails on drift.
Nanoseconds and 64-bit ids travel as decimal strings (JavaScript loses integers above 2^53);
times of chart points are milliseconds UTC as numbers. Prices and quantities here are float64, for
display only. NaN travels as null and means "not known yet".

REST, all under the session cookie; a refusal is an `ErrorAnswer`:

- ``GET /api/status`` -> `Status`
- ``GET /api/candles?instrument=&timeframe=&limit=[&end_ms=]`` -> `Candles` opened before `end_ms`
- ``GET /api/pair?y=&x=&timeframe=`` -> `PairDetail`
- ``GET /api/health`` -> `Health`
- ``POST /api/pairs`` (`AddPair`, header ``X-CSRF-Token``: `Status.csrf_token`) -> 2xx, body unread
"""

from typing import Literal

import msgspec

NsText = str
"""Nanoseconds UTC as decimal text."""
Environment = Literal["live", "paper", "demo", "replay"]
FeedState = Literal["live", "lagging", "stale", "offline"]


class InstrumentInfo(msgspec.Struct, frozen=True):
    """One instrument of the run."""

    ix: int
    id: str
    symbol: str
    base: str
    quote: str
    price_decimals: int
    qty_decimals: int
    tick: float


class TimeframeInfo(msgspec.Struct, frozen=True):
    """A bar length and the window its statistics use."""

    name: str
    seconds: int
    window: int


class Status(msgspec.Struct, frozen=True):
    """What this server is. `notice` must be shown (generated markets say what they are)."""

    version: str
    environment: Environment
    run_id: str
    venue: str
    started_ns: NsText
    server_ns: NsText
    notice: str
    csrf_token: str
    instruments: list[InstrumentInfo]
    timeframes: list[TimeframeInfo]
    pairs: list[tuple[int, int]]


class Candles(msgspec.Struct, frozen=True):
    """Bars oldest first, columns of equal length; `start_ms` is the open time.

    `has_older` means that older bars exist: ask again with `end_ms` = the first `start_ms`.
    """

    instrument: int
    timeframe: str
    start_ms: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]
    has_older: bool


class PairRow(msgspec.Struct, frozen=True, array_like=True):
    """One pair and timeframe now. Spread, sigma in log price units (x 10,000 = bp).

    z values and spread are at the present mids; parameters are of the last closed bar.
    `bars` of `window` says how warm it is; `ready` is false until it is. `age_ms` is the age of
    the older leg's quote.
    """

    y: int
    x: int
    timeframe: str
    ready: bool
    bars: int
    window: int
    beta: float | None
    beta_stderr: float | None
    alpha: float | None
    sigma: float | None
    spread: float | None
    z_window: float | None
    beta_kalman: float | None
    beta_kalman_stderr: float | None
    z_kalman: float | None
    z_kalman_std: float | None
    correlation: float | None
    half_life_bars: float | None
    age_ms: float | None


class PairHistory(msgspec.Struct, frozen=True):
    """Statistics at each closed bar, oldest first; `end_ms` is when the bar closed.

    `y_indexed`, `x_indexed` start at 100. `spread_mean` is alpha of that bar's own regression;
    bands are `spread_mean` +- k x `sigma`.
    """

    end_ms: list[int]
    y_indexed: list[float | None]
    x_indexed: list[float | None]
    spread: list[float | None]
    spread_mean: list[float | None]
    sigma: list[float | None]
    z_window: list[float | None]
    z_kalman: list[float | None]
    beta: list[float | None]
    beta_stderr: list[float | None]
    beta_kalman: list[float | None]
    beta_kalman_stderr: list[float | None]
    correlation: list[float | None]


class PairDetail(msgspec.Struct, frozen=True):
    """A pair's present row, its history, and the position it would mean, in words.

    `sentence` is like "long $1.00 ETH, short $1.85 BTC". `price_source` says what the closes of
    the window are ("mid", or "trade" for venue history). `conventions` lists the choices behind
    the numbers.
    """

    row: PairRow
    history: PairHistory
    sentence: str
    price_source: str
    conventions: list[str]


class FeedHealth(msgspec.Struct, frozen=True):
    """One socket or polling source."""

    name: str
    state: FeedState
    source: Literal["socket", "rest", "tape"]
    streams: int
    messages: int
    age_ms: float | None
    reconnects: int
    detail: str


class GapInfo(msgspec.Struct, frozen=True):
    """One interruption of a stream, healed or permanent."""

    at_ns: NsText
    instrument: int
    channel: str
    first_id: str
    last_id: str
    seconds: float
    reason: str
    healed: bool


class Health(msgspec.Struct, frozen=True):
    """Feeds, journal, lake and latency of the running desk."""

    feeds: list[FeedHealth]
    books_live: int
    books_total: int
    quarantined: int
    gaps_healed: int
    gaps_open: int
    journal_bytes: int
    journal_unsynced_ms: float
    lake_rows: int
    lake_lag_s: float | None
    lake_state: str
    clock_offset_ms: float | None
    wire_to_signal_p50_us: float | None
    wire_to_signal_p99_us: float | None
    recent_gaps: list[GapInfo]
    diagnostics: list[str]


class AddPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /api/pairs (header X-CSRF-Token): start following one more pair live."""

    y: int
    x: int


class ErrorAnswer(msgspec.Struct, frozen=True):
    """Every 4xx and 5xx body: what happened, what to do, and an id to quote."""

    error: str
    hint: str
    request_id: str


# WebSocket /ws: msgpack, or JSON with ?enc=json; structs are array_like, tag first. Subscriptions
# are answered by a snapshot in the next frame, then by changes. Frame n has prev n-1: any other
# means "subscribe again". State waits while two frames are unacknowledged; events are kept.

Topic = Literal["quotes", "candle", "pairs", "pair", "book", "trades", "health"]


class Subscribe(msgspec.Struct, frozen=True, array_like=True, tag="sub"):
    """Keys: quotes, pairs, health "", candle "ix|tf", pair "y|x|tf", book "ix", trades "ix"."""

    topic: Topic
    key: str


class Unsubscribe(msgspec.Struct, frozen=True, array_like=True, tag="unsub"):
    """Stop one subscription."""

    topic: Topic
    key: str


class Ack(msgspec.Struct, frozen=True, array_like=True, tag="ack"):
    """The client has painted frame `seq`."""

    seq: int


class SetRate(msgspec.Struct, frozen=True, array_like=True, tag="rate"):
    """Frames a second the client wants (10, 4 on battery, 1 when hidden)."""

    hz: float


ClientMessage = Subscribe | Unsubscribe | Ack | SetRate


class QuoteRow(msgspec.Struct, frozen=True, array_like=True):
    """One instrument now. `age_ms` is the age of its quote at `server_ns`; state of its streams.

    `change_24h` and `funding_rate` are fractions (0.01 = 1 %), the latter of one interval.
    """

    ix: int
    bid: float | None
    bid_qty: float | None
    ask: float | None
    ask_qty: float | None
    last: float | None
    change_24h: float | None
    volume_24h_quote: float | None
    mark: float | None
    funding_rate: float | None
    next_funding_ms: int | None
    age_ms: float | None
    state: FeedState


class CandleRow(msgspec.Struct, frozen=True, array_like=True):
    """One bar, forming (`closed` false) or closed. A correction is a closed bar sent again."""

    start_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    closed: bool


class TapeRow(msgspec.Struct, frozen=True, array_like=True):
    """One trade. `side` is the aggressor's, +1 bought, -1 sold."""

    trade_id: str
    price: float
    qty: float
    side: int
    venue_ms: int


class BookTop(msgspec.Struct, frozen=True, array_like=True):
    """Best levels of a book, each (price, quantity), best first; `live` false: do not trust it."""

    live: bool
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class PairPoint(msgspec.Struct, frozen=True, array_like=True):
    """One more closed bar for the pair charts, the columns of `PairHistory` in its order."""

    end_ms: int
    y_indexed: float | None
    x_indexed: float | None
    spread: float | None
    spread_mean: float | None
    sigma: float | None
    z_window: float | None
    z_kalman: float | None
    beta: float | None
    beta_stderr: float | None
    beta_kalman: float | None
    beta_kalman_stderr: float | None
    correlation: float | None


class QuotesUpdate(msgspec.Struct, frozen=True, array_like=True, tag="quotes"):
    """Changed rows (all rows when `snapshot`)."""

    snapshot: bool
    rows: list[QuoteRow]


class CandleUpdate(msgspec.Struct, frozen=True, array_like=True, tag="candle"):
    """The latest bars of one instrument and timeframe, oldest first."""

    key: str
    snapshot: bool
    rows: list[CandleRow]


class PairsUpdate(msgspec.Struct, frozen=True, array_like=True, tag="pairs"):
    """Changed rows of the pair table."""

    snapshot: bool
    rows: list[PairRow]


class PairUpdate(msgspec.Struct, frozen=True, array_like=True, tag="pair"):
    """One pair: its row now and the points of bars closed since the last frame.

    `sentence` is `PairDetail.sentence` of the row; empty means unchanged.
    """

    key: str
    snapshot: bool
    row: PairRow | None
    points: list[PairPoint]
    sentence: str = ""


class BookUpdate(msgspec.Struct, frozen=True, array_like=True, tag="book"):
    """Best levels of one instrument."""

    key: str
    snapshot: bool
    book: BookTop


class TradesUpdate(msgspec.Struct, frozen=True, array_like=True, tag="trades"):
    """Trades since the last frame, oldest first (the last 100 when `snapshot`)."""

    key: str
    snapshot: bool
    rows: list[TapeRow]


class HealthUpdate(msgspec.Struct, frozen=True, array_like=True, tag="health"):
    """The health of the desk; small, sent whole."""

    snapshot: bool
    health: Health


Update = (
    QuotesUpdate
    | CandleUpdate
    | PairsUpdate
    | PairUpdate
    | BookUpdate
    | TradesUpdate
    | HealthUpdate
)


class Frame(msgspec.Struct, frozen=True, array_like=True, tag="frame"):
    """One message to the client."""

    seq: int
    prev: int
    server_ns: NsText
    updates: list[Update]


class Refusal(msgspec.Struct, frozen=True, array_like=True, tag="refusal"):
    """A client message that could not be honoured, and why."""

    topic: str
    key: str
    error: str


ServerMessage = Frame | Refusal
