"""Trades in id order, each once: duplicates dropped, gaps healed or recorded, never silent.

While a gap is open, later trades wait (bounded) so that everything downstream sees ids in order.
"""

from poise.core.events import Channel, Trade
from poise.core.outputs import Diagnostic, Gap, HealTrades, Output
from poise.core.units import NS_PER_MS, NS_PER_S, InstrumentIx, Ns

PENDING_MAX = 20_000
"""Trades that may wait behind a gap; past it the gap is recorded and they are let through."""
ATTEMPTS_MAX = 5
"""Requests without progress, then the gap is recorded."""
MISSING_MAX = {"trade": 5_000, "aggTrade": 60_000}
"""Most missing trades that are asked for: ten pages of raw trades already cost most of a minute's
request weight. A longer hole is recorded with the next trade, and the budget left to others."""
PAGES_MAX = 60
ZERO_IDS_MAX = 1_000
_PLACEHOLDER = "the venue sent a placeholder of quantity 0 under this id"
REPLY_DEADLINE_NS = 15 * NS_PER_S
RETRY_FIRST_NS = 250 * NS_PER_MS
ALARM_NS = 1 * NS_PER_S
_TOO_MANY = "more trades missing than are fetched"


class TradeSync:
    """Continuity of one instrument's trade stream, by `trade_id` + 1.

    Parameters
    ----------
    instrument, channel
        Whose trades, and by which stream they come.
    last_id
        Last trade of an earlier run, so that what was missed between is healed or recorded; None
        to begin with whatever comes first.
    """

    def __init__(
        self, instrument: InstrumentIx, channel: Channel, last_id: int | None = None
    ) -> None:
        self.last_id = last_id or 0
        """Id of the last trade let through; 0 before the first."""
        self._started = last_id is not None
        self.count = 0
        """Trades let through."""
        self.duplicates = 0
        self.dropped_zero = 0
        self._instrument = instrument
        self._channel: Channel = channel
        self._pending: dict[int, Trade] = {}
        self._zero_ids: set[int] = set()
        self._first_missing = 0
        self._last_missing = 0
        self._opened_ns = 0
        self._asked = False
        self._doubtful = False
        self._attempt = 0
        self._pages = 0
        self._wake_ns = 0
        self._alarmed = False

    @property
    def healing(self) -> bool:
        """Whether a gap is open."""
        return bool(self._pending)

    @property
    def oldest_pending(self) -> int | None:
        """Smallest id that waits behind a gap."""
        return min(self._pending) if self._pending else None

    def on_trade(self, trade: Trade, accepted: list[Trade], outputs: list[Output]) -> None:
        """Let one live trade through, or keep it behind a gap."""
        if trade.qty == 0:
            # The venue's placeholder frames may or may not own an id: remember it, in case the
            # next real trade skips it.
            self.dropped_zero += 1
            if len(self._zero_ids) >= ZERO_IDS_MAX:
                self._zero_ids = {key for key in self._zero_ids if key > self.last_id}
            if len(self._zero_ids) < ZERO_IDS_MAX and trade.trade_id > self.last_id:
                self._zero_ids.add(trade.trade_id)
                if self._pending:
                    self._drain(trade.recv_ns, accepted, outputs)
            return
        last = self.last_id
        if self._doubtful and self._pending and last < trade.trade_id < min(self._pending):
            self._drop_doubtful(outputs)
        if trade.trade_id == last + 1 or not self._started:
            self._accept(trade, accepted)
            if self._pending:
                self._drain(trade.recv_ns, accepted, outputs)
        elif trade.trade_id <= last or trade.trade_id in self._pending:
            self.duplicates += 1
        else:
            self._hold(trade, accepted, outputs)

    def on_backfill(
        self, trades: tuple[Trade, ...], now_ns: Ns, accepted: list[Trade], outputs: list[Output]
    ) -> None:
        """Merge an answer from REST, asked for or polled."""
        before = self.last_id
        was_whole = not self._pending
        for trade in sorted(trades, key=lambda item: item.trade_id):
            if trade.trade_id == self.last_id + 1 or not self._started:
                self._accept(trade, accepted)
            elif trade.trade_id > self.last_id:
                self._pending.setdefault(trade.trade_id, trade)
        if not self._pending:
            return
        if was_whole:
            self._open(now_ns)
            if not self._skip_zero_ids(now_ns, accepted, outputs):
                self._ask(now_ns, outputs)
            return
        self._drain(now_ns, accepted, outputs)
        if not self._pending or self._doubtful:
            return
        if self.last_id == before:
            self.on_heal_failed("the venue no longer has them", now_ns, accepted, outputs)
            return
        self._pages += 1
        if self._pages < PAGES_MAX:
            self._attempt = 0
            self._ask(now_ns, outputs)
        else:
            self._give_up(_TOO_MANY, now_ns, accepted, outputs)

    def on_heal_failed(
        self,
        reason: str,
        now_ns: Ns,
        accepted: list[Trade],
        outputs: list[Output],
        *,
        permanent: bool = False,
    ) -> None:
        """Retry later and later; after `ATTEMPTS_MAX`, or when told so, record the gap."""
        if not self._pending:
            return
        if permanent or self._attempt >= ATTEMPTS_MAX:
            self._give_up(reason, now_ns, accepted, outputs)
        elif self._asked:  # else the retry is set already, and polls must not put it off
            self._asked = False
            self._wake_ns = now_ns + (RETRY_FIRST_NS << self._attempt)

    def on_timer(self, now_ns: Ns, accepted: list[Trade], outputs: list[Output]) -> None:
        """Ask again where an answer is overdue; alarm once for a gap over a second."""
        if not self._pending:
            return
        if not self._alarmed and now_ns - self._opened_ns > ALARM_NS:
            self._alarmed = True
            text = f"{self._channel} ids from {self._first_missing} missing for over 1 s"
            outputs.append(Diagnostic("alarm", "trade_gap", text, self._instrument))
        if now_ns >= self._wake_ns:
            if self._doubtful:
                self._give_up(_TOO_MANY, now_ns, accepted, outputs)
            elif self._attempt >= ATTEMPTS_MAX:
                self._give_up("no answer to the heal request", now_ns, accepted, outputs)
            else:
                self._ask(now_ns, outputs)

    def _accept(self, trade: Trade, accepted: list[Trade]) -> None:
        self.last_id = trade.trade_id
        self.count += 1
        self._started = True
        accepted.append(trade)

    def _hold(self, trade: Trade, accepted: list[Trade], outputs: list[Output]) -> None:
        opened = not self._pending
        self._pending[trade.trade_id] = trade
        if opened:
            self._open(trade.recv_ns)
        if self._skip_zero_ids(trade.recv_ns, accepted, outputs):
            return
        if opened:
            missing = trade.trade_id - self.last_id - 1
            if missing > MISSING_MAX.get(self._channel, PENDING_MAX):
                # One wrong id must not end the stream: the trade behind it decides.
                self._doubtful = True
                self._wake_ns = trade.recv_ns + REPLY_DEADLINE_NS
            else:
                self._ask(trade.recv_ns, outputs)
        elif self._doubtful:
            self._give_up(_TOO_MANY, trade.recv_ns, accepted, outputs)
        elif len(self._pending) > PENDING_MAX:
            self._give_up("too many trades wait behind it", trade.recv_ns, accepted, outputs)

    def _drop_doubtful(self, outputs: list[Output]) -> None:
        """The stream went on without the trade that claimed to be far ahead."""
        ahead = min(self._pending) - self.last_id
        text = (
            f"trade {min(self._pending)} claims to be {ahead} ids ahead and is none of the stream"
        )
        outputs.append(Diagnostic("warning", "trade_id", text, self._instrument))
        self._pending.clear()

    def _skip_zero_ids(self, now_ns: Ns, accepted: list[Trade], outputs: list[Output]) -> bool:
        """Step over ids that were placeholders; true when nothing is missing then.

        A placeholder may also bear the id of a trade that was lost, so what is stepped over is
        recorded: nothing is left out in silence.
        """
        if not self._zero_ids:
            return False
        while self.last_id + 1 in self._zero_ids:
            first = self.last_id + 1
            while self.last_id + 1 in self._zero_ids:
                self.last_id += 1
                self._zero_ids.discard(self.last_id)
            if first > self._first_missing:
                self._record(self._first_missing, first - 1, now_ns, "", outputs, healed=True)
            self._record(first, self.last_id, now_ns, _PLACEHOLDER, outputs, healed=False)
            while (trade := self._pending.pop(self.last_id + 1, None)) is not None:
                self._accept(trade, accepted)
            self._first_missing = self.last_id + 1
        if self._pending:
            self._last_missing = max(self._last_missing, min(self._pending) - 1)
        self._zero_ids = {key for key in self._zero_ids if key > self.last_id}
        return not self._pending

    def _open(self, now_ns: Ns) -> None:
        self._first_missing = self.last_id + 1
        self._last_missing = min(self._pending) - 1
        self._opened_ns = now_ns
        self._asked = False
        self._doubtful = False
        self._attempt = 0
        self._pages = 0
        self._alarmed = False

    def _ask(self, now_ns: Ns, outputs: list[Output]) -> None:
        self._asked = True
        self._attempt += 1
        self._wake_ns = now_ns + REPLY_DEADLINE_NS
        first, last = self.last_id + 1, min(self._pending) - 1
        self._last_missing = last
        outputs.append(HealTrades(self._instrument, self._channel, first, last))

    def _drain(self, now_ns: Ns, accepted: list[Trade], outputs: list[Output]) -> None:
        """Let through what follows without a hole; close the gap when nothing waits any more."""
        pending = self._pending
        for key in [key for key in pending if key <= self.last_id]:
            del pending[key]
        while (trade := pending.pop(self.last_id + 1, None)) is not None:
            self._accept(trade, accepted)
        if pending:
            self._skip_zero_ids(now_ns, accepted, outputs)
        elif self._first_missing <= self._last_missing:
            self._record(self._first_missing, self._last_missing, now_ns, "", outputs, healed=True)

    def _give_up(
        self, reason: str, now_ns: Ns, accepted: list[Trade], outputs: list[Output]
    ) -> None:
        """Record what is missing before the oldest waiting trade, and go on from there."""
        self._doubtful = False
        missing_to = min(self._pending) - 1
        if self.last_id >= self._first_missing:
            self._record(self._first_missing, self.last_id, now_ns, "", outputs, healed=True)
        self._record(self.last_id + 1, missing_to, now_ns, reason, outputs, healed=False)
        self.last_id = missing_to
        while (trade := self._pending.pop(self.last_id + 1, None)) is not None:
            self._accept(trade, accepted)
        if self._pending:
            self._open(now_ns)
            if not self._skip_zero_ids(now_ns, accepted, outputs):
                self._ask(now_ns, outputs)

    def _record(
        self,
        first_id: int,
        last_id: int,
        now_ns: Ns,
        reason: str,
        outputs: list[Output],
        *,
        healed: bool,
    ) -> None:
        outputs.append(
            Gap(
                self._instrument,
                self._channel,
                first_id,
                last_id,
                Ns(self._opened_ns),
                now_ns,
                reason,
                healed,
            )
        )
