"""Rows of the health page."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from poise.net.fallback import Fallback
from poise.net.shard import Shard
from poise.net.stream import Stream

FeedState = Literal["live", "lagging", "stale", "offline"]


class FeedReport(msgspec.Struct, frozen=True):
    """One socket's worth of streams, or the REST polling of a venue.

    `state`: live, every stream comes by socket; lagging, some come by REST and trail the market;
    stale, some do not come; offline, none does. `age_ns` is the time since the last frame, None
    before the first. `messages` counts frames of the present sockets, or answers.
    """

    name: str
    state: FeedState
    source: Literal["socket", "rest"]
    streams: int
    messages: int
    age_ns: int | None
    reconnects: int
    detail: str


def report_shard(venue: str, shard: Shard, messages: Mapping[int, int], now_ns: int) -> FeedReport:
    """Row of a shard; `messages` holds the frames of each socket."""
    streams = list(shard.streams.values())
    down = [stream for stream in streams if stream.source is None]
    by_rest = sum(stream.source == "rest" for stream in streams)
    state: FeedState = "live"
    if len(down) == len(streams):
        state = "offline"
    elif down:
        state = "stale"
    elif by_rest:
        state = "lagging"
    last_ns = max((max(link.seen.values(), default=0) for link in shard.links), default=0)
    return FeedReport(
        name=f"{venue} {shard.route} {shard.number}",
        state=state,
        source="rest" if by_rest else "socket",
        streams=len(streams),
        messages=sum(messages.get(link.number, 0) for link in shard.links),
        age_ns=max(0, now_ns - last_ns) if last_ns else None,
        reconnects=max(0, shard.reconnects),
        detail=_detail(shard, down, by_rest),
    )


def report_rest(venue: str, streams: list[Stream], fallback: Fallback, now_ns: int) -> FeedReport:
    """Row of the polling that stands in for sockets."""
    served = [stream for stream in streams if stream.source == "rest"]
    down = sum(stream.source is None for stream in streams)
    return FeedReport(
        name=f"{venue} REST polling",
        state="lagging" if served else "offline",
        source="rest",
        streams=len(served),
        messages=fallback.answers,
        age_ns=min((now_ns - stream.since_ns for stream in served), default=None),
        reconnects=0,
        detail=f"{fallback.polled} instruments polled; {down} streams have no REST stand-in",
    )


def _detail(shard: Shard, down: list[Stream], by_rest: int) -> str:
    parts = []
    if down:
        parts.append(f"DEGRADED: {down[0].spec.wire_name}: {down[0].reason}")
        if len(down) > 1:
            parts.append(f"{len(down)} streams down")
    if by_rest:
        parts.append(f"{by_rest} streams by REST polling")
    if shard.main is None:
        parts.append(f"reconnecting, {shard.failures} failures in a row")
    elif not shard.main.is_open:
        parts.append("connecting")
    if shard.heir is not None:
        parts.append("handing over to a new socket")
    return "; ".join(parts)
