"""The health page: feeds, journal, lake, latency."""

import time

from poise.api import contract as wire
from poise.core.outputs import Gap
from poise.core.units import NS_PER_MS, NS_PER_S
from poise.runtime import messages as link
from poise.runtime.edge import Edge

RECENT_GAPS = 50
RECENT_DIAGNOSTICS = 50


def health(edge: Edge) -> wire.Health:
    """Everything now."""
    core = edge.core.health if edge.core.connected else None
    present, replica = edge.present, edge.replica
    lag_ms = 0.0
    if present is not None and replica.recv_ns:
        lag_ms = max(0.0, (present.recv_ns - replica.recv_ns) / NS_PER_MS)
    lag_s = None if edge.lake is None else edge.lake.lag_s()
    return wire.Health(
        feeds=[] if core is None else [_feed(each) for each in core.feeds],
        books_live=0 if present is None else int((present.quotes[:, link.BOOK_LIVE] == 1.0).sum()),
        books_total=0 if present is None else len(present.quotes),
        quarantined=0 if core is None else core.quarantined,
        gaps_healed=replica.gaps_healed,
        gaps_open=replica.gaps_open,
        journal_bytes=0 if core is None else core.journal_bytes,
        journal_unsynced_ms=round(lag_ms, 1),
        lake_rows=0 if edge.lake is None else edge.lake.rows,
        lake_lag_s=None if lag_s is None else round(lag_s + lag_ms / 1e3, 2),
        lake_state=lake_state(edge),
        clock_offset_ms=None if core is None else core.clock_offset_ms,
        wire_to_signal_p50_us=None if core is None else core.p50_us,
        wire_to_signal_p99_us=None if core is None else core.p99_us,
        recent_gaps=recent_gaps(edge, RECENT_GAPS),
        diagnostics=diagnostics(edge),
    )


def lake_state(edge: Edge) -> str:
    """``writing``, or why it is not."""
    if edge.lake is None:
        return f"off: {edge.lake_refused}" if edge.lake_refused else "off"
    if edge.lake.writer is not None and edge.journal_state != "reading":
        return edge.journal_state
    return edge.lake.state


def recent_gaps(edge: Edge, limit: int) -> list[wire.GapInfo]:
    """Newest gap records first."""
    return [_gap(gap) for gap in list(edge.replica.gaps)[: -limit - 1 : -1]]


def diagnostics(edge: Edge) -> list[str]:
    """Newest first, each with its time UTC and level."""
    lines = []
    for each in list(edge.replica.diagnostics)[: -RECENT_DIAGNOSTICS - 1 : -1]:
        at = time.strftime("%H:%M:%S", time.gmtime(each.at_ns / NS_PER_S))
        lines.append(f"{at} {each.diagnostic.level}: {each.diagnostic.text}")
    return lines


def _feed(feed: link.Feed) -> wire.FeedHealth:
    return wire.FeedHealth(
        name=feed.name,
        state=feed.state,
        source=feed.source,
        streams=feed.streams,
        messages=feed.messages,
        age_ms=feed.age_ms,
        reconnects=feed.reconnects,
        detail=feed.detail,
    )


def _gap(gap: Gap) -> wire.GapInfo:
    return wire.GapInfo(
        at_ns=str(gap.from_ns),
        instrument=gap.instrument,
        channel=gap.channel,
        first_id=str(gap.first_id),
        last_id=str(gap.last_id),
        seconds=round((gap.to_ns - gap.from_ns) / NS_PER_S, 3),
        reason=gap.reason,
        healed=gap.healed,
    )
