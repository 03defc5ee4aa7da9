"""What one run is configured by; built once in `app`, passed down, never changed."""

from typing import Literal

import msgspec

from poise.core.events import TimeframeSpec

DEFAULT_TIMEFRAMES = (
    TimeframeSpec("1s", 300),
    TimeframeSpec("1m", 480),
    TimeframeSpec("5m", 864),
)
"""Five minutes, eight hours and three days of closed bars."""


class CoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The core process.

    Attributes
    ----------
    data
        Folder of journal and lake.
    symbols
        Venue symbols; empty: the `most_traded` of the quote currency.
    pairs
        ``Y/X`` by symbol; empty: all pairs of the instruments, `max_pairs` at most.
    ca_file
        Certificate authority of a test venue; empty: the system's.
    """

    environment: Literal["live", "paper", "demo", "replay"]
    run_id: str
    data: str
    link: str
    ws_url: str
    rest_url: str
    ca_file: str = ""
    quote: str = "USDT"
    symbols: tuple[str, ...] = ()
    most_traded: int = 20
    pairs: tuple[str, ...] = ()
    max_pairs: int = 300
    timeframes: tuple[TimeframeSpec, ...] = DEFAULT_TIMEFRAMES
    trade_channel: Literal["trade", "aggTrade"] = "trade"
    warm: bool = True
    notice: str = ""
    keep_hours: float = 24.0
    keep_gib: float = 20.0
    uvloop: bool = True


class EdgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The edge process: replica, lake, API."""

    environment: Literal["live", "paper", "demo", "replay"]
    data: str
    link: str
    host: str = "127.0.0.1"
    port: int = 8765
    lake: bool = True
    token: str = ""
