"""A tiny venue of one line a frame, and a sink that remembers."""

import msgspec

from poise.core.errors import TransientError, VenueMessageError, VenueRejected
from poise.core.events import Quote, StreamDown, StreamUp, TradesBackfill
from poise.core.instrument import Instrument
from poise.core.outputs import HealBook
from poise.core.venue import RestRequest, SocketLimits, StreamSpec, WeightLimits

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND


def make_instruments(count):
    return tuple(
        Instrument(
            ix=i, venue="mini", symbol=f"S{i}", base=f"S{i}", quote="USDT", kind="PERP",
            price_scale=2, qty_scale=3, tick=1, step=1,
        )
        for i in range(count)
    )  # fmt: skip


class MiniVenue:
    """A venue of one line a frame: quotes talk, trades are quiet, marks live on another route."""

    name = "mini"

    def __init__(self, *, max_streams=200, rate=5.0, lifetime_s=86400, connects=100, first_s=5,
                 stale_s=10, channels=("quote", "trade"), weight=1200, reserved=200):  # fmt: skip
        self.socket_limits = SocketLimits(
            max_streams=max_streams, control_messages_per_s=rate, lifetime_ns=lifetime_s * SECOND,
            max_frame_bytes=1 << 16, connects_per_5_min=connects,
        )  # fmt: skip
        self.weight_limits = WeightLimits(
            weight_per_min=weight, reserved=reserved, used_header="X-Used"
        )
        self._first, self._stale, self._channels = first_s * SECOND, stale_s * SECOND, channels

    def streams(self, instrument):
        def spec(channel):
            quiet = channel == "trade"
            return StreamSpec(
                wire_name=f"{instrument.symbol}@{channel}",
                channel=channel,
                instrument=instrument.ix,
                route="market" if channel == "mark" else "public",
                first_frame_ns=0 if quiet else self._first,
                stale_ns=0 if quiet else self._stale,
            )

        return tuple(spec(channel) for channel in self._channels)

    def socket_path(self, route):
        return f"/{route}"

    def subscribe(self, wire_names, request_id):
        return msgspec.json.encode({"method": "SUB", "params": wire_names, "id": request_id})

    def unsubscribe(self, wire_names, request_id):
        return msgspec.json.encode({"method": "UNSUB", "params": wire_names, "id": request_id})

    def stream_of(self, payload):
        if not payload.startswith(b'{"stream":"'):
            return None
        return payload[11 : payload.index(b'"', 11)].decode()

    def decode_frame(self, payload, recv_ns):
        raise NotImplementedError

    def decode_answer(self, source, payload, recv_ns):
        _, endpoint, symbol = source.split(":")
        ix = int(symbol[1:])
        if payload.startswith(b"<"):
            raise VenueMessageError("not JSON")
        if endpoint == "quote":
            return (Quote(ix, 1, 1, 1, 2, 1, recv_ns, recv_ns),)
        return (TradesBackfill(ix, "trade", (), recv_ns),)

    def heal_request(self, wish):
        kind = "book" if isinstance(wish, HealBook) else "trades"
        return RestRequest(
            path=f"/{kind}", query=(("ix", str(wish.instrument)),), weight=20,
            source=f"rest:{kind}:S{wish.instrument}", needs_key=wish.instrument == 99,
        )  # fmt: skip

    def poll_requests(self, instrument):
        return tuple(
            RestRequest(
                path=f"/{kind}", query=(), weight=2, source=f"rest:{kind}:{instrument.symbol}"
            )
            for kind in ("quote", "trades")
        )  # fmt: skip

    def time_request(self):
        return RestRequest(path="/time", query=(), weight=1, source="rest:time:")

    def server_time_ns(self, payload):
        return int(payload) * 1_000_000

    def failure(self, status, payload):
        if payload.startswith(b"<") or status >= 429 or status == 418:
            return TransientError(f"HTTP {status}")
        return VenueRejected(f"HTTP {status}", -1, status)


def frame_of(name, number=0):
    return b'{"stream":"%b","data":%d}' % (name.encode(), number)


class Recorder:
    """A sink that remembers."""

    def __init__(self):
        self.frames, self.answers, self.events, self.diagnostics = [], [], [], []

    def on_frame(self, source, payload, recv_ns):
        self.frames.append((source, payload, recv_ns))

    def on_answer(self, source, payload, recv_ns):
        self.answers.append((source, payload, recv_ns))

    def on_event(self, event):
        self.events.append(event)

    def on_diagnostic(self, diagnostic):
        self.diagnostics.append(diagnostic)

    def up(self):
        """Streams that are up by the events alone."""
        state = {}
        for event in self.events:
            if isinstance(event, StreamUp):
                state[event.instrument, event.channel] = event.source
            elif isinstance(event, StreamDown):
                state[event.instrument, event.channel] = None
        return {key: source for key, source in state.items() if source}

    def codes(self, level="alarm"):
        return [each.code for each in self.diagnostics if each.level == level]
