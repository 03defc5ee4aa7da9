"""Depth levels from JSON text to scaled integers in one kernel.

A depth frame carries 66 levels in the mean and up to 1,000; as Python strings they would cost more
than all else that a frame costs. A quick kernel reads exactly what the venue writes
(``[["7.5040","813"],...]``); what it does not know, a careful one accepts (plain decimals, white
space allowed) or refuses with the reason.
"""

import msgspec
import numpy as np

from poise.analytics.kernel import kernel
from poise.core.errors import VenueMessageError
from poise.core.events import Levels
from poise.core.units import MAX_DIGITS

Text = bytes | memoryview | msgspec.Raw

MAX_LEVELS = 5_000
"""More levels than any Binance message holds (snapshots end at 1,000 a side)."""

_BYTE = np.dtype(np.uint8)

_OPEN, _CLOSE, _QUOTE, _COMMA, _DOT, _ZERO, _NINE, _SPACE = 91, 93, 34, 44, 46, 48, 57, 32
_TOO_MANY = -1
_BAD_TEXT = -2
_TOO_FINE = -3
_TOO_LONG = -4
_NEARLY_TOO_LONG = 10 ** (MAX_DIGITS - 1)
"""From here on one more digit is one too many; checked before int64 could wrap."""

_REASONS = {
    _TOO_MANY: f"more than {MAX_LEVELS} levels",
    _BAD_TEXT: "not a list of [price, quantity] decimal strings",
    _TOO_FINE: "finer than the instrument's scale",
    _TOO_LONG: f"more than {MAX_DIGITS} digits",
}


@kernel
def _skip(text: np.ndarray, at: int) -> int:
    while at < text.size and text[at] == _SPACE:
        at += 1
    return at


@kernel
def _decimal(text: np.ndarray, at: int, scale: int) -> tuple[int, int]:
    """Read a quoted decimal at `at`: (value, index behind it); a negative index is an error."""
    if at >= text.size or text[at] != _QUOTE:
        return 0, _BAD_TEXT
    at += 1
    value = 0
    digits = 0
    places = -1
    while at < text.size and text[at] != _QUOTE:
        byte = int(np.int64(text[at]))
        if byte == _DOT:
            if places >= 0 or digits == 0:
                return 0, _BAD_TEXT
            places = 0
        elif _ZERO <= byte <= _NINE:
            digits += 1
            if places >= 0:
                places += 1
            if places > scale:
                if byte != _ZERO:
                    return 0, _TOO_FINE
            else:
                if value >= _NEARLY_TOO_LONG:
                    return 0, _TOO_LONG
                value = value * 10 + (byte - _ZERO)
        else:
            return 0, _BAD_TEXT
        at += 1
    if digits == 0 or places == 0 or at >= text.size:
        return 0, _BAD_TEXT
    for _ in range(scale - min(max(places, 0), scale)):
        if value >= _NEARLY_TOO_LONG:
            return 0, _TOO_LONG
        value *= 10
    return value, at + 1


@kernel
def _levels(text: np.ndarray, price_scale: int, qty_scale: int, out: np.ndarray) -> int:
    """Fill `out` with (price, quantity) rows; returns their number or a negative reason."""
    at = _skip(text, 0)
    if at >= text.size or text[at] != _OPEN:
        return _BAD_TEXT
    at = _skip(text, at + 1)
    count = 0
    while at < text.size and text[at] != _CLOSE:
        if count > 0:
            if text[at] != _COMMA:
                return _BAD_TEXT
            at = _skip(text, at + 1)
        if at >= text.size or text[at] != _OPEN:
            return _BAD_TEXT
        if count >= out.shape[0]:
            return _TOO_MANY
        price, at = _decimal(text, _skip(text, at + 1), price_scale)
        if at < 0:
            return at
        at = _skip(text, at)
        if at >= text.size or text[at] != _COMMA:
            return _BAD_TEXT
        qty, at = _decimal(text, _skip(text, at + 1), qty_scale)
        if at < 0:
            return at
        at = _skip(text, at)
        if price == 0 or at >= text.size or text[at] != _CLOSE:
            return _BAD_TEXT
        out[count, 0] = price
        out[count, 1] = qty
        count += 1
        at = _skip(text, at + 1)
    if at >= text.size or _skip(text, at + 1) != text.size:
        return _BAD_TEXT
    return count


