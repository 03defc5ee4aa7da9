"""Instruments whose scales fit the examples of the venue's documentation, and their parser."""

import pytest

from poise.core.instrument import Instrument
from poise.venues.binance.parse import Parser
from poise.venues.binance.usdm import BinanceUsdm


def _instrument(ix, symbol, price_scale, qty_scale):
    return Instrument(
        ix=ix, venue="binance.usdm", symbol=symbol, base=symbol[:-4], quote=symbol[-4:],
        kind="PERP", price_scale=price_scale, qty_scale=qty_scale, tick=1, step=1,
    )  # fmt: skip


@pytest.fixture(scope="session")
def instruments():
    return (
        _instrument(0, "BTCUSDT", 3, 3),
        _instrument(1, "BNBUSDT", 8, 2),
        _instrument(2, "SUSHIUSDT", 4, 0),
    )


@pytest.fixture(scope="session")
def parser(instruments):
    return Parser({item.symbol: item for item in instruments})


@pytest.fixture(params=["trade", "aggTrade"])
def venue(request, instruments):
    return BinanceUsdm(instruments, request.param)


@pytest.fixture(scope="session")
def plain_venue(instruments):
    return BinanceUsdm(instruments)
