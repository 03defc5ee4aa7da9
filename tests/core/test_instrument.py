import pytest

from poise.core.errors import UserError
from poise.core.instrument import Instrument, split_pair


def instrument(kind):
    return Instrument(
        ix=0, venue="binance.usdm", symbol="BTCUSDT", base="BTC", quote="USDT", kind=kind,
        price_scale=2, qty_scale=3, tick=10, step=1,
    )  # fmt: skip


def test_ids_are_those_of_the_architecture():
    assert instrument("PERP").id == "binance.usdm:BTC-USDT-PERP"
    assert instrument("SPOT").id == "binance.usdm:BTC-USDT"


def test_a_pair_is_two_names():
    assert split_pair(" ethusdt / BTCUSDT") == ("ETHUSDT", "BTCUSDT")


@pytest.mark.parametrize("text", ["", "/", "A", "A/", "/B", "A/B/C", "A/a", "A-B"])
def test_what_is_no_pair_is_named(text):
    with pytest.raises(UserError, match="is not a pair: write two instruments"):
        split_pair(text)
