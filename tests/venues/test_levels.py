"""The levels kernel against `json` and `decimal`."""

import json
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from poise.core.errors import VenueMessageError
from poise.venues.binance.levels import MAX_LEVELS, LevelsParser

PARSER = LevelsParser()
PLAIN = st.from_regex(r"\A[0-9]{1,20}(\.[0-9]{1,20})?\Z")
SENSIBLE = st.from_regex(r"\A[0-9]{1,6}\.[0-9]{1,6}\Z")


def scaled(text, scale):
    """The integer that a plain decimal stands for at a scale; None when there is none."""
    value = Fraction(text) * 10**scale
    return int(value) if value.denominator == 1 and value < 10**18 else None


def oracle(rows, price_scale, qty_scale):
    result = [(scaled(price, price_scale), scaled(qty, qty_scale)) for price, qty in rows]
    sound = all(price and qty is not None for price, qty in result)
    return result if sound else None


@settings(max_examples=120)
@given(
    rows=st.lists(st.tuples(PLAIN | SENSIBLE, PLAIN | SENSIBLE), max_size=6),
    price_scale=st.integers(0, 18),
    qty_scale=st.integers(0, 18),
    spaces=st.booleans(),
)
@example([("9999999999999999999", "1")], 0, 0, False)  # wraps int64 to a negative number
@example([("1", "9223372036854775808")], 0, 0, False)
@example([("18446744073709551617", "1")], 0, 0, False)  # wraps to 1
@example([("1", "10000000000")], 8, 8, False)
def test_levels_are_exact_or_refused(rows, price_scale, qty_scale, spaces):
    text = json.dumps(rows, separators=(" , ", ":") if spaces else (",", ":"))
    text = text.replace("[", "[ ").replace("]", " ]") if spaces else text
    expected = oracle(rows, price_scale, qty_scale)
    if expected is None:
        with pytest.raises(VenueMessageError, match="depth levels"):
            PARSER.parse(text.encode(), price_scale, qty_scale)
    else:
        levels = PARSER.parse(text.encode(), price_scale, qty_scale)
        assert levels.shape == (len(rows), 2)
        assert levels.dtype == np.int64
        assert [tuple(row) for row in levels.tolist()] == expected


@settings(max_examples=120)
@given(
    rows=st.lists(st.tuples(SENSIBLE, SENSIBLE), min_size=1, max_size=4),
    at=st.integers(0, 200),
    byte=st.integers(0, 255),
    cut=st.booleans(),
)
def test_damaged_text_is_read_as_json_would_or_refused(rows, at, byte, cut):
    text = bytearray(json.dumps(rows, separators=(",", ":")).encode())
    at %= len(text)
    text[at : at + 1] = b"" if cut else bytes([byte])
    try:
        levels = PARSER.parse(bytes(text), 6, 6)
    except VenueMessageError:
        return
    assert [tuple(row) for row in levels.tolist()] == oracle(json.loads(text), 6, 6)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "[", "]", "{}", "null", '"x"', "[]]", "[] x", "[[]]", '[["1"]]', '[["1","2","3"]]',
        '[["1","2"],]', '[,["1","2"]]', '[["1","2"]["1","2"]]', '[["1" "2"]]', '[["1",2]]',
        '[[1,"2"]]', '[["1","2"', '[["1","2"]', '[["1","2', '[["1","', '[["1",', '[["',
        '[["1.","2"]]',
        '[[".5","2"]]', '[["1.2.3","2"]]', '[["-1","2"]]', '[["1","-0"]]', '[["1e3","2"]]',
        '[["+1","2"]]', '[["","2"]]', '[["1",""]]', '[["0","2"]]', '[["0.000","2"]]',
        '[["NaN","2"]]',
        '[["\\u0031","2"]]', '[["1","2"]]\x00', "[['1','2']]", '[[" 1","2"]]', '[["1\n","2"]]',
        "[" * 10_000,
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_what_is_no_list_of_levels_is_refused(text):
    with pytest.raises(VenueMessageError, match="depth levels"):
        PARSER.parse(text.encode(), 3, 3)


def test_zero_quantity_removes_and_is_kept():
    assert PARSER.parse(b'[["7.6090","0"],["7.5","0.000"]]', 4, 3).tolist() == [
        [76090, 0],
        [75000, 0],
    ]
    assert PARSER.parse(b"[]", 4, 3).shape == (0, 2)


def test_as_many_levels_as_fit_and_no_more():
    rows = [[f"{n + 1}", "1"] for n in range(MAX_LEVELS)]
    assert PARSER.parse(json.dumps(rows).encode(), 0, 0)[:, 0].tolist() == [
        n + 1 for n in range(MAX_LEVELS)
    ]
    with pytest.raises(VenueMessageError, match="more than 5000 levels"):
        PARSER.parse(json.dumps([*rows, ["1", "1"]]).encode(), 0, 0)


@settings(max_examples=80)
@given(
    bids=st.lists(st.tuples(SENSIBLE, SENSIBLE), max_size=5),
    asks=st.lists(st.tuples(SENSIBLE, PLAIN), max_size=5),
    damage=st.integers(0, 60),
)
def test_both_sides_at_once_are_each_side_alone(bids, asks, damage):
    texts = [json.dumps(rows, separators=(",", ":")).encode() for rows in (bids, asks)]
    if damage < len(texts[1]):
        texts[1] = texts[1][:damage] + b" " + texts[1][damage:]
    try:
        expected = [PARSER.parse(text, 6, 8).tolist() for text in texts]
    except VenueMessageError as error:
        expected = str(error)
    try:
        found = [side.tolist() for side in PARSER.sides(*texts, 6, 8)]
    except VenueMessageError as error:
        found = str(error)
    assert found == expected


SCRIPT = """
from fractions import Fraction
from poise.core.errors import VenueMessageError
from poise.venues.binance.levels import LevelsParser
parser = LevelsParser()
for whole in ("0", "7", "61800", "999999999999999999", "00012"):
    for part in ("", ".5", ".504", ".50400", ".0001"):
        for scale in (0, 3, 4, 12, 18):
            exact = Fraction(whole + part) * 10**scale
            text = b'[["1","' + (whole + part).encode() + b'"]]'
            for spaced in (text, text.replace(b",", b" , ")):
                try:
                    found = parser.parse(spaced, 0, scale).tolist()
                except VenueMessageError:
                    found = None
                sound = exact.denominator == 1 and exact < 10**18
                assert found == ([[1, int(exact)]] if sound else None), (spaced, scale, found)
"""


def test_the_kernels_do_the_same_without_the_compiler():
    env = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT + CHECKED], env=env, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


CHECKED = """
from poise.core.errors import VenueMessageError
from poise.venues.binance.levels import LevelsParser
parser, text = LevelsParser(), b'[["7.5040","813"],["7.6090","0"]]'
kept = 0
for cut in range(len(text) + 1):
    for spare in (b"", b'"', b"[", b",", b"9", b"."):
        try:
            kept += parser.parse(text[:cut] + spare, 4, 0).shape[0]
            parser.sides(text[:cut] + spare, text[:cut] + spare, 4, 0)
            parser.sides(text, text[:cut] + spare, 4, 0)
        except VenueMessageError:
            pass
assert kept == 2, kept
"""


def test_no_text_makes_the_kernel_read_beyond_its_end(tmp_path):
    """Every truncation, with numba's bounds checks on; IndexError would end the child."""
    env = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CHECKED], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
