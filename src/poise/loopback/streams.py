"""Stream names and the routes that serve them (the split of the 2026-03-06 notice).

A stream asked for on the wrong route is acknowledged and never sends, as on the real venue, so
`served_on` is consulted when frames go out and never when a subscription is answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Route(StrEnum):
    """The first part of a socket's path."""

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"


DEPTH_SUFFIXES = ("depth", "depth@100ms", "depth@250ms", "depth@500ms")
DEPTH_SPEED_MS = {"depth": 250, "depth@100ms": 100, "depth@250ms": 250, "depth@500ms": 500}
KLINE_INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")

_ROUTE_OF = {
    "trade": Route.PUBLIC,
    "bookTicker": Route.PUBLIC,
    "aggTrade": Route.MARKET,
    "markPrice": Route.MARKET,
    "markPrice@1s": Route.MARKET,
    **dict.fromkeys(DEPTH_SUFFIXES, Route.PUBLIC),
    **{f"kline_{interval}": Route.MARKET for interval in KLINE_INTERVALS},
}


def served_on(suffix: str) -> Route | None:
    """Route that sends this kind of stream (the name after `<symbol>@`); None if no route does."""
    return _ROUTE_OF.get(suffix)


@dataclass(frozen=True, slots=True)
class SocketPath:
    """What a socket's address asks for."""

    route: Route
    combined: bool
    streams: tuple[str, ...]


def parse_socket_path(path: str, query: Mapping[str, str]) -> SocketPath | None:
    """Read `/public/stream?streams=a/b`, `/market/ws/a/b` and so on; None where no socket lives.

    Paths without a route are the retired addresses; the venue treats them as `/public`.
    """
    parts = [part for part in path.split("/") if part]
    route = Route.PUBLIC
    if parts and parts[0] in set(Route):
        route = Route(parts.pop(0))
    if not parts or parts[0] not in {"ws", "stream"}:
        return None
    if parts[0] == "stream":
        if len(parts) > 1:
            return None
        streams = tuple(name for name in query.get("streams", "").split("/") if name)
        return SocketPath(route, combined=True, streams=streams)
    return SocketPath(route, combined=False, streams=tuple(parts[1:]))
