"""WebSocket frames as a server writes them (RFC 6455, unmasked, never fragmented).

The shell writes whole batches of frames in one call, which costs a tenth of one call a frame, and
can therefore also write half a frame when a fault asks for it.
"""

import struct

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A

_SHORT = 126
_MEDIUM = 1 << 16


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one whole frame; `opcode` is the first byte, FIN bit included."""
    size = len(payload)
    if size < _SHORT:
        return bytes((opcode, size)) + payload
    if size < _MEDIUM:
        return struct.pack("!BBH", opcode, 126, size) + payload
    return struct.pack("!BBQ", opcode, 127, size) + payload


def close_frame(code: int, reason: str) -> bytes:
    """Return a close frame."""
    return frame(CLOSE, struct.pack("!H", code) + reason.encode()[:123])
