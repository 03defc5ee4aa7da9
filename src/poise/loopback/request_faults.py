"""Faults upon REST: refusals, pages of a proxy, books too old or too new."""

from collections.abc import Callable, Mapping

from poise.loopback.answers import (
    BAD_GATEWAY,
    BANNED,
    HTML_HEADERS,
    SERVICE_ERRORS,
    TOO_MUCH_WEIGHT,
    Answer,
    ApiError,
    error_answer,
    json_answer,
)
from poise.loopback.book import BookView
from poise.loopback.config import SECOND_NS
from poise.loopback.faults import REQUEST_KINDS, FaultKind
from poise.loopback.market import Market
from poise.loopback.rest_market import depth_body
from poise.loopback.schedule import FaultClock

_MS = 1_000_000
_COPY_EVERY_NS = SECOND_NS
_COPIES = 60
_MOST_LEVELS = 1000
_OLD_MS = 5000
_LAG_S = 0.5
_DEPTH_PATH = "/fapi/v1/depth"
_ABOUT_DEPTH = frozenset({FaultKind.STALE_SNAPSHOT, FaultKind.EARLY_SNAPSHOT})

Note = Callable[[int, FaultKind, str], None]


class RequestFaults:
    """Answers in the venue's place where the plan says so."""

    def __init__(self, clocks: list[FaultClock], market: Market, note: Note) -> None:
        self._clocks = [clock for clock in clocks if clock.fault.kind in REQUEST_KINDS]
        self._market = market
        self._note = note
        self.depth_lags: dict[str, int] = {}
        """Stream symbol -> time until which its depth frames are held back, ns."""
        self._keeps_copies = any(
            clock.fault.kind is FaultKind.STALE_SNAPSHOT for clock in self._clocks
        )
        self._copies: dict[str, list[tuple[int, BookView]]] = {}
        self._copied_ns = -_COPY_EVERY_NS

    def copy_books(self, now_ns: int) -> None:
        """Keep a copy of every book each second, to answer stale snapshots from."""
        if not self._keeps_copies or now_ns < self._copied_ns + _COPY_EVERY_NS:
            return
        self._copied_ns = now_ns
        for symbol in self._market.specs:
            view = self._market.depth(symbol, _MOST_LEVELS)
            if view is not None:
                copies = self._copies.setdefault(symbol, [])
                copies.append((now_ns, view))
                del copies[:-_COPIES]

    def answer(self, path: str, query: Mapping[str, str], now_ns: int) -> Answer | None:
        """Return the faulty answer; None lets the request pass, perhaps with its depth lagging."""
        for clock in self._clocks:
            kind = clock.fault.kind
            if kind in _ABOUT_DEPTH and not self._is_depth(path, query):
                continue
            if not clock.hits(path, now_ns):
                continue
            if kind is FaultKind.EARLY_SNAPSHOT:
                # The answer is the true present; it is the stream that falls behind it.
                lag_ns = int((clock.fault.duration_s or _LAG_S) * SECOND_NS)
                self.depth_lags[query["symbol"].lower()] = now_ns + lag_ns
                self._note(now_ns, kind, query["symbol"])
            elif kind is FaultKind.STALE_SNAPSHOT:
                old = self._stale(query, now_ns - (clock.fault.amount or _OLD_MS) * _MS)
                if old is not None:
                    self._note(now_ns, kind, query["symbol"])
                    return old
            else:
                self._note(now_ns, kind, path)
                return _refusal(kind, clock.fault.amount, now_ns)
        return None

    def _is_depth(self, path: str, query: Mapping[str, str]) -> bool:
        return path == _DEPTH_PATH and query.get("symbol", "") in self._market.specs

    def _stale(self, query: Mapping[str, str], before_ns: int) -> Answer | None:
        """Answer from the youngest copy taken before a time; None without one."""
        symbol, limit = query["symbol"], query.get("limit", "500")
        old = [view for taken, view in self._copies.get(symbol, []) if taken <= before_ns]
        if not old or not limit.isdigit():
            return None
        body = depth_body(self._market.specs[symbol], old[-1].cut(int(limit)))
        return json_answer(body)


def _refusal(kind: FaultKind, amount: int, now_ns: int) -> Answer:
    if kind is FaultKind.HTTP_502:
        return Answer(502, dict(HTML_HEADERS), BAD_GATEWAY)
    if kind is FaultKind.HTTP_503:
        return error_answer(ApiError(*SERVICE_ERRORS[amount % len(SERVICE_ERRORS)]))
    status, code, message = TOO_MUCH_WEIGHT if kind is FaultKind.HTTP_429 else BANNED
    until_ms = now_ns // _MS + amount * 1000
    headers = {"Retry-After": str(amount)} if amount else None
    return error_answer(ApiError(status, code, message.format(until=until_ms)), headers)
