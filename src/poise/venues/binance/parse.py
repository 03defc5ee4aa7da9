"""Binance USD-M bytes to events: exact, whole or not at all."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from poise.core.errors import VenueMessageError
from poise.core.events import (
    BUY,
    SELL,
    BarsHistory,
    DepthDiff,
    DepthSnapshot,
    HistoryBar,
    MarketEvent,
    MarkPrice,
    Quote,
    Trade,
    TradesBackfill,
    TradesHistory,
)
from poise.core.instrument import Instrument
from poise.core.units import NS_PER_MS, InstrumentIx, Ns, Price, Qty, parse_scaled
from poise.venues.binance import messages as wire
from poise.venues.binance.levels import LevelsParser

AGG_PAGE = 1_000
"""Rows of a full page of aggregate trades: more may stand behind it."""
KLINE_INTERVALS = frozenset(
    ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d")
)
MARK_SCALE = 8
"""Mark, index and funding rate have their own scale: 8 places, whatever the instrument's tick."""


def _qty(text: str, scale: int) -> Qty:
    """Parse a non-negative decimal; fast when it has exactly `scale` places, as frames do."""
    dot = len(text) - scale - 1
    if scale and 0 < dot <= 18 - scale and text[dot] == ".":
        digits = text[:dot] + text[dot + 1 :]
        if digits.isdigit() and digits.isascii():
            return int(digits)  # type: ignore[return-value] # hot: Qty(...) would be a call
    value = parse_scaled(text, scale)
    if value < 0:
        raise VenueMessageError(f"negative number: {text[:40]!r}")
    return Qty(value)


def _price(text: str, scale: int) -> Price:
    value = _qty(text, scale)
    if value == 0:
        raise VenueMessageError(f"zero where a price must stand: {text[:40]!r}")
    return value  # type: ignore[return-value] # hot, as above


def _traded(text: str, scale: int) -> Qty:
    value = _qty(text, scale)
    if value == 0:
        raise VenueMessageError("a trade of quantity zero")
    return value


def _ns(ms: int) -> Ns:
    # Years 2001 to 2286: catches seconds and microseconds sent as milliseconds.
    if not 10**12 <= ms < 10**13:
        raise VenueMessageError(f"not a millisecond time: {ms}")
    return ms * NS_PER_MS  # type: ignore[return-value] # hot, as in _qty


class _Known:
    """An instrument's row and scales, and what its last frames said.

    In the recordings 97 % of the prices and half the quantities of a quote are those of the quote
    before, and two thirds of the trades have the price of the trade before: comparing the text
    costs a tenth of reading it.
    """

    __slots__ = (
        "ask",
        "ask_qty",
        "ask_qty_text",
        "ask_text",
        "bid",
        "bid_qty",
        "bid_qty_text",
        "bid_text",
        "ix",
        "price_scale",
        "qty_scale",
        "traded",
        "traded_text",
    )

    def __init__(self, item: Instrument) -> None:
        self.ix = item.ix
        self.price_scale = item.price_scale
        self.qty_scale = item.qty_scale
        # None equals no text: "" would, and a frame may hold it.
        self.bid_text: str | None = None
        self.bid_qty_text: str | None = None
        self.ask_text: str | None = None
        self.ask_qty_text: str | None = None
        self.traded_text: str | None = None
        self.bid = self.ask = self.traded = Price(0)
        self.bid_qty = self.ask_qty = Qty(0)


