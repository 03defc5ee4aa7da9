"""The session of a single-user desk on loopback: one address that works once, then a cookie.

All secrets derive from the start-up token, so that an edge that is started again knows the
browser's cookie; that the address was used is remembered in the data folder.
"""

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

COOKIE = "poise_session"
CSRF_HEADER = b"x-csrf-token"
SPENT_NAME = "login.spent"


class Session:
    """Secrets of one start of the desk, and the checks of requests against them.

    Parameters
    ----------
    token
        At least 128 bits of randomness as text; empty makes a new one of 256 bits.
    folder
        Where to remember that the token was used; None in memory only.

    Attributes
    ----------
    csrf
        What commands must carry in ``X-CSRF-Token``.
    """

    def __init__(self, token: str = "", folder: Path | None = None) -> None:
        self.token = token or secrets.token_urlsafe(32)
        self._cookie = self._derive(b"cookie")
        self.csrf = self._derive(b"csrf")
        self._mark = None if folder is None else folder / SPENT_NAME
        self._spent = self._was_spent()

    def redeem(self, token: str) -> str | None:
        """Give the Set-Cookie text for the one-time token; None when it is wrong or used."""
        good = hmac.compare_digest(token.encode(), self.token.encode())
        if not good or self._spent:
            return None
        self._spent = True
        if self._mark is not None:
            with contextlib.suppress(OSError):  # a full disk must not lock the user out
                self._mark.write_text(self._derive(b"spent"))
        return f"{COOKIE}={self._cookie}; Path=/; HttpOnly; SameSite=Strict"

    def has_cookie(self, headers: Iterable[str]) -> bool:
        """Tell whether Cookie headers carry this session."""
        found = False
        for text in headers:
            with contextlib.suppress(CookieError):
                morsel = SimpleCookie(text).get(COOKIE)
                if morsel is not None:
                    found |= hmac.compare_digest(morsel.value.encode(), self._cookie.encode())
        return found

    def has_csrf(self, value: str) -> bool:
        """Tell whether a command carries the right token."""
        return hmac.compare_digest(value.encode(), self.csrf.encode())

    def _derive(self, purpose: bytes) -> str:
        return hmac.new(self.token.encode(), b"poise " + purpose, hashlib.sha256).hexdigest()

    def _was_spent(self) -> bool:
        if self._mark is None:
            return False
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return hmac.compare_digest(
                self._mark.read_text().encode(), self._derive(b"spent").encode()
            )
        return False
