"""Binance USD-M futures as a `Venue`: routes, streams, limits, requests.

Sources: "Important WebSocket Change Notice" (2026-03-06), "How to manage a local order book
correctly", "Market Data Endpoints", developers.binance.com, read August 2026.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from poise.core.errors import TransientError, VenueMessageError, VenueRejected
from poise.core.events import MarketEvent
from poise.core.instrument import Instrument
from poise.core.outputs import HealBook, HealTrades
from poise.core.units import NS_PER_MS, NS_PER_S, Ns
from poise.core.venue import RestRequest, SocketLimits, StreamSpec, WeightLimits
from poise.venues.binance import messages as wire
from poise.venues.binance.instruments import VENUE
from poise.venues.binance.parse import Parser

TradeChannel = Literal["trade", "aggTrade"]

SOCKET_LIMITS = SocketLimits(
    max_streams=200,  # the venue allows 1,024; smaller sockets lose less when one dies
    control_messages_per_s=5.0,  # the venue cuts at 10, pongs included
    lifetime_ns=Ns(23 * 3600 * NS_PER_S),  # the venue closes at 24 h
    max_frame_bytes=8 * 1024 * 1024,
    connects_per_5_min=100,  # documented for spot as 300; the same IP may run other programs
)
WEIGHT_LIMITS = WeightLimits(weight_per_min=2_400, reserved=400, used_header="X-MBX-USED-WEIGHT-1M")
FIRST_FRAME_NS = Ns(10 * NS_PER_S)
KLINE_WEIGHTS = ((100, 1), (500, 2), (1_000, 5), (1_500, 10))
"""(limit below or up to which, weight) of GET /fapi/v1/klines."""


class BinanceUsdm:
    """The USD-M venue for a set of instruments.

    Parameters
    ----------
    instruments
        The run's instruments; frames of others are refused.
    trade_channel
        ``trade`` (each execution, at once) or ``aggTrade`` (executions of one taker order at one
        price, published after up to 100 ms: fewer messages, later news).
    has_key
        Whether requests may carry an API key: missing raw trades are then fetched by id for a
        month back; without one, only the latest 1,000 can be.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        trade_channel: TradeChannel = "trade",
        *,
        has_key: bool = False,
    ) -> None:
        self._has_key = has_key
        self._by_ix = {item.ix: item for item in instruments}
        self._trade_channel: TradeChannel = trade_channel
        self._parser = Parser({item.symbol: item for item in self._by_ix.values()})

    @property
    def name(self) -> str:
        """Venue id."""
        return VENUE

    @property
    def socket_limits(self) -> SocketLimits:
        """Limits of every socket."""
        return SOCKET_LIMITS

    @property
    def weight_limits(self) -> WeightLimits:
        """Limits of REST."""
        return WEIGHT_LIMITS

    def streams(self, instrument: Instrument) -> tuple[StreamSpec, ...]:
        """Streams of one instrument: trades, quotes, depth and mark price, each on its route."""
        low = instrument.symbol.lower()
        # Trades of a quiet instrument may be minutes apart, so their silence proves nothing;
        # a book of a perpetual that shows no change for 30 s does.
        trade_route = "public" if self._trade_channel == "trade" else "market"
        rows = (
            (f"{low}@{self._trade_channel}", self._trade_channel, trade_route, 0, 0),
            (f"{low}@bookTicker", "quote", "public", FIRST_FRAME_NS, 30 * NS_PER_S),
            (f"{low}@depth@100ms", "depth", "public", FIRST_FRAME_NS, 30 * NS_PER_S),
            (f"{low}@markPrice@1s", "mark", "market", FIRST_FRAME_NS, 15 * NS_PER_S),
        )
        return tuple(
            StreamSpec(
                wire_name=name,
                channel=channel,  # type: ignore[arg-type]
                instrument=instrument.ix,
                route=route,
                first_frame_ns=Ns(first),
                stale_ns=Ns(stale),
            )
            for name, channel, route, first, stale in rows
        )

    def socket_path(self, route: str) -> str:
        """Combined-stream path of a route; an unrouted path is served public data only."""
        return f"/{route}/stream"

    def subscribe(self, wire_names: tuple[str, ...], request_id: int) -> bytes:
        """SUBSCRIBE text."""
        return _control("SUBSCRIBE", wire_names, request_id)

    def unsubscribe(self, wire_names: tuple[str, ...], request_id: int) -> bytes:
        """UNSUBSCRIBE text."""
        return _control("UNSUBSCRIBE", wire_names, request_id)

    def stream_of(self, payload: bytes) -> str | None:
        """Name between the first quotes of ``{"stream":"btcusdt@trade",...``."""
        if not payload.startswith(b'{"stream":"'):
            return None
        end = payload.find(b'"', 11, 160)
        return payload[11:end].decode("ascii", "replace") if end > 0 else None

    def decode_frame(self, payload: bytes, recv_ns: Ns) -> tuple[MarketEvent, ...]:
        """Decode one frame."""
        return self._parser.frame(payload, recv_ns)

    def decode_answer(self, source: str, payload: bytes, recv_ns: Ns) -> tuple[MarketEvent, ...]:
        """Decode one REST answer."""
        return self._parser.answer(source, payload, recv_ns)

    def heal_request(self, wish: HealTrades | HealBook) -> RestRequest:
        """Depth for a book; trades from the first missing id, raw ones without a key the latest."""
        symbol = self._by_ix[wish.instrument].symbol
        if isinstance(wish, HealBook):
            return RestRequest(
                path="/fapi/v1/depth",
                query=(("symbol", symbol), ("limit", "1000")),
                weight=20,
                source=f"rest:depth:{symbol}",
            )
        aggregated = wish.channel == "aggTrade"
        if not aggregated and not self._has_key:
            return self._recent_trades(symbol)
        limit = min(wish.last_id - wish.first_id + 1, 1_000 if aggregated else 500)
        query = (("symbol", symbol), ("fromId", str(wish.first_id)), ("limit", str(limit)))
        if aggregated:
            return RestRequest(
                path="/fapi/v1/aggTrades", query=query, weight=20, source=f"rest:aggTrades:{symbol}"
            )
        return RestRequest(
            path="/fapi/v1/historicalTrades",
            query=query,
            weight=200,
            source=f"rest:historicalTrades:{symbol}",
            needs_key=True,
        )

    def poll_requests(self, instrument: Instrument) -> tuple[RestRequest, ...]:
        """Quote and latest trades, for when no socket stands."""
        symbol = instrument.symbol
        latest = (
            RestRequest(
                path="/fapi/v1/aggTrades",
                query=(("symbol", symbol), ("limit", "1000")),
                weight=20,
                source=f"rest:aggTrades:{symbol}",
            )
            if self._trade_channel == "aggTrade"
            else self._recent_trades(symbol)
        )
        return (
            RestRequest(
                path="/fapi/v1/ticker/bookTicker",
                query=(("symbol", symbol),),
                weight=2,
                source=f"rest:bookTicker:{symbol}",
            ),
            latest,
        )

    def _recent_trades(self, symbol: str) -> RestRequest:
        return RestRequest(
            path="/fapi/v1/trades",
            query=(("symbol", symbol), ("limit", "1000")),
            weight=5,
            source=f"rest:trades:{symbol}",
        )

    def klines_request(
        self, instrument: Instrument, timeframe: str, limit: int, end_ns: Ns | None = None
    ) -> RestRequest:
        """Finished and forming bars up to `end_ns` (now when None), at most 1,500."""
        query = [("symbol", instrument.symbol), ("interval", timeframe), ("limit", str(limit))]
        if end_ns is not None:
            query.append(("endTime", str(end_ns // NS_PER_MS)))
        return RestRequest(
            path="/fapi/v1/klines",
            query=tuple(query),
            weight=next(
                weight
                for bound, weight in KLINE_WEIGHTS
                if limit < bound or limit == bound >= 1_000
            ),
            source=f"rest:klines:{instrument.symbol}:{timeframe}",
        )

    def warm_trades_request(
        self, instrument: Instrument, *, start_ns: Ns, end_ns: Ns
    ) -> RestRequest:
        """Aggregate trades of a span below one hour, at most 1,000, oldest first."""
        query = (
            ("symbol", instrument.symbol),
            ("startTime", str(start_ns // NS_PER_MS)),
            ("endTime", str(end_ns // NS_PER_MS)),
            ("limit", "1000"),
        )
        return RestRequest(
            path="/fapi/v1/aggTrades",
            query=query,
            weight=20,
            source=f"rest:warmTrades:{instrument.symbol}",
        )

    def next_warm_trades_request(self, instrument: Instrument, from_id: int) -> RestRequest:
        """The page of aggregate trades that begins with id `from_id`."""
        query = (("symbol", instrument.symbol), ("fromId", str(from_id)), ("limit", "1000"))
        return RestRequest(
            path="/fapi/v1/aggTrades",
            query=query,
            weight=20,
            source=f"rest:warmTrades:{instrument.symbol}",
        )

    def time_request(self) -> RestRequest:
        """Clock request."""
        return RestRequest(path="/fapi/v1/time", query=(), weight=1, source="rest:time:")

    def server_time_ns(self, payload: bytes) -> Ns:
        """Read the venue's clock."""
        try:
            answer = msgspec.json.decode(payload, type=wire.ServerTime)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise VenueMessageError(f"time: {error}") from None
        return Ns(answer.serverTime * NS_PER_MS)

    def failure(self, status: int, payload: bytes) -> Exception:
        """Name the error: 4xx with a venue code is final, 429, 418, 403 and 5xx are not."""
        try:
            body = msgspec.json.decode(payload, type=wire.VenueError)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = wire.VenueError(0, payload[:80].decode("utf-8", "replace"))
        text = f"HTTP {status}: {body.code} {body.msg[:200]}"
        if status in {403, 418, 429} or status >= 500:
            return TransientError(text)
        return VenueRejected(text, body.code, status)


def _control(method: str, wire_names: tuple[str, ...], request_id: int) -> bytes:
    return msgspec.json.encode({"method": method, "params": wire_names, "id": request_id})
