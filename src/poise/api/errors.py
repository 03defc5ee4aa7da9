"""Every refusal as one `ErrorAnswer`: what happened, what to do, and an id to quote."""

import difflib
import logging
import secrets
from collections.abc import Iterable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from poise.api.contract import ErrorAnswer
from poise.core.errors import TransientError, UserError

JSON = "application/json"
_LOG = logging.getLogger("poise.api")
_HINTS = {
    400: "Correct the request and send it again.",
    401: "Open the one-time address that poise printed when it started.",
    403: "Use the page that this server serves, on the address that poise printed.",
    404: "Nothing answers here; /api/status lists what is followed.",
    405: "Use the method that the address allows.",
    413: "Send less at once.",
    503: "Wait a moment and try again.",
}


class Refused(Exception):  # noqa: N818 - what happened, by its word
    """A request that is refused, with the status to answer."""

    def __init__(self, status: int, error: str, hint: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.answer = ErrorAnswer(error, hint or _HINTS.get(status, ""), secrets.token_hex(6))

    def body(self) -> bytes:
        """The answer as JSON."""
        return msgspec.json.encode(self.answer)


def unknown(what: str, value: str, known: Iterable[str], status: int = 404) -> Refused:
    """Refusal of a name that does not exist, naming the nearest that does."""
    names = list(known)
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(value.casefold(), folded, n=1, cutoff=0.4)
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    hint = f"Did you mean {folded[near[0]]}?" if near else f"There are: {shown or 'none yet'}."
    return Refused(status, f"There is no {what} {value[:80]!r}.", hint)


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Turn whatever a handler raised into its answer; defects are logged whole, once."""
    refused = _refusal(error)
    if refused.status >= 500 and not isinstance(error, TransientError | Refused):
        _LOG.error(
            "%s %s failed (request %s)",
            request.method,
            request.url.path,
            refused.answer.request_id,
            exc_info=error,
        )
    return Response(refused.body(), status_code=refused.status, media_type=JSON)


def _refusal(error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, UserError):
        return Refused(400, str(error))
    if isinstance(error, TransientError):
        return Refused(503, str(error))
    if isinstance(error, HTTPException):
        return Refused(error.status_code, f"{error.detail}.".replace("..", "."))
    return Refused(500, "The server failed on this request.", "Its log has the cause.")
