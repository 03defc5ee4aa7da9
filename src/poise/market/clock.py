"""The venue's clock, estimated from the events themselves."""

from poise.core.units import NS_PER_S

_BUCKET_NS = 60 * NS_PER_S
_JUMP_NS = 5 * NS_PER_S
_JUMPS_BELIEVED = 50


class VenueClock:
    """Largest ``venue_ns - recv_ns`` of the last one to two minutes.

    The largest difference belongs to the message that travelled fastest, so the estimate is the
    venue's clock less its shortest transit. It works when our clock is wrong by any constant (one
    recording runs 1.27 s behind the venue). A single event far in the future must not close bars:
    jumps of over 5 s are believed only when 50 come in a row.
    """

    __slots__ = ("_before", "_bucket_end", "_jumps", "_now", "_started")

    def __init__(self) -> None:
        self._now = 0
        self._before = 0
        self._bucket_end = 0
        self._jumps = 0
        self._started = False

    @property
    def started(self) -> bool:
        """Whether any event was seen."""
        return self._started

    @property
    def offset_ns(self) -> int:
        """Venue clock minus ours, at least."""
        return max(self._now, self._before)

    def observe(self, venue_ns: int, recv_ns: int) -> None:
        """Take one event in."""
        offset = venue_ns - recv_ns
        if recv_ns >= self._bucket_end:
            self._roll(offset, recv_ns)
        elif offset > self._now:
            # Against both minutes: this one may have begun with an event that came very late.
            if offset - self.offset_ns > _JUMP_NS and self._jumps < _JUMPS_BELIEVED:
                self._jumps += 1
                return
            self._now = offset
        self._jumps = 0

    def now_ns(self, recv_ns: int) -> int:
        """Venue time at our time `recv_ns`."""
        before, now = self._before, self._now
        # Hot, as every trade asks: a property and max() cost five times as much.
        return recv_ns + (before if before > now else now)  # noqa: FURB136

    def _roll(self, offset: int, recv_ns: int) -> None:
        # A minute without events leaves nothing worth keeping of the bucket before.
        stale = recv_ns >= self._bucket_end + _BUCKET_NS
        first = stale or not self._started
        if not first and offset - self.offset_ns > _JUMP_NS:
            offset = self._now
        self._before = offset if first else self._now
        self._now = offset
        self._bucket_end = recv_ns + _BUCKET_NS
        self._started = True
