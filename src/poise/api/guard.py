"""What stands before every request and socket: Host, Origin, session, CSRF, security headers.

Plain ASGI around the whole application, so that no route, error page or static file escapes it.
"""

from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from poise.api.errors import JSON, Refused
from poise.api.session import CSRF_HEADER, Session

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
Headers = Iterable[tuple[bytes, bytes]]
_NO_SESSION = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Poise</title>
<body><h1>This browser has no session</h1>
<p>Open the one-time address that poise printed when it started. It works once and sets a cookie
for this browser only. If it was used already, start poise again.</p></body></html>"""
Scope = MutableMapping[str, Any]


def security_headers(port: int) -> tuple[tuple[bytes, bytes], ...]:
    """Headers of every answer; the policy lets the page talk to this port and nothing else.

    Styles may stand in line: the charts set sizes that way.
    """
    sockets = f"ws://127.0.0.1:{port} ws://localhost:{port}"
    policy = (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data:; font-src 'self'; connect-src 'self' {sockets}; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return (*_HEADERS, (b"content-security-policy", policy.encode()))


class Guard:
    """ASGI middleware.

    Parameters
    ----------
    app
        What is guarded.
    session
        Secrets of this start.
    port
        Where the server listens; Host and Origin must name it on 127.0.0.1 or localhost.
    """

    def __init__(self, app: Any, session: Session, port: int) -> None:
        self._app = app
        self._session = session
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self._origins = frozenset(f"http://{host}" for host in self._hosts)
        self._headers = security_headers(port)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Check, then pass on or refuse."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is not None:
            await self._refuse(scope, send, refused)
        elif scope["type"] == "http" and scope["path"] == "/login":
            await self._login(scope, send)
        else:
            await self._app(scope, receive, self._with_headers(send))

    def _refusal(self, scope: Scope) -> Refused | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = _values(headers, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            shown = hosts[0] if hosts else "none"
            return Refused(403, f"This server is not {shown[:80]!r}.")
        socket = scope["type"] == "websocket"
        unsafe = socket or scope["method"] not in SAFE
        origins = _values(headers, b"origin")
        # Browsers send Origin with every socket and unsafe request; "null" is nobody's.
        if (unsafe and len(origins) != 1) or any(each not in self._origins for each in origins):
            return Refused(403, "This request comes from another site.")
        if scope["path"] == "/login":
            return None
        if not self._session.has_cookie(_values(headers, b"cookie")):
            return Refused(401, "This browser has no session.")
        if unsafe and not socket:
            tokens = _values(headers, CSRF_HEADER)
            if len(tokens) != 1 or not self._session.has_csrf(tokens[0]):
                hint = "Send Status.csrf_token in the header X-CSRF-Token."
                return Refused(403, "The command carries no valid CSRF token.", hint)
        return None

    async def _login(self, scope: Scope, send: Any) -> None:
        tokens = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        cookie = None
        if scope["method"] == "GET" and len(tokens) == 1:
            cookie = self._session.redeem(tokens[0])
        if cookie is not None:
            headers = [(b"location", b"/"), (b"set-cookie", cookie.encode())]
            await self._answer(send, 303, b"", headers)
        elif self._session.has_cookie(_values(scope["headers"], b"cookie")):
            await self._answer(send, 303, b"", [(b"location", b"/")])
        else:
            refused = Refused(401, "This address was used already, or is wrong.")
            await self._refuse(scope, send, refused)

    async def _refuse(self, scope: Scope, send: Any, refused: Refused) -> None:
        prefix = "http.response"
        if scope["type"] == "websocket":
            prefix = "websocket.http.response"
            if prefix not in scope.get("extensions", {}):
                await send({"type": "websocket.close", "code": 1008})
                return
        body, kind = refused.body(), JSON
        accepted = ",".join(_values(scope["headers"], b"accept"))
        if refused.status == 401 and "text/html" in accepted:
            body, kind = _NO_SESSION, "text/html; charset=utf-8"
        await self._answer(send, refused.status, body, [(b"content-type", kind.encode())], prefix)

    async def _answer(
        self, send: Any, status: int, body: bytes, headers: Headers, prefix: str = "http.response"
    ) -> None:
        every = [
            *headers,
            *self._headers,
            (b"cache-control", b"no-store"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": f"{prefix}.start", "status": status, "headers": every})
        await send({"type": f"{prefix}.body", "body": body})

    def _with_headers(self, send: Any) -> Any:
        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *self._headers]
                if not any(name.lower() == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        return guarded


def _values(headers: Headers, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name.lower() == wanted]
