"""Keeping a book equal to the venue's: the official procedure as a state machine.

"How to manage a local order book correctly" (USD-M): buffer diffs, fetch a snapshot, drop diffs
older than it, start with the diff that straddles it, then demand ``pu == u`` of the diff before.
Any doubt makes the book INVALID at once and asks for a new snapshot. Besides, the best bid and
offer are compared with the quote stream wherever both show the same update id.
"""

from enum import IntEnum

from poise.core.events import DepthDiff, DepthSnapshot, Quote
from poise.core.outputs import BookState, Diagnostic, HealBook, Output
from poise.core.units import NS_PER_MS, NS_PER_S, InstrumentIx, Ns
from poise.market.book import Book

BUFFER_MAX = 2_000
"""Diffs kept while waiting for a snapshot: 200 s of them; older ones cannot straddle it."""
QUOTES_MAX = 4_096
CROSSED_GRACE_NS = 1 * NS_PER_S
REPLY_DEADLINE_NS = 15 * NS_PER_S
RETRY_FIRST_NS = 500 * NS_PER_MS
RETRY_MAX_NS = 30 * NS_PER_S


class SyncState(IntEnum):
    """Where the procedure stands."""

    IDLE = 0
    """No diff has come yet."""
    WAITING = 1
    """INVALID: diffs are buffered, a snapshot is wanted or held."""
    LIVE = 2


_LIVE = SyncState.LIVE
"""Plain: every diff asks, and a look-up of an enum's member is a call."""


