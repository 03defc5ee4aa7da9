"""The digest of a run: what makes two replays provably the same.

BLAKE2b-256 over the canonical msgpack of every input and output of ``step`` in order, each as
(seq, type and fields); float64 travels as its eight bytes, arrays as their shape and bytes. The
raw bytes of every accepted frame go in too: a field that nothing reads is still recorded input.
"""

import hashlib
from typing import Any

import msgspec
import numpy as np

from poise.core.events import Event
from poise.core.outputs import Output


def _array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.shape, value.tobytes())
    raise NotImplementedError(f"{type(value).__name__} has no canonical form")


class RunDigest:
    """Collects a run; `hexdigest` may be read at any time."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=32)
        self._encoder = msgspec.msgpack.Encoder(enc_hook=_array, order="deterministic")
        self._buffer = bytearray()

    def add(self, seq: int, event: Event, outputs: list[Output]) -> None:
        """Take in one step."""
        self._encoder.encode_into((seq, event, outputs), self._buffer)
        self._hash.update(self._buffer)

    def add_raw(self, seq: int, payload: bytes) -> None:
        """Take in the bytes of an accepted frame or answer, before the steps it makes."""
        self._encoder.encode_into((seq, payload), self._buffer)
        self._hash.update(self._buffer)

    def add_floats(self, *arrays: np.ndarray) -> None:
        """Take in state arrays at the end of a run, bit by bit (NaNs made alike)."""
        for array in arrays:
            bits = np.where(np.isnan(array), np.nan, array)
            self._encoder.encode_into((array.shape, bits.tobytes()), self._buffer)
            self._hash.update(self._buffer)

    def hexdigest(self) -> str:
        """Digest so far, 64 hexadecimal digits."""
        return self._hash.hexdigest()
