"""Recordings: lines of ``<receive time, ns> <raw JSON>``, plain or gzipped, read and written.

The JSON of a line is a combined-stream frame as the venue sent it; or a REST answer, which
`poise record` writes as ``{"rest":"rest:depth:BTCUSDT","data":...}`` and foreign recorders in the
raw (then it is a depth snapshot and belongs to the one symbol of its file).
"""

import gzip
import heapq
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from poise.core.errors import UserError
from poise.core.units import NS_PER_S

_GZIP_MAGIC = b"\x1f\x8b"
_STREAM = re.compile(rb'^\{"stream": ?"([^"@]{1,40})@')
_SCAN_LINES = 20_000
_LEAP_NS = 3_600 * NS_PER_S
"""A receive time this far ahead is believed only when the next line does not take it back."""
EXCHANGE_INFO = "rest:exchangeInfo:"


class Line(NamedTuple):
    """One line: `source` is empty for a socket frame, else the REST answer's source."""

    recv_ns: int
    number: int
    file: Path
    source: str
    payload: bytes


class BadLine(NamedTuple):
    """A line that cannot be played, and why."""

    file: Path
    number: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file.name}, line {self.number}: {self.reason}"


class _Rest(msgspec.Struct):
    rest: str
    data: msgspec.Raw


class RecordingFile:
    """One file: its symbols, its exchangeInfo if it carries one, its lines.

    Parameters
    ----------
    path
        File to read.

    Raises
    ------
    UserError
        When it cannot be opened, or holds no frame in its first 20,000 lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bad: list[BadLine] = []
        self.symbols: list[str] = []
        self.exchange_info: bytes | None = None
        self._scan()

    def lines(self) -> Iterator[Line]:
        """Every line in order; those that are no line at all go to `bad` and are passed over."""
        last_ns = 0
        leapt: Line | None = None
        for line in self._parsed():
            if leapt is not None:
                if line.recv_ns < leapt.recv_ns - _LEAP_NS:
                    reason = f"receive time {leapt.recv_ns} is far ahead of the line behind it"
                    self.bad.append(BadLine(self.path, leapt.number, reason))
                else:
                    last_ns = leapt.recv_ns
                    yield leapt
                leapt = None
            if line.recv_ns < last_ns:
                reason = f"receive time runs back from {last_ns} to {line.recv_ns}"
                self.bad.append(BadLine(self.path, line.number, reason))
            elif line.recv_ns > last_ns + _LEAP_NS:
                leapt = line
            else:
                last_ns = line.recv_ns
                yield line
        if leapt is not None:
            yield leapt

    def _parsed(self) -> Iterator[Line]:
        """Every line that has the form of one."""
        number = 0
        with self._open() as file:
            while True:
                number += 1
                try:
                    text = file.readline()
                except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                    reason = f"the compressed data end or break here ({error})"
                    self.bad.append(BadLine(self.path, number, reason))
                    return
                if not text:
                    return
                line = self._parse(number, text)
                if line is not None:
                    yield line

    def _open(self) -> BinaryIO:
        try:
            with self.path.open("rb") as plain:
                zipped = plain.read(2) == _GZIP_MAGIC
            return gzip.open(self.path, "rb") if zipped else self.path.open("rb")  # type: ignore[return-value]
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}") from None

    def _scan(self) -> None:
        """Find out the symbols, from exchangeInfo or the streams' names."""
        for line in self.lines():
            if line.source == EXCHANGE_INFO:
                self.exchange_info = line.payload
                break
            match = _STREAM.match(line.payload)
            if match is not None:
                symbol = match[1].decode("utf-8", "replace").upper()
                if symbol not in self.symbols:
                    self.symbols.append(symbol)
            if line.number >= _SCAN_LINES:
                break
        self.bad.clear()
        if not self.symbols and self.exchange_info is None:
            raise UserError(
                f"{self.path} holds no recorded frame: expected lines of "
                "'<nanoseconds> {\"stream\":...}', plain or gzipped"
            )

    def _parse(self, number: int, text: bytes) -> Line | None:
        stamp, space, body = text.rstrip(b"\r\n").partition(b" ")
        if not space or not stamp.isdigit() or len(stamp) != 19:
            reason = "does not begin with a receive time in nanoseconds (19 digits) and a space"
            self.bad.append(BadLine(self.path, number, reason))
            return None
        source = ""
        if body.startswith(b'{"rest":'):
            try:
                rest = msgspec.json.decode(body, type=_Rest)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self.bad.append(BadLine(self.path, number, str(error)))
                return None
            source, body = rest.rest, bytes(rest.data)
        elif body.startswith(b'{"lastUpdateId"'):
            if len(self.symbols) > 1:
                reason = "a depth snapshot in a file of several symbols names none of them"
                self.bad.append(BadLine(self.path, number, reason))
                return None
            source = f"rest:depth:{self.symbols[0] if self.symbols else ''}"
        return Line(int(stamp), number, self.path, source, body)


def merged(files: list[RecordingFile]) -> Iterator[Line]:
    """Lines of all files by receive time; the order of the files decides between equals."""
    return heapq.merge(*(file.lines() for file in files), key=lambda line: line.recv_ns)


class RecordingWriter:
    """Writes a recording, gzipped when the name ends in ``.gz``.

    Raises
    ------
    UserError
        When the file exists already or cannot be created.
    """

    def __init__(self, path: Path) -> None:
        try:
            raw = path.open("xb")
        except FileExistsError:
            raise UserError(f"{path} exists already: choose another name") from None
        except OSError as error:
            raise UserError(f"cannot create {path}: {error.strerror}") from None
        self.lines = 0
        zipped = path.suffix == ".gz"
        self._file = gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=3) if zipped else raw
        self._raw = raw

    def frame(self, payload: bytes, recv_ns: int) -> None:
        """Write a socket frame as it came."""
        self._line(recv_ns, payload)

    def answer(self, source: str, payload: bytes, recv_ns: int) -> None:
        """Write a REST answer with its source."""
        body = msgspec.json.encode(_Rest(source, msgspec.Raw(payload)))
        self._line(recv_ns, body)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
        self._raw.close()

    def _line(self, recv_ns: int, body: bytes) -> None:
        self._file.write(b"%d %b\n" % (recv_ns, body.replace(b"\n", b" ")))
        self.lines += 1
