"""The book's kernels against two dictionaries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poise.market import book as book_module
from poise.market.book import CAPACITY, Book

LEVEL = st.tuples(st.integers(1, 60), st.sampled_from([0, 0, 1, 5, 10**17]))
SIDE = st.lists(LEVEL, max_size=12)


def levels(rows):
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def put(side, rows):
    for price, qty in rows:
        if qty:
            side[price] = qty
        else:
            side.pop(price, None)


@settings(max_examples=200, deadline=None)
@given(diffs=st.lists(st.tuples(SIDE, SIDE), max_size=20), count=st.integers(1, 70))
def test_book_equals_dictionaries(diffs, count):
    book, bids, asks = Book(), {}, {}
    for number, (bid_rows, ask_rows) in enumerate(diffs):
        book.apply(levels(bid_rows), levels(ask_rows), number)
        put(bids, bid_rows)
        put(asks, ask_rows)
        best_bid, best_ask = max(bids, default=0), min(asks, default=0)
        assert book.best() == (best_bid, bids.get(best_bid, 0), best_ask, asks.get(best_ask, 0))
        assert book.last_id == number
        top_bids, top_asks = book.top(count)
        assert [tuple(row) for row in top_bids.tolist()] == sorted(bids.items())[::-1][:count]
        assert [tuple(row) for row in top_asks.tolist()] == sorted(asks.items())[:count]
    book.clear()
    assert book.best() == (0, 0, 0, 0)
    assert [part.shape for part in book.top(3)] == [(0, 2), (0, 2)]


def test_a_full_book_forgets_what_is_farthest_from_the_touch():
    book, count = Book(), CAPACITY + 500
    prices = np.random.default_rng(3).permutation(count) + 1  # noqa: TID251 - tests may draw
    rows = np.column_stack((prices, prices))
    book.apply(rows[: count // 2], rows[: count // 2], 1)
    book.apply(rows[count // 2 :], rows[count // 2 :], 2)
    bids, asks = book.top(count)
    assert bids[:, 0].tolist() == list(range(count, count - CAPACITY, -1))
    assert asks[:, 0].tolist() == list(range(1, CAPACITY + 1))
    assert (bids[:, 0] == bids[:, 1]).all()


@pytest.mark.parametrize("kernel", ["_find", "_set", "_apply"])
def test_kernels_run_without_the_compiler(kernel):
    """The Python they are written in does the same, so bounds are checked there."""
    function = getattr(book_module, kernel)
    assert callable(getattr(function, "py_func", function))


def test_sides_stay_sorted_in_plain_python(monkeypatch):
    for name in ("_find", "_set"):
        plain = getattr(getattr(book_module, name), "py_func", getattr(book_module, name))
        monkeypatch.setattr(book_module, name, plain)
    keys, qtys = np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64)
    size, known = 0, {}
    for key, qty in [(5, 1), (3, 2), (9, 3), (7, 4), (8, 5), (1, 6), (9, 0), (9, 0), (2, 7), (6, 8)]:
        size = book_module._set(keys, qtys, size, key, qty)
        known[key] = qty
        known = {k: q for k, q in known.items() if q}
        known = dict(sorted(known.items())[-4:])
        assert dict(zip(keys[:size].tolist(), qtys[:size].tolist(), strict=True)) == known
        assert sorted(keys[:size].tolist()) == keys[:size].tolist()
