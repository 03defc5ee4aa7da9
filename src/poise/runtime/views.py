"""The market as a table of numbers, for conflated copies to the edge."""

import math

import numpy as np
import numpy.typing as npt

from poise.core.units import NS_PER_MS
from poise.market.state import Market
from poise.runtime import messages as link
from poise.venues.binance.parse import MARK_SCALE

_MARK_UNIT = 10.0**-MARK_SCALE


def quote_table(market: Market) -> npt.NDArray[np.float64]:
    """One row an instrument, columns as in `messages`; NaN where nothing is known."""
    table = np.full((len(market.instruments), link.QUOTE_COLUMNS), math.nan)
    for row, state in zip(table, market.instruments, strict=True):
        item = state.instrument
        price = 10.0**-item.price_scale
        quantity = 10.0**-item.qty_scale
        quote, mark = state.quote, state.mark
        if quote is not None:
            row[link.BID : link.ASK_QTY + 1] = (
                quote.bid * price,
                quote.bid_qty * quantity,
                quote.ask * price,
                quote.ask_qty * quantity,
            )
            row[link.RECV_MS] = quote.recv_ns / NS_PER_MS
        if state.last_trade is not None:
            row[link.LAST] = state.last_trade.price * price
        if mark is not None:
            row[link.MARK] = mark.mark * _MARK_UNIT
            row[link.FUNDING] = mark.funding_rate * _MARK_UNIT
            row[link.NEXT_FUNDING_MS] = mark.next_funding_ns / NS_PER_MS
        row[link.BOOK_LIVE] = state.book.live
        row[link.TRADES_UP] = not state.trades_down
    return table
