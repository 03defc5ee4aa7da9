"""Where a feed's frames, answers, events and complaints go."""

from collections.abc import Callable
from typing import Protocol

from poise.core.events import ControlEvent, HealFailed, StreamDown, StreamUp
from poise.core.outputs import Diagnostic
from poise.core.units import Ns
from poise.net.actions import Action, Deliver, Down, HealLost, Up


class Sink(Protocol):
    """The sequencer, as the net room sees it. Everything is called in the feed's own thread.

    What a sink raises stops the feed (see `Driver.wait`): it is a defect of the house, not of the
    venue. `VenueMessageError` must be handled inside.
    """

    def on_frame(self, source: str, payload: bytes, recv_ns: int, /) -> None:
        """Take one socket frame. Hot: all frames of one socket read carry the same `recv_ns`."""

    def on_answer(self, source: str, payload: bytes, recv_ns: int, /) -> None:
        """Take one REST answer; `source` is its request's."""

    def on_event(self, event: ControlEvent, /) -> None:
        """Take a `StreamUp`, `StreamDown` or `HealFailed`."""

    def on_diagnostic(self, diagnostic: Diagnostic, /) -> None:
        """Take something an operator should see."""


def tell(sink: Sink, action: Action, utc_ns: Callable[[], int]) -> bool:
    """Carry out the actions that concern the sink; False for the others."""
    if isinstance(action, Up):
        spec = action.spec
        at_ns = Ns(utc_ns())
        sink.on_event(StreamUp(spec.instrument, spec.channel, action.source, at_ns))
    elif isinstance(action, Down):
        spec = action.spec
        at_ns = Ns(utc_ns())
        sink.on_event(StreamDown(spec.instrument, spec.channel, action.reason, at_ns))
    elif isinstance(action, Deliver):
        sink.on_answer(action.source, action.payload, utc_ns())
    elif isinstance(action, HealLost):
        sink.on_event(
            HealFailed(
                action.instrument,
                action.channel,
                action.reason,
                action.permanent,
                Ns(utc_ns()),
            )
        )
    elif isinstance(action, Diagnostic):
        sink.on_diagnostic(action)
    else:
        return False
    return True
