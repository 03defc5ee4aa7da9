"""What a venue family declares about its wire: facts as data, and pure functions of bytes.

``venues/<family>`` implements `Venue`; ``net`` drives sockets and REST by it and knows no family.
"""

from typing import Protocol

import msgspec

from poise.core.events import Channel, MarketEvent
from poise.core.instrument import Instrument
from poise.core.outputs import HealBook, HealTrades
from poise.core.units import InstrumentIx, Ns


class SocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one socket of a route may do and expect."""

    max_streams: int
    control_messages_per_s: float
    lifetime_ns: Ns
    max_frame_bytes: int
    connects_per_5_min: int


class WeightLimits(msgspec.Struct, frozen=True, kw_only=True):
    """REST budget per minute, with the part kept back for what must always pass."""

    weight_per_min: int
    reserved: int
    used_header: str


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of one instrument.

    `wire_name` is what frames and subscriptions call it. A stream that has not sent a frame
    `first_frame_ns` after its acknowledgement is on a wrong route or dead; one silent for
    `stale_ns` is stale (0: silence means nothing, as with trades of a quiet instrument).
    """

    wire_name: str
    channel: Channel
    instrument: InstrumentIx
    route: str
    first_frame_ns: Ns
    stale_ns: Ns


class RestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One GET, its cost, and the journal source its answer belongs to.

    `source` is ``rest:<endpoint>:<symbol>`` and, for klines, ``:<timeframe>``: with it alone the
    answer's bytes can be decoded again from the journal.
    """

    path: str
    query: tuple[tuple[str, str], ...]
    weight: int
    source: str
    needs_key: bool = False


class Venue(Protocol):
    """A venue family, bound to the instruments of one run."""

    @property
    def name(self) -> str:
        """Venue id, ``binance.usdm``."""

    @property
    def socket_limits(self) -> SocketLimits:
        """Limits of every socket."""

    @property
    def weight_limits(self) -> WeightLimits:
        """Limits of REST."""

    def streams(self, instrument: Instrument) -> tuple[StreamSpec, ...]:
        """Streams to hold open for one instrument."""

    def socket_path(self, route: str) -> str:
        """Path of a new socket on a route, without host."""

    def subscribe(self, wire_names: tuple[str, ...], request_id: int) -> bytes:
        """Text frame that subscribes."""

    def unsubscribe(self, wire_names: tuple[str, ...], request_id: int) -> bytes:
        """Text frame that unsubscribes."""

    def stream_of(self, payload: bytes) -> str | None:
        """Wire name of the stream a frame came by; None for acknowledgements and notices.

        Cheap and tolerant: full validation is `decode_frame`'s.
        """

    def decode_frame(self, payload: bytes, recv_ns: Ns) -> tuple[MarketEvent, ...]:
        """Events of one socket frame; empty for acknowledgements and frames that are dropped.

        Raises
        ------
        VenueMessageError
            When anything in the frame is not what the protocol says; nothing is returned then.
        """

    def decode_answer(self, source: str, payload: bytes, recv_ns: Ns) -> tuple[MarketEvent, ...]:
        """Events of one REST answer that `source` (see `RestRequest`) asked for.

        Raises
        ------
        VenueMessageError
            As `decode_frame`.
        """

    def heal_request(self, wish: HealTrades | HealBook) -> RestRequest:
        """Build the REST request that grants a heal wish."""

    def poll_requests(self, instrument: Instrument) -> tuple[RestRequest, ...]:
        """Build the REST requests that stand in for the streams while sockets keep failing."""

    def time_request(self) -> RestRequest:
        """Build the request of the venue's clock."""

    def server_time_ns(self, payload: bytes) -> Ns:
        """Read the venue's clock from the answer."""

    def failure(self, status: int, payload: bytes) -> Exception:
        """Error for a non-200 answer: `TransientError` or `VenueRejected`; copes with HTML."""