class BookSync:
    """One instrument's book with its continuity.

    Methods take an event and append outputs to the list given; nothing is returned.
    """

    def __init__(self, instrument: InstrumentIx) -> None:
        self.book = Book()
        self.state = SyncState.IDLE
        self.chain_breaks = 0
        self.duplicates = 0
        self.checks = 0
        self.mismatches = 0
        self._instrument = instrument
        self._buffer: list[DepthDiff] = []
        self._snapshot: DepthSnapshot | None = None
        self._attempt = 0
        self._wake_ns = 0
        self._crossed_since = 0
        self._quotes: dict[int, Quote] = {}

    @property
    def live(self) -> bool:
        """Whether the book may be trusted."""
        return self.state is _LIVE

    def on_diff(self, diff: DepthDiff, outputs: list[Output]) -> None:
        """Apply or buffer one diff."""
        if self.state is _LIVE:
            if diff.last_id <= self.book.last_id:
                self.duplicates += 1
            elif diff.prev_id == self.book.last_id:
                self._apply(diff, outputs)
            else:
                self.chain_breaks += 1
                reason = f"diff {diff.first_id} follows {diff.prev_id}, not {self.book.last_id}"
                self._invalidate(reason, diff.recv_ns, outputs)
                self._buffer.append(diff)
            return
        if self.state is SyncState.IDLE:
            self.state = SyncState.WAITING
            self._ask(diff.recv_ns, outputs)
        if self._buffer and diff.last_id <= self._buffer[-1].last_id:
            self.duplicates += 1
            return
        self._buffer.append(diff)
        if len(self._buffer) > BUFFER_MAX:
            del self._buffer[0]
        if self._snapshot is not None:
            self._join(diff.recv_ns, outputs)

    def on_snapshot(self, snapshot: DepthSnapshot, outputs: list[Output]) -> None:
        """Take a snapshot, if one is wanted."""
        if self.state is _LIVE:
            return
        self._snapshot = snapshot
        self._wake_ns = snapshot.recv_ns + REPLY_DEADLINE_NS
        self._join(snapshot.recv_ns, outputs)

    def on_quote(self, quote: Quote, outputs: list[Output]) -> None:
        """Compare with the book at equal update ids; the diff often comes after the quote."""
        if quote.update_id == self.book.last_id:
            if self.state is _LIVE:
                self._check(quote, quote.recv_ns, outputs)
        elif quote.update_id > self.book.last_id:
            if len(self._quotes) >= QUOTES_MAX:
                self._quotes.clear()
            self._quotes[quote.update_id] = quote

    def on_down(self, reason: str, now_ns: Ns, outputs: list[Output]) -> None:
        """The stream ended: nothing after this continues it."""
        self._buffer.clear()
        if self.state is _LIVE:
            self._invalidate(reason, now_ns, outputs, ask=False)
        self.state = SyncState.IDLE
        self._snapshot = None

    def on_heal_failed(self, now_ns: Ns) -> None:
        """No snapshot came: try again, later each time."""
        delay = min(RETRY_FIRST_NS << min(self._attempt, 10), RETRY_MAX_NS)
        self._wake_ns = now_ns + delay

    def on_timer(self, now_ns: Ns, outputs: list[Output]) -> None:
        """Ask again where an answer is overdue; resynchronise a book that stays crossed."""
        if self.state is SyncState.WAITING and now_ns >= self._wake_ns:
            self._snapshot = None
            self._ask(now_ns, outputs)
        elif (
            self.state is _LIVE
            and self._crossed_since
            and now_ns - self._crossed_since > CROSSED_GRACE_NS
        ):
            self._invalidate("bid at or above ask for over 1 s", now_ns, outputs)

    def _ask(self, now_ns: int, outputs: list[Output]) -> None:
        self._attempt += 1
        self._wake_ns = now_ns + REPLY_DEADLINE_NS
        outputs.append(HealBook(self._instrument, self._attempt))

    def _join(self, now_ns: Ns, outputs: list[Output]) -> None:
        """Start the book from the held snapshot, if a buffered diff straddles or continues it."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        at = snapshot.last_id
        while self._buffer and self._buffer[0].last_id < at:
            del self._buffer[0]
        if not self._buffer:
            return  # the snapshot is newer than all diffs: the next one decides
        first = self._buffer[0]
        if not (first.first_id <= at <= first.last_id or first.prev_id == at):
            # Older than the oldest diff: this snapshot can never join.
            self._snapshot = None
            self.on_heal_failed(now_ns)
            return
        pending, self._buffer = self._buffer, []
        self._snapshot = None
        self.book.clear()
        self.book.apply(snapshot.bids, snapshot.asks, at)
        self.state = SyncState.LIVE
        self._attempt = 0
        self._crossed_since = 0
        outputs.append(BookState(self._instrument, True, "synchronised", now_ns))
        self._apply(pending[0], outputs)
        for diff in pending[1:]:
            self.on_diff(diff, outputs)

    def _apply(self, diff: DepthDiff, outputs: list[Output]) -> None:
        if self.book.apply(diff.bids, diff.asks, diff.last_id):
            self._crossed_since = self._crossed_since or diff.recv_ns
        else:
            self._crossed_since = 0
        quotes = self._quotes
        if quotes:
            same = quotes.get(diff.last_id)
            if same is not None:
                self._check(same, diff.recv_ns, outputs)
            # Ids count upward, so what is at or below the book's can never be compared again.
            if next(reversed(quotes)) <= diff.last_id:
                quotes.clear()
            else:
                self._quotes = {key: value for key, value in quotes.items() if key > diff.last_id}

    def _check(self, quote: Quote, now_ns: Ns, outputs: list[Output]) -> None:
        self.checks += 1
        if self.book.best() != (quote.bid, quote.bid_qty, quote.ask, quote.ask_qty):
            self.mismatches += 1
            text = f"book and quote differ at update {quote.update_id}"
            outputs.append(Diagnostic("alarm", "book_mismatch", text, self._instrument))
            self._invalidate(text, now_ns, outputs)

    def _invalidate(
        self, reason: str, now_ns: Ns, outputs: list[Output], *, ask: bool = True
    ) -> None:
        self.state = SyncState.WAITING
        self._buffer.clear()
        self._snapshot = None
        outputs.append(BookState(self._instrument, False, reason, now_ns))
        if ask:
            self._ask(now_ns, outputs)
