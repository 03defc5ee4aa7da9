"""Bars of one instrument: one-second bars from trades and quotes, longer ones from those.

A trade touches one bar only; every longer timeframe is built when a second closes, so that ten
timeframes cost a tick no more than one.
"""

from poise.core.events import BUY, Quote, Trade
from poise.core.outputs import Bar, BarCorrected, Diagnostic, Output
from poise.core.units import NS_PER_S, InstrumentIx, Ns, Price, Qty
from poise.market.timeframes import timeframe_ns

CORRECTABLE = 120
"""Closed bars of each longer timeframe that a late trade may still correct."""
CORRECTABLE_SECONDS = 900
FLAT_MAX = 3_600
"""Longest stretch of seconds without a trade that is filled flat; beyond it bars begin anew."""


class OpenBar:
    """A bar in the making. `open` is 0 until its first trade."""

    __slots__ = (
        "ask",
        "bid",
        "buy_volume",
        "close",
        "high",
        "low",
        "number",
        "open",
        "trades",
        "volume",
    )

    def __init__(self, number: int, close: int, bid: int, ask: int) -> None:
        self.number = number
        self.open = 0
        self.high = 0
        self.low = 0
        self.close = close
        self.volume = 0
        self.buy_volume = 0
        self.trades = 0
        self.bid = bid
        self.ask = ask

    def add_trade(self, price: int, qty: int, side: int) -> None:
        """Take one trade in."""
        if self.trades == 0:
            self.open = self.high = self.low = price
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += qty
        if side == BUY:
            self.buy_volume += qty
        self.trades += 1

    def add_bar(self, bar: "OpenBar") -> None:
        """Take a shorter bar in that lies inside this one and after all before it."""
        if bar.trades:
            if self.trades == 0:
                self.open, self.high, self.low = bar.open, bar.high, bar.low
            else:
                self.high = max(self.high, bar.high)
                self.low = min(self.low, bar.low)
            self.volume += bar.volume
            self.buy_volume += bar.buy_volume
            self.trades += bar.trades
        self.close = bar.close
        self.bid, self.ask = bar.bid, bar.ask

    def closed(self, instrument: InstrumentIx, timeframe: str, length_ns: int) -> Bar:
        """Freeze; a bar without a trade is flat at the close before it."""
        flat = self.trades == 0
        return Bar(
            instrument,
            timeframe,
            Ns(self.number * length_ns),
            Ns((self.number + 1) * length_ns),
            Price(self.close if flat else self.open),
            Price(self.close if flat else self.high),
            Price(self.close if flat else self.low),
            Price(self.close),
            Qty(self.volume),
            Qty(self.buy_volume),
            self.trades,
            Price(self.bid),
            Price(self.ask),
        )


class _Longer:
    """One longer timeframe, fed with closed seconds."""

    __slots__ = ("closed", "length_ns", "name", "open", "seconds")

    def __init__(self, name: str) -> None:
        self.name = name
        self.length_ns = timeframe_ns(name)
        self.seconds = self.length_ns // NS_PER_S
        self.open: OpenBar | None = None
        self.closed: dict[int, OpenBar] = {}

    def find(self, number: int) -> OpenBar | None:
        """The open or a correctable closed bar of a number."""
        if self.open is not None and self.open.number == number:
            return self.open
        return self.closed.get(number)


