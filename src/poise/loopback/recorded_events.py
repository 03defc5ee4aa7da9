"""The events a recording holds, decoded and checked: wire structs and one table of decoders."""

from collections.abc import Iterable
from itertools import chain

import msgspec


class DepthEvent(msgspec.Struct, frozen=True, gc=False):
    """A diff of the book."""

    E: int
    T: int
    s: str
    U: int
    u: int
    pu: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


class TradeEvent(msgspec.Struct, frozen=True, gc=False):
    """A raw trade."""

    E: int
    T: int
    s: str
    t: int
    p: str
    q: str
    m: bool


class QuoteEvent(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask (bookTicker)."""

    E: int
    s: str
    u: int
    b: str
    B: str
    a: str
    A: str


class OtherEvent(msgspec.Struct, frozen=True, gc=False):
    """Any other stream of one symbol: played, not understood."""

    E: int
    s: str


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """Answer of `/depth`, prices and quantities as text."""

    last_update_id: int = msgspec.field(name="lastUpdateId")
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    E: int = 0
    T: int = 0


Event = DepthEvent | TradeEvent | QuoteEvent | OtherEvent

decode_snapshot = msgspec.json.Decoder(Snapshot).decode
_decode_depth = msgspec.json.Decoder(DepthEvent).decode
_decode_trade = msgspec.json.Decoder(TradeEvent).decode
_decode_quote = msgspec.json.Decoder(QuoteEvent).decode
_decode_other = msgspec.json.Decoder(OtherEvent).decode


def decode_event(suffix: str, data: bytes) -> Event:
    """Decode the event of a stream `<symbol>@<suffix>`; raises msgspec errors."""
    if suffix == "bookTicker":
        return _decode_quote(data)
    if suffix == "trade":
        return _decode_trade(data)
    if suffix.startswith("depth"):
        return _decode_depth(data)
    return _decode_other(data)


def check_numbers(event: Event | Snapshot) -> None:
    """Raise ValueError for a price or quantity with a sign, an exponent or no number at all."""
    if isinstance(event, QuoteEvent):
        _check((event.b, event.B, event.a, event.A))
    elif isinstance(event, TradeEvent):
        _check((event.p, event.q))
    elif isinstance(event, DepthEvent):
        _check(chain.from_iterable(event.b))
        _check(chain.from_iterable(event.a))
    elif isinstance(event, Snapshot):
        _check(chain.from_iterable(event.bids))
        _check(chain.from_iterable(event.asks))


def _check(numbers: Iterable[str]) -> None:
    # One look at all digits at once: a depth event has more than a hundred numbers.
    texts = list(numbers)
    digits = "".join(texts).replace(".", "")
    if digits and not (digits.isascii() and digits.isdigit()):
        odd = next(text for text in texts if not text.replace(".", "").isdecimal())
        raise ValueError(f"{odd!r} is not a plain decimal number")