@kernel
def _quick(
    text: np.ndarray, price_scale: int, qty_scale: int, out: np.ndarray, start: int, stop: int
) -> int:
    """Fill rows of `out` from `start` on; returns the end, or -1: ask `_levels`.

    Three times as fast as that: the last byte is a bracket, so a run of digits ends there at the
    latest and no byte needs a look at the size of the text.
    """
    size = text.size
    if size < 2 or text[0] != _OPEN or text[size - 1] != _CLOSE:
        return -1
    if size == 2:
        return start
    at = 0
    while at < size - 1:
        at += 1  # the bracket or comma before a row
        if start >= stop or text[at] != _OPEN:
            return -1
        at += 1
        for column in range(2):
            if text[at] != _QUOTE:
                return -1
            at += 1
            first = at
            value = 0
            digit = int(np.int64(text[at])) - _ZERO
            while 0 <= digit <= 9:
                value = value * 10 + digit
                at += 1
                digit = int(np.int64(text[at])) - _ZERO
            whole = at - first
            places = 0
            if digit == _DOT - _ZERO:
                at += 1
                first = at
                digit = int(np.int64(text[at])) - _ZERO
                while 0 <= digit <= 9:
                    value = value * 10 + digit
                    at += 1
                    digit = int(np.int64(text[at])) - _ZERO
                places = at - first
                if places == 0:
                    return -1
            scale = qty_scale if column else price_scale
            if whole == 0 or places > scale or whole + scale > MAX_DIGITS or text[at] != _QUOTE:
                return -1
            for _ in range(scale - places):
                value *= 10
            out[start, column] = value
            at += 1
            if text[at] != (_CLOSE if column else _COMMA):
                return -1
            at += 1
        if out[start, 0] == 0 or at >= size or (at < size - 1 and text[at] != _COMMA):
            return -1
        start += 1
    return start


@kernel
def _quick_sides(
    bids: np.ndarray, asks: np.ndarray, price_scale: int, qty_scale: int, out: np.ndarray
) -> int:
    """Both lists one behind the other: ``end << 16 | middle``, or -1."""
    middle = _quick(bids, price_scale, qty_scale, out, 0, MAX_LEVELS)
    if middle < 0:
        return -1
    end = _quick(asks, price_scale, qty_scale, out, middle, middle + MAX_LEVELS)
    return -1 if end < 0 else end << 16 | middle


class LevelsParser:
    """Parses level lists into fresh arrays; owns the scratch that the kernels write into."""

    def __init__(self) -> None:
        self._scratch = np.empty((2 * MAX_LEVELS, 2), dtype=np.int64)

    def sides(
        self, bids: Text, asks: Text, price_scale: int, qty_scale: int
    ) -> tuple[Levels, Levels]:
        """Turn the JSON text of both sides into arrays of shape (n, 2), int64.

        Raises
        ------
        VenueMessageError
            As `parse`.
        """
        scratch = self._scratch
        counts = _quick_sides(
            np.frombuffer(bids, _BYTE), np.frombuffer(asks, _BYTE), price_scale, qty_scale, scratch
        )
        if counts < 0:
            return (
                self.parse(bids, price_scale, qty_scale),
                self.parse(asks, price_scale, qty_scale),
            )
        middle = counts & 0xFFFF
        rows = scratch[: counts >> 16].copy()
        return rows[:middle], rows[middle:]

    def parse(self, text: Text, price_scale: int, qty_scale: int) -> Levels:
        """Turn the JSON text of one level list into an array of shape (n, 2), int64.

        Raises
        ------
        VenueMessageError
            When the text is no such list, a price is 0, a number is negative, in exponent form,
            finer than its scale or longer than 18 digits, or there are more than 5,000 levels.
        """
        raw = np.frombuffer(text, _BYTE)
        count = _quick(raw, price_scale, qty_scale, self._scratch, 0, MAX_LEVELS)
        if count < 0:
            count = _levels(raw, price_scale, qty_scale, self._scratch[:MAX_LEVELS])
        if count < 0:
            raise VenueMessageError(f"depth levels: {_REASONS[count]}")
        return self._scratch[:count].copy()
