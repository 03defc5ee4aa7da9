"""Reading query parameters with the venue's own errors."""

from collections.abc import Mapping

from poise.loopback.answers import INVALID_SYMBOL, ApiError, missing
from poise.loopback.specs import SymbolSpec


class Params:
    """The query of one request."""

    def __init__(self, query: Mapping[str, str], specs: Mapping[str, SymbolSpec]) -> None:
        self._query = query
        self._specs = specs

    def text(self, name: str) -> str | None:
        """Return a parameter, None when it is absent or empty."""
        return self._query.get(name) or None

    def whole(self, name: str) -> int | None:
        """Return a non-negative whole number; None when it is absent."""
        text = self.text(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit()):
            raise missing(name)
        return int(text)

    def limit(self, default: int, most: int) -> int:
        """Return `limit`, cut to what the endpoint gives at most."""
        limit = self.whole("limit")
        if limit == 0:
            raise missing("limit")
        return default if limit is None else min(limit, most)

    def spec(self) -> SymbolSpec:
        """Return the symbol asked for."""
        spec = self.maybe_spec()
        if spec is None:
            raise missing("symbol")
        return spec

    def maybe_spec(self) -> SymbolSpec | None:
        """Return the symbol asked for, None where the request is for all."""
        name = self.text("symbol")
        if name is None:
            return None
        spec = self._specs.get(name)
        if spec is None:
            raise ApiError(*INVALID_SYMBOL)
        return spec
