"""One WebSocket: a task that reads what the client says, and the hub's frames going out."""

import asyncio
import contextlib
import logging
from typing import Any

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from poise.api import contract as wire
from poise.api.errors import Refused
from poise.api.live import ENCODERS, Client, Hub
from poise.api.topics import Behind
from poise.runtime.edge import Edge

GOING_AWAY = 1001
FAILED = 1011
NEW_RUN = 1012
TRY_LATER = 1013
BAD_MESSAGE = 1008
BEHIND = 4008
MAX_MESSAGE_BYTES = 65_536

_LOG = logging.getLogger("poise.api")
_JSON = msgspec.json.Decoder(wire.ClientMessage)
_MSGPACK = msgspec.msgpack.Decoder(wire.ClientMessage)


class _Ended(Exception):  # noqa: N818 - what happened, by its word
    """The conversation is over, with a close code and why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


async def converse(socket: WebSocket[Any, Any, Any], edge: Edge, hub: Hub) -> None:
    """Serve one accepted client until either side ends it."""
    encoding = "json" if socket.query_params.get("enc") == "json" else "msgpack"
    client = Client(encoding)
    await socket.accept()
    ended = _Ended(GOING_AWAY, "")
    try:
        _join(client, edge, hub)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_listen(socket, client, hub))
            tasks.create_task(_speak(socket, client, hub, edge))
    except* _Ended as group:
        ended = next(error for error in _leaves(group) if isinstance(error, _Ended))
    except* (WebSocketDisconnect, ConnectionError):
        ended = _Ended(0, "gone")
    except* Exception as group:  # noqa: BLE001 - a defect: told whole, the client may come again
        _LOG.error("a live socket failed", exc_info=group)
        ended = _Ended(FAILED, "the server failed")
    finally:
        hub.leave(client)
    if ended.code:
        with contextlib.suppress(WebSocketDisconnect, ConnectionError, RuntimeError):
            await socket.close(ended.code, str(ended)[:120])


def _join(client: Client, edge: Edge, hub: Hub) -> None:
    if edge.run is None:
        raise _Ended(TRY_LATER, "the desk is starting")
    try:
        hub.join(client)
    except Refused as refused:
        raise _Ended(TRY_LATER, refused.answer.error) from None


async def _listen(socket: WebSocket[Any, Any, Any], client: Client, hub: Hub) -> None:
    while True:
        event: Any = await socket.receive()
        if event["type"] == "websocket.disconnect":
            raise _Ended(0, "gone")
        text, data = event.get("text"), event.get("bytes")
        size = len(text or data or b"")
        if size > MAX_MESSAGE_BYTES:
            raise _Ended(BAD_MESSAGE, "a message beyond 64 KB")
        try:
            message = _MSGPACK.decode(data) if text is None else _JSON.decode(text)
        except (msgspec.MsgspecError, UnicodeError) as error:
            refusal: wire.Refusal | None = wire.Refusal("", "", f"not understood: {error}"[:200])
        else:
            refusal = client.take(message, hub.topics)
        if refusal is not None:
            await _send(socket, client, ENCODERS[client.encoding].encode(refusal))


async def _speak(socket: WebSocket[Any, Any, Any], client: Client, hub: Hub, edge: Edge) -> None:
    run = edge.run
    assert run is not None
    while True:
        await hub.next_tick()
        now = edge.run
        if now is None or now.run_id != run.run_id:
            raise _Ended(NEW_RUN, "the core started anew")
        try:
            frame = hub.frame(client)
        except Behind:
            raise _Ended(BEHIND, "too far behind: connect again") from None
        if frame is not None:
            await _send(socket, client, frame)


async def _send(socket: WebSocket[Any, Any, Any], client: Client, data: bytes) -> None:
    if client.encoding == "json":
        await socket.send_data(data.decode(), mode="text")
    else:
        await socket.send_data(data, mode="binary")


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
