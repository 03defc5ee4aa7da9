"""Wire-to-signal latency of a running core: a sample of recent frames."""

import numpy as np

_SAMPLES = 8_192


class LatencyRing:
    """The last 8,192 samples, nanoseconds."""

    def __init__(self) -> None:
        self._values = [0] * _SAMPLES
        self._count = 0

    def add(self, latency_ns: int) -> None:
        """Take one sample in."""
        self._values[self._count & (_SAMPLES - 1)] = latency_ns
        self._count += 1

    def percentiles_us(self) -> tuple[float | None, float | None]:
        """p50 and p99 in microseconds; None before 100 samples."""
        if self._count < 100:
            return None, None
        values = np.asarray(self._values[: min(self._count, _SAMPLES)])
        p50, p99 = np.percentile(values, (50, 99))
        return float(p50) / 1e3, float(p99) / 1e3
