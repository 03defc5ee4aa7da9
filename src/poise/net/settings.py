"""Times and counts of the net room that a venue does not dictate."""

import msgspec

from poise.core.units import NS_PER_MS, NS_PER_S

NEVER = 1 << 62
"""A due time that never comes (year 2116 in ns)."""


class NetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Patience and persistence of one feed; every time in ns.

    Attributes
    ----------
    connect_timeout_ns
        From the first packet to the end of the WebSocket handshake.
    ack_timeout_ns, ask_attempts
        How long a SUBSCRIBE may stay unanswered, and how often it is sent before the socket is
        given up.
    quiet_grace_ns
        A stream that promises no first frame counts as up this long after its acknowledgement.
    ping_after_ns, pong_timeout_ns
        A socket silent for the first is pinged, one that is silent for the second after that is
        half-open.
    backoff_base_ns, backoff_cap_ns
        Full jitter of reconnects: uniform in 0 .. min(cap, base * 2^failures).
    repair_base_ns, repair_cap_ns
        The same for single streams that stay silent on a living socket.
    stable_ns
        A socket that delivered this long forgives the failures before it.
    rotate_before_ns
        Successors are opened this long before the end of a socket's life, at most a tenth of it.
    failures_before_rest, rest_after_ns
        Failures in a row, or time down, after which REST stands in.
    poll_every_ns, poll_stale_ns
        Shortest period of that (the weight budget may stretch it), and the age at which its last
        answer no longer counts (at least two periods).
    check_every_ns
        Least time between two looks at the staleness clocks.
    streams_per_subscribe
        Streams in one control message.
    gap_alarm_ns
        A stream down for longer raises an alarm when it comes back.
    request_timeout_ns, request_attempts, request_wait_ns
        Of one REST request: each try, tries, and all the time it may wait for weight.
    requests_in_flight, requests_queued
        Bounds of REST.
    clock_every_ns, clock_alarm_ns
        Period of the clock comparison, and the offset from which it is an alarm.
    shutdown_ns
        What sockets get to say goodbye before they are aborted.
    """

    connect_timeout_ns: int = 10 * NS_PER_S
    ack_timeout_ns: int = 5 * NS_PER_S
    ask_attempts: int = 3
    quiet_grace_ns: int = 1 * NS_PER_S
    ping_after_ns: int = 10 * NS_PER_S
    pong_timeout_ns: int = 5 * NS_PER_S
    backoff_base_ns: int = 500 * NS_PER_MS
    backoff_cap_ns: int = 30 * NS_PER_S
    repair_base_ns: int = 5 * NS_PER_S
    repair_cap_ns: int = 300 * NS_PER_S
    stable_ns: int = 30 * NS_PER_S
    rotate_before_ns: int = 1800 * NS_PER_S
    failures_before_rest: int = 5
    rest_after_ns: int = 30 * NS_PER_S
    poll_every_ns: int = 2 * NS_PER_S
    poll_stale_ns: int = 20 * NS_PER_S
    check_every_ns: int = 100 * NS_PER_MS
    streams_per_subscribe: int = 50
    gap_alarm_ns: int = 1 * NS_PER_S
    request_timeout_ns: int = 10 * NS_PER_S
    request_attempts: int = 4
    request_wait_ns: int = 120 * NS_PER_S
    requests_in_flight: int = 8
    requests_queued: int = 1024
    clock_every_ns: int = 120 * NS_PER_S
    clock_alarm_ns: int = 1 * NS_PER_S
    shutdown_ns: int = 300 * NS_PER_MS