class Parser:
    """Decoders bound to the instruments of one run.

    Parameters
    ----------
    instruments
        By venue symbol (``BTCUSDT``); a frame of another symbol is refused.
    """

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._known = {symbol: _Known(item) for symbol, item in instruments.items()}
        self._combined = msgspec.json.Decoder(wire.Combined)
        self._levels = LevelsParser()
        self._frames: dict[type, Callable[[Any, Ns], MarketEvent]] = {
            wire.BookTicker: self._book_ticker,
            wire.RawTrade: self._raw_trade,
            wire.AggTrade: self._agg_trade,
            wire.DepthUpdate: self._depth_update,
            wire.MarkPriceUpdate: self._mark_price,
        }
        self._answers: dict[str, Callable[[str, bytes, Ns], tuple[MarketEvent, ...]]] = {
            "depth": self._depth_answer,
            "aggTrades": self._agg_trades_answer,
            "trades": self._trades_answer,
            "historicalTrades": self._trades_answer,
            "warmTrades": self._warm_trades_answer,
            "bookTicker": self._book_ticker_answer,
        }

    def frame(self, payload: bytes, recv_ns: Ns) -> tuple[MarketEvent, ...]:
        """Decode one socket frame; see `poise.core.venue.Venue.decode_frame`."""
        try:
            frame = self._combined.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise VenueMessageError(f"frame: {error}") from None
        data = frame.data
        if data is msgspec.UNSET:
            if frame.error is not None:
                raise VenueMessageError(
                    f"the venue refused a request: {frame.error.code} {frame.error.msg[:200]}"
                )
            if frame.id is None:
                raise VenueMessageError("neither market data nor an acknowledgement")
            return ()
        return (self._frames[type(data)](data, recv_ns),)

    def answer(self, source: str, payload: bytes, recv_ns: Ns) -> tuple[MarketEvent, ...]:
        """Decode one REST answer; see `poise.core.venue.Venue.decode_answer`."""
        # A recording may name any source.
        _, endpoint, symbol, timeframe, *_ = *source.split(":"), "", "", ""
        try:
            if endpoint == "klines" and timeframe in KLINE_INTERVALS:
                return self._klines_answer(symbol, timeframe, payload, recv_ns)
            return self._answers[endpoint](symbol, payload, recv_ns)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise VenueMessageError(f"answer of {endpoint} {symbol}: {error}") from None
        except KeyError:
            raise VenueMessageError(f"no such answer is read: {source[:80]!r}") from None

    def _find(self, symbol: str) -> _Known:
        try:
            return self._known[symbol]
        except KeyError:
            raise VenueMessageError(f"unknown symbol {symbol[:40]!r}") from None

    def _instrument(self, symbol: str) -> tuple[InstrumentIx, int, int]:
        known = self._find(symbol)
        return known.ix, known.price_scale, known.qty_scale

    def _book_ticker(self, data: wire.BookTicker, recv_ns: Ns) -> Quote:
        known = self._find(data.s)
        if data.b != known.bid_text:
            known.bid = _price(data.b, known.price_scale)
            known.bid_text = data.b
        if known.bid_qty_text != data.B:
            known.bid_qty = _qty(data.B, known.qty_scale)
            known.bid_qty_text = data.B
        if data.a != known.ask_text:
            known.ask = _price(data.a, known.price_scale)
            known.ask_text = data.a
        if known.ask_qty_text != data.A:
            known.ask_qty = _qty(data.A, known.qty_scale)
            known.ask_qty_text = data.A
        return Quote(
            known.ix,
            data.u,
            known.bid,
            known.bid_qty,
            known.ask,
            known.ask_qty,
            _ns(data.T),
            recv_ns,
        )

    def _raw_trade(self, data: wire.RawTrade, recv_ns: Ns) -> Trade:
        known = self._find(data.s)
        if data.p != known.traded_text:
            known.traded = _qty(data.p, known.price_scale)  # type: ignore[assignment]
            known.traded_text = data.p
        price = known.traded
        qty = _qty(data.q, known.qty_scale)
        if (price == 0) != (qty == 0):
            raise VenueMessageError(f"trade {data.t}: price {data.p!r} with quantity {data.q!r}")
        # Price and quantity both 0: the venue's placeholder frames; `market` drops them by id.
        side = SELL if data.m else BUY
        return Trade(known.ix, data.t, price, qty, side, _ns(data.T), recv_ns, data.t, data.t)

    def _agg_trade(self, data: wire.AggTrade, recv_ns: Ns) -> Trade:
        return self._aggregate(data.s, data, recv_ns)

    def _aggregate(self, symbol: str, data: wire.AggTrade | wire.AggTradeRow, recv_ns: Ns) -> Trade:
        ix, price_scale, qty_scale = self._instrument(symbol)
        if data.f > data.last:
            raise VenueMessageError(f"aggregate {data.a}: raw ids {data.f}..{data.last}")
        return Trade(
            ix,
            data.a,
            _price(data.p, price_scale),
            _traded(data.q, qty_scale),
            SELL if data.m else BUY,
            _ns(data.T),
            recv_ns,
            data.f,
            data.last,
        )

    def _depth_update(self, data: wire.DepthUpdate, recv_ns: Ns) -> DepthDiff:
        ix, price_scale, qty_scale = self._instrument(data.s)
        if not data.u >= data.U:
            raise VenueMessageError(f"depth ids run backwards: U {data.U}, u {data.u}")
        bids, asks = self._levels.sides(data.b, data.a, price_scale, qty_scale)
        return DepthDiff(
            ix,
            data.U,
            data.u,
            data.pu,
            bids,
            asks,
            _ns(data.T),
            recv_ns,
        )

    def _mark_price(self, data: wire.MarkPriceUpdate, recv_ns: Ns) -> MarkPrice:
        ix, _, _ = self._instrument(data.s)
        return MarkPrice(
            ix,
            _price(data.p, MARK_SCALE),
            _price(data.i, MARK_SCALE),
            parse_scaled(data.r or "0", MARK_SCALE),
            _ns(data.T),
            _ns(data.E),
            recv_ns,
        )

    def _depth_answer(self, symbol: str, payload: bytes, recv_ns: Ns) -> tuple[MarketEvent, ...]:
        ix, price_scale, qty_scale = self._instrument(symbol)
        data = msgspec.json.decode(payload, type=wire.DepthAnswer)
        bids, asks = self._levels.sides(data.bids, data.asks, price_scale, qty_scale)
        return (
            DepthSnapshot(
                ix,
                data.lastUpdateId,
                bids,
                asks,
                _ns(data.T) if data.T else recv_ns,
                recv_ns,
            ),
        )

    def _agg_rows(self, symbol: str, payload: bytes, recv_ns: Ns) -> tuple[Trade, ...]:
        rows = msgspec.json.decode(payload, type=list[wire.AggTradeRow])
        return tuple(self._aggregate(symbol, row, recv_ns) for row in rows)

    def _agg_trades_answer(
        self, symbol: str, payload: bytes, recv_ns: Ns
    ) -> tuple[MarketEvent, ...]:
        ix, _, _ = self._instrument(symbol)
        trades = self._agg_rows(symbol, payload, recv_ns)
        return (TradesBackfill(ix, "aggTrade", trades, recv_ns),)

    def _warm_trades_answer(
        self, symbol: str, payload: bytes, recv_ns: Ns
    ) -> tuple[MarketEvent, ...]:
        ix, _, _ = self._instrument(symbol)
        trades = self._agg_rows(symbol, payload, recv_ns)
        return (TradesHistory(ix, trades, recv_ns, len(trades) < AGG_PAGE),)

    def _trades_answer(self, symbol: str, payload: bytes, recv_ns: Ns) -> tuple[MarketEvent, ...]:
        ix, price_scale, qty_scale = self._instrument(symbol)
        trades = tuple(
            Trade(
                ix,
                row.id,
                _price(row.price, price_scale),
                _traded(row.qty, qty_scale),
                SELL if row.isBuyerMaker else BUY,
                _ns(row.time),
                recv_ns,
                row.id,
                row.id,
            )
            for row in msgspec.json.decode(payload, type=list[wire.TradeRow])
        )
        return (TradesBackfill(ix, "trade", trades, recv_ns),)

    def _book_ticker_answer(
        self, symbol: str, payload: bytes, recv_ns: Ns
    ) -> tuple[MarketEvent, ...]:
        ix, price_scale, qty_scale = self._instrument(symbol)
        data = msgspec.json.decode(payload, type=wire.BookTickerAnswer)
        return (
            Quote(
                ix,
                data.lastUpdateId,
                _price(data.bidPrice, price_scale),
                _qty(data.bidQty, qty_scale),
                _price(data.askPrice, price_scale),
                _qty(data.askQty, qty_scale),
                _ns(data.time),
                recv_ns,
            ),
        )

    def _klines_answer(
        self, symbol: str, timeframe: str, payload: bytes, recv_ns: Ns
    ) -> tuple[MarketEvent, ...]:
        ix, price_scale, qty_scale = self._instrument(symbol)
        bars = tuple(
            HistoryBar(
                _ns(row.open_ms),
                _price(row.open, price_scale),
                _price(row.high, price_scale),
                _price(row.low, price_scale),
                _price(row.close, price_scale),
                _qty(row.volume, qty_scale),
                row.trades,
            )
            for row in msgspec.json.decode(payload, type=list[wire.KlineRow])
        )
        return (BarsHistory(ix, timeframe, bars, recv_ns),)