class BarBuilder:
    """All bars of one instrument.

    Parameters
    ----------
    instrument
        Row of the instrument.
    timeframes
        Names, ``1s`` among them or not: seconds are always built, and put out only if named.
    """

    def __init__(self, instrument: InstrumentIx, timeframes: tuple[str, ...]) -> None:
        self._instrument = instrument
        self._emit_seconds = "1s" in timeframes
        self._longer = [_Longer(name) for name in timeframes if name != "1s"]
        self._second: OpenBar | None = None
        self._end_ns = 0
        self._quotes_ahead: dict[int, tuple[int, int]] = {}
        self._closed: dict[int, OpenBar] = {}
        self._first_closed: int | None = None
        self._late: dict[int, Price] = {}
        self._late_longer: set[tuple[int, int]] = set()
        self.first_number: int | None = None
        """Number of the first second that this run saw, perhaps not from its start."""

    def seed(self, close: Price) -> None:
        """Start from a price known from history, so that quiet seconds have bars at once."""
        if self._second is not None and self._second.close == 0:
            self._second.close = close

    def forming(self, timeframe: str) -> OpenBar | None:
        """The open bar of a timeframe with everything up to now, None before the first event."""
        second = self._second
        if timeframe == "1s" or second is None:
            return second
        longer = next(item for item in self._longer if item.name == timeframe)
        number = second.number // longer.seconds
        merged = OpenBar(number, second.close, second.bid, second.ask)
        if longer.open is not None and longer.open.number == number:
            merged.add_bar(longer.open)
        merged.add_bar(second)
        return merged

    def on_trade(self, trade: Trade, outputs: list[Output]) -> None:
        """Add an accepted trade; the first trade behind a bar's end closes it.

        Call `settle` after the last trade of an event.
        """
        second = self._second
        if trade.venue_ns < self._end_ns and second is not None:
            if trade.venue_ns >= self._end_ns - NS_PER_S:
                second.add_trade(trade.price, trade.qty, trade.aggressor_side)
            else:
                self._add_late(trade, outputs)
            return
        self.settle(outputs)
        number = trade.venue_ns // NS_PER_S
        if second is None:
            self._start(number, trade.price, 0, 0)
        else:
            self._close_until(number, outputs)
        assert self._second is not None
        self._second.add_trade(trade.price, trade.qty, trade.aggressor_side)

    def on_quote(self, quote: Quote) -> None:
        """Note the best bid and offer for the second they belong to."""
        second = self._second
        if second is None:
            self._start(quote.venue_ns // NS_PER_S, 0, quote.bid, quote.ask)
        elif quote.venue_ns < self._end_ns:
            if quote.venue_ns >= self._end_ns - NS_PER_S:
                second.bid = quote.bid
                second.ask = quote.ask
        else:
            self._quotes_ahead[quote.venue_ns // NS_PER_S] = (quote.bid, quote.ask)

    def on_clock(self, venue_clock_ns: int, outputs: list[Output]) -> None:
        """Close every bar whose end the venue's clock (less the grace) has passed."""
        if self._second is not None and venue_clock_ns >= self._end_ns:
            self._close_until(venue_clock_ns // NS_PER_S, outputs)

    def forget_quotes(self) -> None:
        """The quote stream is down: no old quote may stand for a later second's close."""
        self._quotes_ahead.clear()
        if self._second is not None:
            self._second.bid = self._second.ask = 0

    def _start(self, number: int, close: int, bid: int, ask: int) -> None:
        ahead = self._quotes_ahead.pop(number, None)
        if ahead is not None:
            bid, ask = ahead
        if self.first_number is None:
            self.first_number = number
        self._second = OpenBar(number, close, bid, ask)
        self._end_ns = (number + 1) * NS_PER_S

    def _close_until(self, number: int, outputs: list[Output]) -> None:
        """Close seconds up to `number`, which becomes the open one; quiet seconds are flat."""
        if self._second is not None and number - self._second.number > FLAT_MAX:
            self._close_until(self._second.number + 1, outputs)
            self._restart(number, outputs)
            return
        while (second := self._second) is not None and second.number < number:
            self._start(second.number + 1, second.close, second.bid, second.ask)
            if second.close == 0:
                continue  # nothing has traded yet: there is no bar to show
            self._closed[second.number] = second
            if self._first_closed is None:
                self._first_closed = second.number
            self._closed.pop(second.number - CORRECTABLE_SECONDS, None)
            if self._emit_seconds:
                outputs.append(second.closed(self._instrument, "1s", NS_PER_S))
            for longer in self._longer:
                self._extend(longer, second, outputs)

    def _restart(self, number: int, outputs: list[Output]) -> None:
        """Begin anew behind a pause too long to be filled; bars that it cuts are not put out."""
        second = self._second
        assert second is not None
        text = f"no bars for {number - second.number} s without a trade"
        outputs.append(Diagnostic("warning", "bars_restarted", text, self._instrument))
        self._quotes_ahead = {key: row for key, row in self._quotes_ahead.items() if key >= number}
        self._closed.clear()
        self._first_closed = None
        for longer in self._longer:
            longer.open = None
        self._start(number, second.close, 0, 0)

    def _extend(self, longer: _Longer, second: OpenBar, outputs: list[Output]) -> None:
        number = second.number // longer.seconds
        if longer.open is None or longer.open.number != number:
            longer.open = OpenBar(number, second.close, second.bid, second.ask)
        longer.open.add_bar(second)
        if (second.number + 1) % longer.seconds == 0:
            done, longer.open = longer.open, None
            longer.closed[number] = done
            longer.closed.pop(number - CORRECTABLE, None)
            outputs.append(done.closed(self._instrument, longer.name, longer.length_ns))

    def _add_late(self, trade: Trade, outputs: list[Output]) -> None:
        """Put a late trade into the closed bars it belongs to; `settle` says so."""
        number = trade.venue_ns // NS_PER_S
        bar = self._closed.get(number)
        if bar is not None:
            bar.add_trade(trade.price, trade.qty, trade.aggressor_side)
            self._late[number] = trade.price
        elif self._first_closed is None or number < self._first_closed:
            # Of a second before the first known price: it has no bar, but it is that price.
            self._late[number] = trade.price
            return
        else:
            text = f"trade {trade.trade_id} is too late for its bar"
            outputs.append(Diagnostic("warning", "late_trade", text, self._instrument))
        for place, longer in enumerate(self._longer):
            longer_bar = longer.find(number // longer.seconds)
            if longer_bar is not None:
                close = longer_bar.close
                longer_bar.add_trade(trade.price, trade.qty, trade.aggressor_side)
                longer_bar.close = close  # `settle` takes it from the seconds
                self._late_longer.add((place, number // longer.seconds))

    def settle(self, outputs: list[Output]) -> None:
        """Put out the bars that late trades changed, as they should have been.

        Trades come in id order, so a late one is the last of its second, and its price is the
        close of the quiet seconds behind it, up to the open one.
        """
        if not self._late_longer and not self._late:
            return
        if self._late:
            self._carry_closes(outputs)
            self._late.clear()
        for place, number in sorted(self._late_longer):
            longer = self._longer[place]
            bar = longer.closed.get(number)
            if bar is not None:
                corrected = bar.closed(self._instrument, longer.name, longer.length_ns)
                outputs.append(BarCorrected(corrected))
        self._late_longer.clear()

    def _carry_closes(self, outputs: list[Output]) -> None:
        second = self._second
        assert second is not None
        first = min(self._late)
        before = [number for number in self._late if number not in self._closed]
        carried: int = self._late[max(before, default=first)]
        # Ascending: seconds are closed one after the other.
        for number, bar in self._closed.items():
            if number < first:
                continue
            if number in self._late or (bar.trades == 0 and bar.close != carried):
                if bar.trades == 0:
                    bar.close = carried
                if self._emit_seconds:
                    outputs.append(BarCorrected(bar.closed(self._instrument, "1s", NS_PER_S)))
            carried = bar.close
            for place, longer in enumerate(self._longer):
                within = number // longer.seconds
                is_last = (number + 1) % longer.seconds == 0 or number + 1 == second.number
                longer_bar = longer.find(within) if is_last else None
                if longer_bar is not None and longer_bar.close != carried:
                    longer_bar.close = carried
                    self._late_longer.add((place, within))
        if second.trades == 0:
            second.close = carried
