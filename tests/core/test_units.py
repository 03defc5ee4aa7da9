"""Decimal text and scaled integers, against `decimal.Decimal`."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.core.errors import VenueMessageError
from poise.core.units import decimal_places, format_scaled, parse_scaled

SCALES = st.integers(0, 18)
VALUES = st.integers(-(10**18) + 1, 10**18 - 1)


@given(value=VALUES, scale=SCALES)
def test_what_is_written_is_read_back(value, scale):
    text = format_scaled(value, scale)
    assert Decimal(text) == Decimal(value).scaleb(-scale)
    assert len(text.partition(".")[2]) == scale
    assert parse_scaled(text, scale) == value


@given(value=VALUES, scale=SCALES, zeros=st.integers(0, 30), leading=st.integers(0, 30))
def test_zeros_at_either_end_change_nothing(value, scale, zeros, leading):
    sign, digits = ("-", -value) if value < 0 else ("", value)
    text = f"{sign}{'0' * leading}{format_scaled(digits, scale)}"
    text += ("" if "." in text else "." if zeros else "") + "0" * zeros
    assert parse_scaled(text, scale) == value


@given(
    text=st.from_regex(r"\A-?[0-9]{1,22}(\.[0-9]{1,22})?\Z"),
    scale=SCALES,
)
def test_every_plain_decimal_is_read_exactly_or_refused(text, scale):
    exact = Fraction(text) * 10**scale
    if exact.denominator == 1 and abs(exact) < 10**18:
        assert parse_scaled(text, scale) == int(exact)
    else:
        with pytest.raises(VenueMessageError):
            parse_scaled(text, scale)


@pytest.mark.parametrize("scale", [0, 1, 8])
@pytest.mark.parametrize(
    "text",
    [
        "", ".", "-", "-.", "1.", ".5", "+1", "--1", "1-", " 1", "1 ", "1\n", "1_0", "1,0", "1e5",
        "1E5", "1e400", "0x10", "NaN", "nan", "Infinity", "-Infinity", "inf", "1.2.3", "1..2",
        "1.-2", "\u0661\u0662", "\uff11", "1.\u0665", "\u00b2", "1.\u00b2", "1\x00", "\ud800",
        "1" * 19, "9" * 5_000,
    ],
)  # fmt: skip
def test_what_is_no_plain_decimal_is_refused(text, scale):
    with pytest.raises(VenueMessageError):
        parse_scaled(text, scale)


def test_nineteen_digits_are_refused_wherever_the_dot_stands():
    assert parse_scaled("9" * 18, 0) == 10**18 - 1
    assert parse_scaled("0." + "9" * 18, 18) == 10**18 - 1
    for text, scale in (("1" + "0" * 18, 0), ("1", 18), ("10.5", 17), ("123456789012.5", 7)):
        with pytest.raises(VenueMessageError, match="exceeds 18 digits"):
            parse_scaled(text, scale)


def test_finer_than_the_scale_is_refused_and_not_rounded():
    assert parse_scaled("61800.2000", 1) == 618002
    with pytest.raises(VenueMessageError, match="finer than 1 decimal places"):
        parse_scaled("61800.25", 1)


def test_minus_zero_is_zero_and_small_negatives_keep_their_sign():
    assert parse_scaled("-0.00", 2) == 0
    assert parse_scaled("-0.01", 2) == -1
    assert format_scaled(-1, 2) == "-0.01"
    assert format_scaled(-5, 0) == "-5"


@pytest.mark.parametrize(
    ("text", "places"),
    [("0.00100000", 3), ("0.10", 1), ("1", 0), ("1.000", 0), ("10", 0), ("0.5", 1)],
)
def test_places_that_a_step_needs(text, places):
    assert decimal_places(text) == places
