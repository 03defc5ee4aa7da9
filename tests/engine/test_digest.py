"""The digest: canonical, order-sensitive, and blind to nothing."""

import hashlib
import itertools
import math

import msgspec
import numpy as np
import pytest

from poise.core.errors import InvariantBroken
from poise.core.events import DepthDiff, Quote, RunStarted, Timer
from poise.core.outputs import BookState, Diagnostic
from poise.engine.digest import RunDigest
from poise.engine.step import Engine


def digest(*steps):
    result = RunDigest()
    for seq, event, outputs in steps:
        result.add(seq, event, outputs)
    return result.hexdigest()


QUOTE = Quote(0, 1, 100, 5, 101, 6, 7, 8)


def test_it_is_blake2b_of_the_canonical_msgpack():
    steps = [(1, QUOTE, [Diagnostic("info", "a", "b" * 100)]), (2, Timer(9), [])]
    expected = hashlib.blake2b(digest_size=32)
    for step in steps:
        expected.update(msgspec.msgpack.encode(step, order="deterministic"))
    assert digest(*steps) == expected.hexdigest()


@pytest.mark.parametrize("field", Quote.__struct_fields__)
def test_every_field_counts(field):
    changed = msgspec.structs.replace(QUOTE, **{field: getattr(QUOTE, field) + 1})
    assert digest((1, changed, [])) != digest((1, QUOTE, []))


def test_order_numbers_and_outputs_count():
    steps = [(1, QUOTE, []), (1, Timer(9), []), (2, QUOTE, [])]
    rows = [
        *steps,
        (1, QUOTE, [BookState(0, True, "", 1)]),
        (1, QUOTE, [BookState(0, False, "", 1)]),
    ]
    assert len({digest(row) for row in rows}) == len(rows)
    orders = {digest(*order) for order in itertools.permutations(steps)}
    assert len(orders) == 6


def test_arrays_count_by_shape_and_value():
    def diff(bids, asks):
        return DepthDiff(0, 1, 2, 0, np.array(bids).reshape(-1, 2), np.array(asks).reshape(-1, 2),
                         1, 1)  # fmt: skip

    rows = [([1, 2], [3, 4]), ([3, 4], [1, 2]), ([1, 2, 3, 4], []), ([], [1, 2, 3, 4]),
            ([1, 2], [3, 5])]  # fmt: skip
    assert len({digest((1, diff(*row), [])) for row in rows}) == len(rows)
    wide = np.array([[1, 9, 2, 9]], dtype=np.int64)[:, ::2]  # a view with holes is the same array
    assert digest((1, diff([1, 2], []), [])) == digest(
        (1, DepthDiff(0, 1, 2, 0, wide, np.empty((0, 2), dtype=np.int64), 1, 1), [])
    )


def test_raw_bytes_count():
    def raw(*payloads):
        result = RunDigest()
        for seq, payload in enumerate(payloads):
            result.add_raw(seq, payload)
        return result.hexdigest()

    assert len({raw(), raw(b""), raw(b"", b""), raw(b"ab"), raw(b"a", b"b"), raw(b"ba")}) == 6


def test_floats_count_by_their_bits_but_all_nans_are_one():
    def floats(*values):
        result = RunDigest()
        result.add_floats(np.array(values))
        return result.hexdigest()

    other_nan = np.array([0xFFF8000000000001], dtype=np.uint64).view(np.float64)[0]
    assert math.isnan(other_nan)
    assert floats(1.0, math.nan) == floats(1.0, other_nan)
    assert floats(0.1 + 0.2) != floats(0.3)
    assert floats(1.0, 2.0) != floats(2.0, 1.0)


def test_reading_it_does_not_end_it():
    one = RunDigest()
    one.add(1, QUOTE, [])
    first = one.hexdigest()
    assert one.hexdigest() == first
    one.add(2, QUOTE, [])
    assert one.hexdigest() == digest((1, QUOTE, []), (2, QUOTE, []))


def test_the_engine_starts_once_and_first(make_run):
    engine = Engine()
    with pytest.raises(InvariantBroken, match="Timer came before RunStarted"):
        engine.step(Timer(1))
    assert engine.step(make_run([(0, 1)])) == []
    with pytest.raises(InvariantBroken, match="RunStarted came twice"):
        engine.step(make_run([(0, 1)]))
    assert isinstance(engine.run, RunStarted)
