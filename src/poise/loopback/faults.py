"""What may go wrong, and a plan of it: typed, seeded, with times, rates or shares."""

from dataclasses import dataclass
from enum import StrEnum

from poise.loopback.chance import Chance
from poise.loopback.errors import ConfigError


class FaultKind(StrEnum):
    """Every fault this venue can commit. The comment says what `target` matches."""

    # One open socket at each onset; target: its route.
    DISCONNECT = "disconnect"  # clean close
    CUT = "cut"  # dies in the middle of a frame
    HALF_OPEN = "half_open"  # stays open, sends nothing, answers nothing

    # A window of duration_s from each onset (0: until the end of the run).
    SILENT_STREAM = "silent_stream"  # stream; only on sockets open at the onset
    KILL_TRADES = "kill_trades"  # symbol; trades and aggregates on every socket
    DEAF_ROUTE = "deaf_route"  # route; sockets opened in it acknowledge and never send
    REFUSE_CONNECT = "refuse_connect"  # route; handshakes get HTTP `amount` (503)
    CLOCK_SKEW = "clock_skew"  # -; serverTime and event times are `amount` ms off

    # Single frames: a share of them, or the next one after each onset; target: stream.
    LOST = "lost"
    DOUBLED = "doubled"
    REORDERED = "reordered"  # comes after the next frame of its stream
    GARBAGE_TEXT = "garbage_text"  # an extra broken text frame
    GARBAGE_BINARY = "garbage_binary"  # an extra binary frame
    HUGE_FRAME = "huge_frame"  # an extra text frame of `amount` bytes (8 MiB)
    ZERO_TRADE = "zero_trade"  # an extra trade of price and size 0
    CROSSED_TICKER = "crossed_ticker"  # bid and ask exchanged
    CROSSED_DEPTH = "crossed_depth"  # a bid above the best ask, never taken back

    # Single requests: a share of them, or the next one after each onset; target: path.
    STALE_SNAPSHOT = "stale_snapshot"  # a book at least `amount` ms old (5000)
    EARLY_SNAPSHOT = "early_snapshot"  # the depth stream lags duration_s (0.5) behind the answer
    HTTP_429 = "http_429"  # Retry-After of `amount` seconds, none for 0
    HTTP_418 = "http_418"  # likewise
    HTTP_503 = "http_503"  # `amount` 0 unavailable, 1 unknown result, 2 throttled
    HTTP_502 = "http_502"  # a page of HTML


SESSION_KINDS = frozenset({FaultKind.DISCONNECT, FaultKind.CUT, FaultKind.HALF_OPEN})
WINDOW_KINDS = frozenset(
    {
        FaultKind.SILENT_STREAM,
        FaultKind.KILL_TRADES,
        FaultKind.DEAF_ROUTE,
        FaultKind.REFUSE_CONNECT,
        FaultKind.CLOCK_SKEW,
    }
)
REQUEST_KINDS = frozenset(
    {
        FaultKind.STALE_SNAPSHOT,
        FaultKind.EARLY_SNAPSHOT,
        FaultKind.HTTP_429,
        FaultKind.HTTP_418,
        FaultKind.HTTP_503,
        FaultKind.HTTP_502,
    }
)
FRAME_KINDS = frozenset(FaultKind) - SESSION_KINDS - WINDOW_KINDS - REQUEST_KINDS


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault: when, how often, upon what.

    Attributes
    ----------
    target : str
        Shell pattern (`*`, `?`) on what the kind says: stream, route, symbol in lower case, path.
    at_s : tuple of float
        Onsets, seconds after the start of the venue.
    per_minute : float
        Further onsets at random, Poisson of this rate.
    share : float
        Share of matching frames or requests, for the kinds that have it.
    duration_s : float
        Length of a window.
    amount : int
        What the kind says; 0 takes its default.
    """

    kind: FaultKind
    target: str = "*"
    at_s: tuple[float, ...] = ()
    per_minute: float = 0.0
    share: float = 0.0
    duration_s: float = 0.0
    amount: int = 0

    def __post_init__(self) -> None:
        if self.share and self.kind not in FRAME_KINDS | REQUEST_KINDS:
            raise ConfigError(f"{self.kind} has no share; give at_s or per_minute")
        if not 0.0 <= self.share <= 1.0 or self.per_minute < 0.0 or self.duration_s < 0.0:
            raise ConfigError(f"{self.kind}: share is 0 to 1, per_minute and duration_s at least 0")
        if not (self.share or self.at_s or self.per_minute):
            raise ConfigError(f"{self.kind} never happens; give at_s, per_minute or share")


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Faults of one run, all drawn from one seed; none begins after `until_s` seconds."""

    seed: int = 0
    faults: tuple[Fault, ...] = ()
    until_s: float = float("inf")

    @classmethod
    def drawn(cls, seed: int, until_s: float, most: int = 6) -> "FaultPlan":
        """Draw a plan of two to `most` different faults that may all meet in one run."""
        chance = Chance(seed, "plan")
        kinds = list(FaultKind)
        count = 2 + chance.below(max(1, most - 1))
        chosen = [kinds.pop(chance.below(len(kinds))) for _ in range(count)]
        return cls(seed, tuple(_drawn(kind, chance) for kind in chosen), until_s)


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that has been committed."""

    at_ns: int
    kind: FaultKind
    target: str
    """The socket's number, the stream or the path it fell upon."""


_STREAM_PATTERNS = ("*@trade", "*@aggTrade", "*@depth*", "*@bookTicker", "*")


def _drawn(kind: FaultKind, chance: Chance) -> Fault:
    """Draw how often a kind happens, frequent enough to be met in a run of a minute."""
    often = 1.0 + 3.0 * chance.uniform()
    if kind in SESSION_KINDS:
        return Fault(kind, per_minute=often)
    if kind in WINDOW_KINDS:
        skew = round(chance.normal(0.0, 4000.0))
        amount = skew if kind is FaultKind.CLOCK_SKEW else 0
        pattern = _STREAM_PATTERNS[chance.below(len(_STREAM_PATTERNS) - 1)]
        target = pattern if kind is FaultKind.SILENT_STREAM else "*"
        lasting = 1.0 + 8.0 * chance.uniform()
        return Fault(kind, target, per_minute=often, duration_s=lasting, amount=amount)
    if kind in REQUEST_KINDS:
        return Fault(kind, share=0.1 + 0.3 * chance.uniform(), amount=chance.below(3))
    if kind is FaultKind.HUGE_FRAME:
        return Fault(kind, per_minute=often, amount=1 << 20)
    if kind is FaultKind.ZERO_TRADE:
        return Fault(kind, "*@trade", share=0.05)
    if kind is FaultKind.CROSSED_DEPTH:
        return Fault(kind, "*@depth*", per_minute=often)
    if kind is FaultKind.CROSSED_TICKER:
        return Fault(kind, "*@bookTicker", share=0.01)
    target = _STREAM_PATTERNS[chance.below(len(_STREAM_PATTERNS))]
    return Fault(kind, target, share=0.002 + 0.02 * chance.uniform())
