"""The REST side: path to endpoint, weight and bans before it, used weight in every answer."""

from collections.abc import Mapping

from poise.loopback import rest_info, rest_market
from poise.loopback.answers import (
    BAD_KEY,
    BANNED,
    TOO_MUCH_WEIGHT,
    Answer,
    ApiError,
    error_answer,
    json_answer,
)
from poise.loopback.config import Limits
from poise.loopback.limits import Verdict, WeightLimit
from poise.loopback.market import Market
from poise.loopback.params import Params
from poise.loopback.rest_market import Call, Endpoint, by_symbol, fixed

TIME_PATH = "/fapi/v1/time"
_ENDPOINTS = {
    "/fapi/v1/ping": Endpoint(rest_info.ping, fixed(1)),
    TIME_PATH: Endpoint(rest_info.time, fixed(1)),
    "/fapi/v1/exchangeInfo": Endpoint(rest_info.exchange_info, fixed(1)),
    "/fapi/v1/depth": Endpoint(rest_market.depth, rest_market.depth_weight),
    "/fapi/v1/trades": Endpoint(rest_market.recent_trades, fixed(5)),
    "/fapi/v1/historicalTrades": Endpoint(
        rest_market.historical_trades, fixed(200), needs_key=True
    ),
    "/fapi/v1/aggTrades": Endpoint(rest_market.agg_trades, fixed(20)),
    "/fapi/v1/klines": Endpoint(rest_market.klines, rest_market.klines_weight),
    "/fapi/v1/premiumIndex": Endpoint(rest_info.premium_index, by_symbol(1, 10)),
    # Funding has a pool of its own (500 in 5 minutes), so it weighs nothing here.
    "/fapi/v1/fundingRate": Endpoint(rest_info.funding_rate, fixed(0)),
    "/fapi/v1/fundingInfo": Endpoint(rest_info.funding_info, fixed(0)),
    "/fapi/v1/ticker/24hr": Endpoint(rest_info.ticker_24h, by_symbol(1, 40)),
    "/fapi/v1/ticker/bookTicker": Endpoint(rest_info.book_ticker, by_symbol(2, 5)),
}
USED_WEIGHT = "X-MBX-USED-WEIGHT-1M"


class Rest:
    """Answers requests for one market."""

    def __init__(self, market: Market, limits: Limits) -> None:
        self._market = market
        self._limits = limits
        self._weight = WeightLimit(limits)

    def answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        now_ns: int,
        client: str,
    ) -> Answer:
        """Answer one request; errors are answers too."""
        endpoint = _ENDPOINTS.get(path)
        params = Params(query, self._market.specs)
        try:
            weight = endpoint.weight(params) if endpoint else 1
        except ApiError:
            weight = 1
        verdict = self._weight.charge(client, weight, now_ns)
        used = {USED_WEIGHT: str(verdict.used)}
        if verdict.status != 200:
            return self.refusal(verdict, used, now_ns)
        try:
            if endpoint is None or method != "GET":
                text = f"Path {path}, Method {method} is invalid"
                raise ApiError(404, -5000, text)  # noqa: TRY301 - one place writes errors
            if endpoint.needs_key and not _has_key(headers):
                raise ApiError(*BAD_KEY)  # noqa: TRY301
            call = Call(self._market, params, self._market.now_ms(now_ns))
            return json_answer(endpoint.answer(call), used)
        except ApiError as error:
            return error_answer(error, used)

    def refusal(self, verdict: Verdict, headers: dict[str, str], now_ns: int) -> Answer:
        """Answer 429 or 418."""
        if self._limits.retry_after:
            headers = headers | {"Retry-After": str(verdict.retry_after_s)}
        status, code, message = TOO_MUCH_WEIGHT if verdict.status == 429 else BANNED
        until_ms = now_ns // 1_000_000 + verdict.retry_after_s * 1000
        return error_answer(ApiError(status, code, message.format(until=until_ms)), headers)


def _has_key(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "x-mbx-apikey" and value for name, value in headers.items())
