"""Reading a recording: lines of `<local receive time, ns> <raw JSON>`, plain or gzipped.

A line is a frame of a combined socket, `{"stream":"btcusdt@trade","data":{...}}`, or the answer of
a `/depth` request, `{"lastUpdateId":...,"bids":[...],"asks":[...]}`. The latter does not say whose
book it is; it belongs to the symbol of its file, so a file with such a line holds one symbol. What
`poise record` writes names it: `{"rest":"rest:depth:BTCUSDT","data":{"lastUpdateId":...}}`; other
answers of that form are not played.
Every line is checked before any is played, and what is wrong is kept as an error with file, line,
reason and the number of good lines before it.
"""

import gzip
import heapq
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import msgspec

from poise.loopback.config import OnError
from poise.loopback.errors import RecordingError
from poise.loopback.recorded_events import (
    Event,
    QuoteEvent,
    Snapshot,
    TradeEvent,
    check_numbers,
    decode_event,
    decode_snapshot,
)

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_NS_DIGITS = 19


Place = tuple[Path, int]
"""File and line number, from 1."""


@dataclass(frozen=True, slots=True)
class Line:
    """One good line: `stream` is empty for an in-line snapshot, whose `data` is the whole JSON.

    `named` tells whether the line itself says whose it is.
    """

    local_ns: int
    stream: str
    data: bytes
    symbol: str
    event: Event | Snapshot
    place: Place
    named: bool = True


class _Answer(msgspec.Struct, frozen=True, gc=False):
    rest: str
    data: msgspec.Raw


class _Frame(msgspec.Struct, frozen=True, gc=False):
    stream: str
    data: msgspec.Raw


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_frame = msgspec.json.Decoder(_Frame).decode


