"""Before the first event: which instruments exist, which are followed, in which pairs."""

import difflib
import ssl

import httpx
import msgspec

from poise.core.errors import TransientError, UserError
from poise.core.events import PairSpec
from poise.core.instrument import Instrument, split_pair
from poise.core.units import InstrumentIx, Ns
from poise.runtime.settings import CoreSettings
from poise.venues.binance.instruments import most_traded, parse_exchange_info

_TIMEOUT_S = 10.0


def tls_context(ca_file: str) -> ssl.SSLContext | None:
    """Context that trusts a test authority; None for the system's authorities."""
    return ssl.create_default_context(cafile=ca_file) if ca_file else None


async def choose_instruments(settings: CoreSettings, now_ns: Ns) -> tuple[Instrument, ...]:
    """Read exchangeInfo, and pick the named symbols or the most traded.

    Raises
    ------
    UserError
        When a symbol is unknown (the nearest one is named), or the venue cannot be reached.
    """
    verify = tls_context(settings.ca_file) or True
    try:
        async with httpx.AsyncClient(
            base_url=settings.rest_url, timeout=_TIMEOUT_S, verify=verify
        ) as client:
            known = parse_exchange_info(
                await _get(client, "/fapi/v1/exchangeInfo"), quote=settings.quote, now_ns=now_ns
            )
            symbols = [symbol.upper() for symbol in settings.symbols]
            if not symbols:
                tickers = await _get(client, "/fapi/v1/ticker/24hr")
                symbols = most_traded(tickers, known, settings.most_traded)
    except httpx.HTTPError as error:
        raise UserError(
            f"cannot reach the venue at {settings.rest_url} "
            f"({type(error).__name__}): check the network, or run `poise demo`, which needs none"
        ) from None
    if not symbols:
        raise UserError(f"the venue lists no tradable {settings.quote} perpetual")
    picked = []
    for symbol in symbols:
        if symbol not in known:
            near = difflib.get_close_matches(symbol, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(f"the venue has no tradable {settings.quote} perpetual {symbol}{hint}")
        picked.append(known[symbol])
    return tuple(
        msgspec.structs.replace(item, ix=InstrumentIx(ix)) for ix, item in enumerate(picked)
    )


async def _get(client: httpx.AsyncClient, path: str) -> bytes:
    answer = await client.get(path)
    if answer.status_code != 200:
        raise TransientError(f"the venue answered {path} with HTTP {answer.status_code}")
    return answer.content


def choose_pairs(
    instruments: tuple[Instrument, ...], wanted: tuple[str, ...], limit: int
) -> tuple[PairSpec, ...]:
    """Pairs by name, or every pair once, at most `limit`.

    Raises
    ------
    UserError
        When a named leg is not among the instruments.
    """
    by_symbol = {item.symbol: item.ix for item in instruments}
    if wanted:
        pairs = []
        for text in wanted:
            y, x = split_pair(text)
            for leg in (y, x):
                if leg not in by_symbol:
                    raise UserError(f"pair {text}: {leg} is not followed; add it to the symbols")
            pairs.append(PairSpec(by_symbol[y], by_symbol[x]))
        return tuple(pairs)
    count = len(instruments)
    return tuple(
        PairSpec(InstrumentIx(y), InstrumentIx(x))
        for x in range(count)
        for y in range(x + 1, count)
    )[:limit]
