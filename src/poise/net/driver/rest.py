"""REST by httpx: one GET after another, bounded in time and size, errors in words."""

import contextlib
import ssl
from collections.abc import AsyncGenerator, Mapping
from typing import cast

import httpx
import msgspec

from poise.core.units import NS_PER_S
from poise.core.venue import RestRequest
from poise.net.settings import NetSettings

_MAX_ANSWER_BYTES = 64 * 2**20
_PLAIN = {"Accept-Encoding": "identity"}
"""So the limit above is a limit: a compressed answer may be a thousand times what arrives."""


class HttpAnswer(msgspec.Struct, frozen=True):
    """Status, headers (names in lower case) and body of an answer."""

    status: int
    headers: dict[str, str]
    payload: bytes


class Rest:
    """Connections to a venue's REST address; `key_headers` go with requests that need a key."""

    def __init__(
        self,
        url: str,
        settings: NetSettings,
        tls: ssl.SSLContext | None,
        key_headers: Mapping[str, str],
    ) -> None:
        self._key_headers = dict(key_headers)
        self._http = httpx.AsyncClient(
            base_url=url,
            verify=tls or True,
            timeout=settings.request_timeout_ns / NS_PER_S,
            limits=httpx.Limits(max_connections=settings.requests_in_flight),
            trust_env=False,
        )

    async def get(self, request: RestRequest) -> HttpAnswer | str:
        """Return the answer, or why there is none."""
        headers = _PLAIN | (self._key_headers if request.needs_key else {})
        body = bytearray()
        try:
            async with (
                self._http.stream(
                    "GET", request.path, params=request.query, headers=headers
                ) as response,
                contextlib.aclosing(_generator(response)) as chunks,
            ):
                async for chunk in chunks:
                    body += chunk
                    if len(body) > _MAX_ANSWER_BYTES:
                        return f"{request.path}: the answer exceeds {_MAX_ANSWER_BYTES} bytes"
        except (httpx.HTTPError, OSError) as error:
            return f"{request.path}: {type(error).__name__}: {error}".rstrip(": ")
        if response.headers.get("content-encoding", "identity") != "identity":
            return f"{request.path}: compressed against our wish"
        names = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(response.status_code, names, bytes(body))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _generator(response: httpx.Response) -> AsyncGenerator[bytes]:
    """Bytes as they come; httpx calls it an iterator, which cannot be closed."""
    return cast("AsyncGenerator[bytes]", response.aiter_raw())
