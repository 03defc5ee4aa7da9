"""The journal on disk, format 1: segments of checksummed blocks of records.

A journal is a folder of segments ``00000001.journal``, numbered without holes and chained: each
header carries the BLAKE2b digest of the whole segment before it.

- Segment: ``POISEJNL``, format (u32), header length (u32), header (msgpack `SegmentHeader`),
  CRC-32 of all that (u32); then blocks.
- Block: `BLOCK` header, then records. The CRC-32 covers header and records. `synced_to` is the
  offset in this segment before which everything was known to be on the medium when the block was
  written: it tells a torn tail (allowed, cut) from corruption (refused), and lets readers of the
  growing file stop at what a power cut cannot take away. A block without records only says that.
- Record: `RECORD` header, then the payload. Little-endian throughout.
"""

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import msgspec

from poise.core.errors import InvariantBroken, UserError

MAGIC = b"POISEJNL"
FORMAT = 1
SUFFIX = ".journal"
PREFIX = struct.Struct("<8sII")
CRC = struct.Struct("<I")
BLOCK_MAGIC = b"PBLK"
BLOCK = struct.Struct("<4sIIIQQQI")
"""Magic, record bytes, record count, SOURCE records among them, first and last seq, synced_to,
CRC-32."""
_BLOCK_BODY = struct.Struct("<4sIIIQQQ")
RECORD = struct.Struct("<IBHqq")
"""Payload bytes, kind, source, seq, recv_ns."""
DIGEST_SIZE = 32
MAX_HEADER_BYTES = 1 << 20


class Kind(IntEnum):
    """What a record's payload is."""

    FRAME = 1
    """An accepted venue frame or REST answer, raw."""
    EVENT = 2
    """A control event, msgpack."""
    OUTPUT = 3
    """A journalled output of ``step`` (`Bar`, `BarCorrected`, `Gap`), msgpack."""
    SOURCE = 4
    """The name of this record's source number, UTF-8: ``ws:public:0``, ``rest:depth:BTCUSDT``."""
    QUARANTINE = 5
    """A refused frame with the reason; see `pack_quarantine`."""


class Position(NamedTuple):
    """A block boundary of a journal: byte `offset` in segment number `segment` (from 1)."""

    segment: int
    offset: int


START = Position(0, 0)
"""Before everything."""


class Record(NamedTuple):
    """One journalled record."""

    kind: int
    seq: int
    recv_ns: int
    source: int
    payload: bytes


class SegmentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment says about itself.

    Attributes
    ----------
    journal_id
        Made once with the folder's first segment: positions of two journals do not compare.
    segment
        Number of this segment, from 1.
    first_seq
        Smallest sequence number its records may have.
    created_ns
        Wall clock, nanoseconds UTC.
    previous_digest
        BLAKE2b-256 of the segment before, empty for the first.
    """

    code_version: str
    config_hash: str
    environment: str
    run_id: str
    journal_id: str
    segment: int
    first_seq: int
    created_ns: int
    previous_digest: bytes


class Block(NamedTuple):
    """Consecutive records that were written together."""

    start: Position
    end: Position
    record_count: int
    source_count: int
    first_seq: int
    last_seq: int
    synced_to: int
    body: bytes

    def sources(self) -> dict[int, str]:
        """Source numbers declared in this block, with their names; almost always none."""
        if not self.source_count:
            return {}
        return {
            record.source: record.payload.decode()
            for record in self.records()
            if record.kind == Kind.SOURCE
        }

    def records(self) -> Iterator[Record]:
        """Yield the records in order."""
        body = self.body
        unpack, size, end = RECORD.unpack_from, RECORD.size, len(self.body)
        make = tuple.__new__  # half the cost of calling the class
        at = 0
        while at < end:
            length, kind, source, seq, recv_ns = unpack(body, at)
            at += size + length
            yield make(Record, (kind, seq, recv_ns, source, body[at - length : at]))


def segment_name(number: int) -> str:
    """File name of a segment."""
    return f"{number:08d}{SUFFIX}"


def segment_number(name: str) -> int | None:
    """Segment number of a file name, None when it is none."""
    stem = name.removesuffix(SUFFIX)
    return int(stem) if stem != name and len(stem) >= 8 and stem.isdigit() else None


def pack_header(header: SegmentHeader) -> bytes:
    """Bytes of a segment before its first block."""
    body = msgspec.msgpack.encode(header)
    data = PREFIX.pack(MAGIC, FORMAT, len(body)) + body
    return data + CRC.pack(zlib.crc32(data))


def unpack_header(data: bytes, where: str) -> tuple[SegmentHeader, int]:
    """Return a segment's header and the offset of its first block.

    Parameters
    ----------
    data
        The segment's first bytes, at least the whole header.
    where
        Name of the file for messages.

    Raises
    ------
    UserError
        When this is not a journal, or one that a newer Poise wrote.
    InvariantBroken
        When the header is damaged.
    """
    if len(data) < PREFIX.size or data[: len(MAGIC)] != MAGIC:
        raise UserError(f"{where} is not a Poise journal: name a journal's folder or segment")
    _, version, length = PREFIX.unpack_from(data)
    if version > FORMAT:
        raise UserError(
            f"{where} was written by a newer Poise (format {version}; this one reads up to "
            f"{FORMAT}): update Poise to read it"
        )
    end = PREFIX.size + length
    if length > MAX_HEADER_BYTES or len(data) < end + CRC.size:
        raise InvariantBroken(f"{where} is corrupt at offset 0: its header is incomplete")
    if zlib.crc32(data[:end]) != CRC.unpack_from(data, end)[0]:
        raise InvariantBroken(f"{where} is corrupt at offset 0: its header fails its checksum")
    header = msgspec.msgpack.decode(data[PREFIX.size : end], type=SegmentHeader)
    return header, end + CRC.size


def pack_block_header(
    body: bytes, count: int, source_count: int, first_seq: int, last_seq: int, synced_to: int
) -> bytes:
    """Header of a block of `count` records with bytes `body`, `source_count` of them SOURCE."""
    head = _BLOCK_BODY.pack(
        BLOCK_MAGIC, len(body), count, source_count, first_seq, last_seq, synced_to
    )
    return head + CRC.pack(zlib.crc32(body, zlib.crc32(head)))


def block_is_sound(head: bytes, body: bytes) -> bool:
    """Check a block's checksum."""
    crc = CRC.unpack_from(head, _BLOCK_BODY.size)[0]
    return bool(zlib.crc32(body, zlib.crc32(head[: _BLOCK_BODY.size])) == crc)


def pack_quarantine(reason: str, raw: bytes) -> bytes:
    """Payload of a `Kind.QUARANTINE` record; reasons beyond 65,535 bytes are cut."""
    text = reason.encode("utf-8", "replace")[:65535]
    return struct.pack("<H", len(text)) + text + raw


def unpack_quarantine(payload: bytes) -> tuple[str, bytes]:
    """Return reason and raw frame."""
    (length,) = struct.unpack_from("<H", payload)
    return payload[2 : 2 + length].decode("utf-8", "replace"), payload[2 + length :]
