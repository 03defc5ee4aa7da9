"""The book's kernels against two dictionaries."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.market.book import CAPACITY, Book

LEVEL = st.tuples(st.integers(1, 60), st.sampled_from([0, 0, 1, 5, 10**17]))
SIDE = st.lists(LEVEL, max_size=12) | st.lists(
    LEVEL, max_size=30, unique_by=lambda level: level[0]
).map(sorted)  # as the venue sends them, or not


def levels(rows):
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def put(side, rows):
    for price, qty in rows:
        if qty:
            side[price] = qty
        else:
            side.pop(price, None)


@settings(max_examples=80, deadline=None)
@given(diffs=st.lists(st.tuples(SIDE, SIDE), max_size=20), count=st.integers(1, 70))
def test_book_equals_dictionaries(diffs, count):
    book, bids, asks = Book(), {}, {}
    for number, (bid_rows, ask_rows) in enumerate(diffs):
        crossed = book.apply(levels(bid_rows), levels(ask_rows), number)
        put(bids, bid_rows)
        put(asks, ask_rows)
        best_bid, best_ask = max(bids, default=0), min(asks, default=0)
        assert book.best() == (best_bid, bids.get(best_bid, 0), best_ask, asks.get(best_ask, 0))
        assert book.last_id == number
        assert crossed is bool(bids and asks and best_bid >= best_ask)
        top_bids, top_asks = book.top(count)
        assert [tuple(row) for row in top_bids.tolist()] == sorted(bids.items())[::-1][:count]
        assert [tuple(row) for row in top_asks.tolist()] == sorted(asks.items())[:count]
    book.clear()
    assert book.best() == (0, 0, 0, 0)
    assert [part.shape for part in book.top(3)] == [(0, 2), (0, 2)]


def test_a_full_book_forgets_what_is_farthest_from_the_touch():
    book, count = Book(), CAPACITY + 500
    prices = np.random.default_rng(3).permutation(count) + 1
    rows = np.column_stack((prices, prices))
    book.apply(rows[: count // 2], rows[: count // 2], 1)
    book.apply(rows[count // 2 :], rows[count // 2 :], 2)
    bids, asks = book.top(count)
    assert bids[:, 0].tolist() == list(range(count, count - CAPACITY, -1))
    assert asks[:, 0].tolist() == list(range(1, CAPACITY + 1))
    assert (bids[:, 0] == bids[:, 1]).all()


@pytest.mark.parametrize("spare", [-1, 0, 1, 60])
def test_sorted_diffs_at_the_limit_of_the_book(spare):
    """With room for all of a diff it is merged at once, else set level by level."""
    book, rng = Book(), np.random.default_rng(5)
    start = np.arange(1, CAPACITY - 100 + 1) * 3 + 10_000
    book.apply(np.column_stack((start, start)), np.column_stack((start, start)), 1)
    bids, asks = dict(zip(start, start, strict=True)), dict(zip(start, start, strict=True))
    prices = np.sort(rng.choice(40_000, 100 - spare, replace=False)) + 1
    rows = np.column_stack((prices, rng.integers(0, 3, prices.size)))
    book.apply(rows, rows, 2)
    put(bids, rows.tolist())
    put(asks, rows.tolist())
    top_bids, top_asks = book.top(CAPACITY)
    assert [tuple(row) for row in top_bids.tolist()] == sorted(bids.items())[::-1][:CAPACITY]
    assert [tuple(row) for row in top_asks.tolist()] == sorted(asks.items())[:CAPACITY]


PLAIN = """
import random
import numpy as np
from poise.market.book import Book
rng = random.Random(1)
book, sides = Book(), ({}, {})
for number in range(300):
    parts = []
    for side in sides:
        rows = [(rng.randint(1, 40), rng.choice([0, 1, 2])) for _ in range(rng.randint(0, 9))]
        if rng.random() < 0.7:
            rows = sorted(dict(rows).items())
        for price, qty in rows:
            side.pop(price, None)
            if qty:
                side[price] = qty
        parts.append(np.array(rows, dtype=np.int64).reshape(-1, 2))
    book.apply(*parts, number)
    bids, asks = book.top(99)
    assert dict(bids.tolist()) == sides[0]
    assert dict(asks.tolist()) == sides[1]
"""


def test_the_kernels_do_the_same_without_the_compiler():
    """Plain Python checks every index."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PLAIN], capture_output=True, text=True, check=False,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
