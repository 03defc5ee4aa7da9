"""Command-line values: what is taken, and sentences for what is not."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.app.values import parse_scales, parse_speed, parse_timeframes
from poise.core.errors import UserError
from poise.core.events import TimeframeSpec


@pytest.mark.parametrize(
    ("text", "factor"), [("max", None), ("1", 1.0), ("10x", 10.0), ("0.5", 0.5), ("1000", 1000.0)]
)
def test_speed(text, factor):
    assert parse_speed(text) == factor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0",
        "-1",
        "nan",
        "inf",
        "1e3",
        "1.",
        "10000000",
        "fast",
        "10xx",
        "MAX",
        "1_0",
        "\u0661",
    ],
)
def test_speed_refused(text):
    with pytest.raises(UserError, match=r"--speed .*: write max, or a factor above 0"):
        parse_speed(text)


def test_scales():
    assert parse_scales(["BTCUSDT=2,3", "dogeusdt=5,0"]) == {"BTCUSDT": (2, 3), "DOGEUSDT": (5, 0)}
    assert parse_scales([]) == {}


@pytest.mark.parametrize(
    "text",
    ["", "BTC", "BTC=", "BTC=2", "BTC=2,", "=2,3", "BTC=2,3,4", "BTC=-1,3", "BTC=2.0,3", "BTC=a,b",
     "BTC=19,3", "BTC=2,19", "BTC=2, 3", "BTC=\u0662,3", "BTC=" + "1" * 5_000 + ",2"],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_scales_refused(text):
    with pytest.raises(UserError, match="--scale"):
        parse_scales([text])


def test_timeframes_are_sorted_by_length():
    assert parse_timeframes("5m:100, 1s:20,1m:480") == (
        TimeframeSpec("1s", 20),
        TimeframeSpec("1m", 480),
        TimeframeSpec("5m", 100),
    )


@pytest.mark.parametrize(
    "text",
    ["", "1s", "1s:", ":20", "1s:19", "1s:10001", "1s:20,", "1s:20,1s:30", "1x:20", "0s:20",
     "1s:2e1", "1s:-20", "1s:\u0662\u0660", "1s:20:30", "1s:" + "9" * 5_000, "9" * 5_000 + "s:20"],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_timeframes_refused(text):
    with pytest.raises(UserError, match="timeframe"):
        parse_timeframes(text)


@given(text=st.text(max_size=20))
def test_any_text_is_taken_or_refused(text):
    for parse in (parse_speed, parse_timeframes, lambda value: parse_scales([value])):
        with contextlib.suppress(UserError):
            parse(text)
