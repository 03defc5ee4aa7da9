"""A venue on a real port that misbehaves on demand."""

import asyncio
import contextlib
import struct
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

TEXT, CONTINUATION, PING = 1, 0, 9


class Server:
    """A venue on a port. `raw` writes bytes under the WebSocket; knobs are plain attributes."""

    def __init__(self, tls=None):
        self.tls = tls
        self.sockets, self.requests, self.subscribed = [], [], []
        self.closes, self.pongs = [], []
        self.acknowledges = self.talks = self.answers_pings = True
        self.refuses = 0
        self.rest = (200, {}, b"{}")
        self.port = 0

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_):
        for _, transport in self.sockets:
            transport.abort()
        await self._runner.cleanup()

    async def _handle(self, request):
        if request.headers.get("Upgrade", "").lower() != "websocket":
            self.requests.append(request.path)
            status, headers, body = self.rest
            if request.path == "/time":
                return web.Response(body=b"1790000000000")
            return web.Response(status=status, headers=headers, body=body)
        if self.refuses:
            return web.Response(status=self.refuses, body=b"<html>no</html>")
        ws = web.WebSocketResponse(autoping=self.answers_pings, compress=False)
        await ws.prepare(request)
        self.sockets.append((ws, request.transport))
        async for message in ws:
            if message.type is aiohttp.WSMsgType.PONG:
                self.pongs.append(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await self._control(ws, msgspec.json.decode(message.data))
        self.closes.append(ws.close_code)
        return ws

    async def _control(self, ws, message):
        self.subscribed += message["params"]
        if self.acknowledges:
            await ws.send_str(f'{{"id":{message["id"]},"result":null}}')
        for name in message["params"]:
            if self.talks and message["method"] == "SUB":
                await ws.send_str(f'{{"stream":"{name}","data":0}}')

    def raw(self, data, which=-1):
        self.sockets[which][1].write(data)

    def say(self, name, number=1):
        self.raw(ws_frame(f'{{"stream":"{name}","data":{number}}}'.encode()))


def ws_frame(payload, opcode=TEXT, fin=True):
    first = (0x80 if fin else 0) | opcode
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, size)
    elif size < 65536:
        head = struct.pack("!BBH", first, 126, size)
    else:
        head = struct.pack("!BBQ", first, 127, size)
    return head + payload


async def eventually(condition):
    for _ in range(4000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it never happened")


def sockets_of_this_process():
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(entry.readlink()).startswith("socket:")
    return found
