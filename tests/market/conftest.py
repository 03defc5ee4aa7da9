"""Makers of market events in a few words."""

import numpy as np
import pytest

from poise.core.events import BUY, DepthDiff, DepthSnapshot, Quote, Trade

START = 1_700_000_000_000_000_000


def _trade(trade_id, price=100, qty=1, side=BUY, venue_ns=START, recv_ns=None):
    recv_ns = venue_ns if recv_ns is None else recv_ns
    return Trade(0, trade_id, price, qty, side, venue_ns, recv_ns, trade_id, trade_id)


def _quote(bid, ask, venue_ns=START, update_id=0, bid_qty=1, ask_qty=1):
    return Quote(0, update_id, bid, bid_qty, ask, ask_qty, venue_ns, venue_ns)


def _levels(rows):
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def _diff(first_id, last_id, prev_id, bids=(), asks=(), recv_ns=START):
    return DepthDiff(
        0, first_id, last_id, prev_id, _levels(bids), _levels(asks), recv_ns, recv_ns
    )  # fmt: skip


def _snapshot(last_id, bids=(), asks=(), recv_ns=START):
    return DepthSnapshot(0, last_id, _levels(bids), _levels(asks), recv_ns, recv_ns)


@pytest.fixture(scope="session")
def start_ns():
    return START


@pytest.fixture(scope="session")
def make_trade():
    return _trade


@pytest.fixture(scope="session")
def make_quote():
    return _quote


@pytest.fixture(scope="session")
def make_diff():
    return _diff


@pytest.fixture(scope="session")
def make_snapshot():
    return _snapshot