def parse_line(text: bytes, symbol_of_file: str, place: Place) -> Line | None:
    """Check one line and take it apart; None for a REST answer that is not played.

    Raises ValueError with the reason.
    """
    stamp, space, body = text.partition(b" ")
    if not space or not stamp.isdigit() or len(stamp) > _MAX_NS_DIGITS:
        raise ValueError("does not begin with a local time in ns and a space")
    try:
        if body.startswith(b'{"lastUpdateId"'):
            snapshot = decode_snapshot(body)
            return Line(int(stamp), "", body, symbol_of_file, snapshot, place, named=False)
        if body.startswith(b'{"rest"'):
            return _parse_answer(int(stamp), body, place)
        frame = _decode_frame(body)
        data = bytes(frame.data)
        symbol, _, suffix = frame.stream.partition("@")
        event = decode_event(suffix, data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not a frame of the venue: {error}") from error
    if symbol != event.s.lower():
        raise ValueError(f"stream {frame.stream} carries an event of {event.s}")
    return Line(int(stamp), frame.stream, data, event.s, event, place)


def _parse_answer(local_ns: int, body: bytes, place: Place) -> Line | None:
    answer = _decode_answer(body)
    source, _, symbol = answer.rest.rpartition(":")
    if source != "rest:depth":
        return None
    data = bytes(answer.data)
    return Line(local_ns, "", data, symbol, decode_snapshot(data), place)


@dataclass(slots=True)
class Survey:
    """What the checking pass found in one file."""

    path: Path
    symbols: list[str] = field(default_factory=list)
    kept: int = 0
    first_ns: int = 0
    last_ns: int = 0
    skip: set[int] = field(default_factory=set)
    """Numbers of the lines that playing passes over."""
    stop_at: int | None = None
    """Number of the line playing ends before."""
    errors: list[RecordingError] = field(default_factory=list)
    streams: set[str] = field(default_factory=set)
    samples: dict[str, TradeEvent | QuoteEvent] = field(default_factory=dict)
    """First trade or quote of each symbol; tells its decimals where there is no snapshot."""
    snapshots: dict[str, Line] = field(default_factory=dict)
    nameless: bool = False
    """Whether a snapshot did not say whose it is."""
    event_ahead_ms: int = 0
    """Venue time minus local time at the first event."""


class Recording:
    """One or several files, merged by local time; files in order where times are equal."""

    def __init__(self, surveys: list[Survey]) -> None:
        self.surveys = surveys

    @classmethod
    def open(cls, paths: tuple[Path, ...], on_error: OnError = OnError.STOP) -> "Recording":
        """Check all files. A file that cannot be opened at all raises; bad lines do not.

        With `OnError.STOP` a file is played up to its first bad line, with `OnError.SKIP` bad
        lines are passed over; either way `errors` names every one that was met.
        """
        return cls([_survey(path, on_error) for path in paths])

    @property
    def errors(self) -> list[RecordingError]:
        """Everything wrong, file by file."""
        return [error for survey in self.surveys for error in survey.errors]

    @property
    def kept(self) -> int:
        """Lines that will be played, all files together."""
        return sum(survey.kept for survey in self.surveys)

    def lines(self) -> Iterator[Line]:
        """Play the good lines of all files in local time."""
        return heapq.merge(*map(_play, self.surveys), key=lambda line: line.local_ns)


def _texts(path: Path) -> Iterator[bytes]:
    """Lines of a file, gzipped or not, without their ends."""
    with path.open("rb") as plain:
        zipped = plain.read(2) == _GZIP_MAGIC
    with gzip.open(path, "rb") if zipped else path.open("rb") as source:
        for text in source:
            # The last line may lack its end: it is whole only if it parses.
            yield text.rstrip(b"\r\n")


def _survey(path: Path, on_error: OnError) -> Survey:
    survey = Survey(path)
    number = 0
    try:
        for number, text in enumerate(_texts(path), 1):
            try:
                _take(survey, text, number)
            except ValueError as error:
                survey.errors.append(RecordingError(path, number, str(error), survey.kept))
                survey.skip.add(number)
                if on_error is OnError.STOP:
                    survey.stop_at = number
                    break
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = f"the gzip data end or break here: {error}"
        survey.errors.append(RecordingError(path, number + 1, reason, survey.kept))
        survey.stop_at = number + 1
    except OSError as error:
        raise RecordingError(path, 0, f"cannot be read: {error.strerror}", 0) from error
    if not survey.kept and not survey.errors:
        raise RecordingError(path, 0, "holds no line", 0)
    _own_snapshots(survey)
    return survey


def _take(survey: Survey, text: bytes, number: int) -> None:
    """Check a line and count it."""
    symbol = survey.symbols[0] if survey.symbols else ""
    line = parse_line(text, symbol, (survey.path, number))
    if line is None:
        survey.skip.add(number)
        return
    check_numbers(line.event)
    if line.local_ns < survey.last_ns:
        raise ValueError(f"local time goes back from {survey.last_ns} to {line.local_ns}")
    if not line.stream:
        if len(survey.symbols) > 1 and not line.named:
            raise ValueError("an in-line snapshot in a file of several symbols names none of them")
        survey.snapshots.setdefault(line.symbol, line)
        survey.nameless |= not line.named
        if line.named and line.symbol not in survey.symbols:
            survey.symbols.append(line.symbol)
    elif line.symbol not in survey.symbols:
        if survey.nameless and survey.symbols:
            raise ValueError(f"{line.symbol} appears in a file whose snapshot names no symbol")
        survey.symbols.append(line.symbol)
    if line.stream:
        survey.streams.add(line.stream)
    if isinstance(line.event, TradeEvent | QuoteEvent):
        survey.samples.setdefault(line.symbol, line.event)
    if not survey.kept:
        survey.first_ns = line.local_ns
        survey.event_ahead_ms = line.event.E - line.local_ns // 1_000_000
    survey.last_ns = line.local_ns
    survey.kept += 1


def _own_snapshots(survey: Survey) -> None:
    """Give a snapshot that stood before any event to the one symbol of the file."""
    orphan = survey.snapshots.pop("", None)
    if orphan is not None and len(survey.symbols) == 1:
        symbol = survey.symbols[0]
        survey.snapshots[symbol] = replace(orphan, symbol=symbol)


def _play(survey: Survey) -> Iterator[Line]:
    symbol = survey.symbols[0] if survey.symbols else ""
    # Not one line further than the check went: beyond it the gzip data may be broken.
    good = None if survey.stop_at is None else survey.stop_at - 1
    for number, text in enumerate(islice(_texts(survey.path), good), 1):
        if number not in survey.skip:
            line = parse_line(text, symbol, (survey.path, number))
            if line is not None:
                yield line
