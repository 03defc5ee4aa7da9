"""Helpers: virtual disks, instruments, lakes, the recordings."""

import random

import pytest

from poise.core.instrument import Instrument
from poise.store.lake_writer import LakeWriter
from poise.store.virtual_disk import VirtualDisk

DAY = 86_400_000_000_000
T0 = 19_944 * DAY
"""2024-08-09, midnight UTC, in ns."""


@pytest.fixture
def virtual_disk():
    def make(seed=0, capacity=None):
        return VirtualDisk(random.Random(seed), capacity)

    return make


@pytest.fixture
def instrument():
    def make(ix, base="ARDEN", price_scale=2, qty_scale=3):
        return Instrument(
            ix=ix,
            venue="binance.usdm",
            symbol=f"{base}USDT",
            base=base,
            quote="USDT",
            kind="PERP",
            price_scale=price_scale,
            qty_scale=qty_scale,
            tick=1,
            step=1,
        )

    return make


@pytest.fixture
def open_writer(instrument):
    opened = []

    def make(root, *, disk=None, environment="demo", journal_id="j0", bases=("ARDEN", "BREN")):
        writer = LakeWriter(
            root,
            environment=environment,
            run_id="run-1",
            journal_id=journal_id,
            wall_ns=lambda: T0,
            disk=disk,
        )
        opened.append(writer)
        writer.register([instrument(ix, base) for ix, base in enumerate(bases)])
        return writer

    yield make
    for writer in opened:
        writer.close()
