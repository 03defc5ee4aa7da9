"""Every setting of the loopback venue, as frozen values; nothing here reads the environment."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from poise.loopback.errors import ConfigError
from poise.loopback.faults import FaultPlan

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class GeneratedConfig:
    """The market made from a seed.

    `trades_per_s` and `requotes_per_s` are means for one instrument; `activity` multiplies both
    and the depth changes. The defaults give about 500 messages a second over 24 instruments when
    trades, quotes and depth are subscribed.
    """

    seed: int = 7
    instruments: int = 24
    activity: float = 1.0
    trades_per_s: float = 1.0
    requotes_per_s: float = 5.0
    depth_levels: int = 60
    deep_changes: int = 6
    recent_s: int = 7200
    """Seconds before the start for which raw and aggregate trades are served."""
    history_days: int = 95
    """Days of candles before that."""
    break_after_s: float = 240.0
    break_bp_per_min: float = 8.0
    trend_bp_per_h: float = 25.0
    trend_since_s: float = 12 * 3600.0
    memory_s: int = 4 * 3600
    """Raw trades older than this are forgotten, so that a server may run for days."""

    def __post_init__(self) -> None:
        if not 1 <= self.instruments <= 200:
            raise ConfigError(f"instruments is {self.instruments}; allowed are 1 to 200")
        if not 0.0 < self.activity <= 100.0:
            raise ConfigError(f"activity is {self.activity}; allowed is more than 0 up to 100")
        if not 10 <= self.depth_levels <= 500:
            raise ConfigError(f"depth_levels is {self.depth_levels}; allowed are 10 to 500")
        if self.recent_s < 60 or self.history_days < 1:
            raise ConfigError("recent_s must be at least 60 and history_days at least 1")


class OnError(StrEnum):
    """What a bad line of a recording does."""

    STOP = "stop"
    SKIP = "skip"


class TapeEnd(StrEnum):
    """What the end of the tape does to open sockets."""

    HOLD = "hold"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class TapeConfig:
    """A market read from recordings, merged by local time.

    `speed` is a factor on the original pace; None plays as fast as the listeners read. The tape
    starts when `wait_for` subscriptions that it can serve are there.
    """

    paths: tuple[Path, ...]
    speed: float | None = 1.0
    wait_for: int = 1
    on_error: OnError = OnError.STOP
    on_end: TapeEnd = TapeEnd.HOLD

    def __post_init__(self) -> None:
        if not self.paths:
            raise ConfigError("a tape needs at least one recording")
        if self.speed is not None and self.speed <= 0.0:
            raise ConfigError(f"speed is {self.speed}; give a factor above 0, or none for max")


@dataclass(frozen=True, slots=True)
class Limits:
    """The venue's rules for sockets and requests; shorten the times to see them in a test."""

    ping_every_ns: int = 180 * SECOND_NS
    pong_within_ns: int = 600 * SECOND_NS
    lifetime_ns: int = 24 * 3600 * SECOND_NS
    incoming_per_s: int = 10
    streams_per_socket: int = 1024
    weight_per_minute: int = 2400
    refusals_before_ban: int = 20
    """Further requests answered 429 in one minute before the address is banned (418)."""
    ban_ns: int = 120 * SECOND_NS
    retry_after: bool = True
    """Whether 429 and 418 carry Retry-After; the futures venue does not promise it."""


@dataclass(frozen=True, slots=True)
class VenueConfig:
    """One venue: where its market comes from, its rules, and what goes wrong."""

    market: GeneratedConfig | TapeConfig = field(default_factory=GeneratedConfig)
    limits: Limits = field(default_factory=Limits)
    faults: FaultPlan = field(default_factory=FaultPlan)
    keep_truth: bool = False
    """Remember every book change, so that tests can ask for the book at any update id."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where the venue listens; port 0 takes a free one."""

    venue: VenueConfig = field(default_factory=VenueConfig)
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    tick_ms: int = 5
    """Longest time between two looks at the market, ms; bounds how late a frame goes out."""
    max_backlog_bytes: int = 16 * 2**20
    """A reader this far behind is cut, as by the real venue; a tape at full speed waits instead."""
