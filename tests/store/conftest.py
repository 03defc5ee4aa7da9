"""Helpers: journals and lakes on real and virtual disks."""

import os
import random
from pathlib import Path

import pytest

from poise.store.virtual_disk import VirtualDisk


@pytest.fixture
def virtual_disk():
    def make(seed=0, capacity=None):
        return VirtualDisk(random.Random(seed), capacity)

    return make


@pytest.fixture
def data_file():
    configured = os.environ.get("POISE_DATA")
    root = Path(configured) if configured else Path(__file__).parents[3] / "shared" / "data"

    def find(name):
        path = root / name
        if not path.exists():
            if configured:
                pytest.fail(f"POISE_DATA is set, but {path} is missing")
            pytest.skip(f"no recording {path}")
        return path

    return find
