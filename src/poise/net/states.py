"""The life of one subscription on one socket, as one table.

A *leg* is one stream on one socket. Everything that moves a leg is an input of this table; nothing
else assigns its state. The table is total: every input in every state has an answer, so a frame
that races with an acknowledgement or comes after its deadline cannot surprise anybody.

    QUEUED --sent--> ASKED --acknowledged--> ACKED --frame--> FLOWING
      ^                |                       |  `-settled-> SETTLED (quiet streams)
      |<---resend------'                       |                 |
      `<--repair-- SILENT <---missed-----------'<----missed------'

An acknowledgement is not proof of anything but that the message arrived: a stream asked for on the
wrong route is acknowledged and never sends. Only a frame makes FLOWING.
"""

from enum import Enum, auto


class Leg(Enum):
    """Where a subscription stands."""

    QUEUED = auto()  # to be sent when the pace allows
    ASKED = auto()  # sent, not acknowledged
    ACKED = auto()  # acknowledged, no frame yet
    SETTLED = auto()  # up without a frame: the stream promises none
    FLOWING = auto()  # delivering
    SILENT = auto()  # refused, or missed its first frame or its staleness limit


class Input(Enum):
    """What happens to a subscription."""

    SENT = auto()  # our SUBSCRIBE went out
    ACKNOWLEDGED = auto()
    REFUSED = auto()  # the venue answered with an error
    RESEND = auto()  # the acknowledgement is overdue
    FRAME = auto()
    SETTLED = auto()  # grace after the acknowledgement passed, and nothing is due
    MISSED = auto()  # first frame or staleness deadline passed
    REPAIR = auto()  # subscribe again


_Q, _A, _K, _T, _F, _S = Leg.QUEUED, Leg.ASKED, Leg.ACKED, Leg.SETTLED, Leg.FLOWING, Leg.SILENT

TRANSITIONS: dict[Input, dict[Leg, Leg]] = {
    Input.SENT: {_Q: _A, _A: _A, _K: _K, _T: _T, _F: _F, _S: _S},
    # Data may overtake the acknowledgement; a late one does not revive the silent.
    Input.ACKNOWLEDGED: {_Q: _Q, _A: _K, _K: _K, _T: _T, _F: _F, _S: _S},
    # A frame is better evidence than an error text.
    Input.REFUSED: {_Q: _Q, _A: _S, _K: _S, _T: _S, _F: _F, _S: _S},
    Input.RESEND: {_Q: _Q, _A: _Q, _K: _K, _T: _T, _F: _F, _S: _S},
    # What comes before we (re)subscribe is a leftover of the subscription being dropped.
    Input.FRAME: dict.fromkeys(Leg, _F) | {_Q: _Q},
    Input.SETTLED: {_Q: _Q, _A: _A, _K: _T, _T: _T, _F: _F, _S: _S},
    Input.MISSED: {_Q: _Q, _A: _A, _K: _S, _T: _S, _F: _S, _S: _S},
    Input.REPAIR: dict.fromkeys(Leg, _Q),
}

DELIVERING = frozenset({Leg.FLOWING, Leg.SETTLED})
PENDING = frozenset({Leg.QUEUED, Leg.ASKED, Leg.ACKED})


def after(state: Leg, happened: Input) -> Leg:
    """State that follows."""
    return TRANSITIONS[happened][state]
