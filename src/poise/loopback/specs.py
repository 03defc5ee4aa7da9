"""What a symbol is on the wire: decimals, tick, step, and its entry of exchangeInfo."""

from dataclasses import dataclass

DELIVERY_NEVER_MS = 4_133_404_800_000  # 2100-12-25, what the venue writes for perpetuals


def decimal_text(value: int, digits: int) -> str:
    """Write `value`, an integer of 10^-digits, as the venue does: 6180020, 2 -> 61800.20."""
    if value < 0:
        return "-" + decimal_text(-value, digits)
    if digits == 0:
        return str(value)
    text = str(value).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}"


def scaled(text: str, digits: int) -> int:
    """Read decimal text as an integer of 10^-digits; raises ValueError for anything inexact."""
    whole, _, fraction = text.partition(".")
    missing = digits - len(fraction)
    if missing < 0 and fraction[digits:].strip("0"):
        raise ValueError(f"{text!r} has more than {digits} decimals")
    number = whole + fraction if missing == 0 else whole + fraction[:digits] + "0" * missing
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"{text!r} is not a plain decimal number")
    return int(number)


@dataclass(frozen=True, slots=True)
class SymbolSpec:
    """One perpetual.

    Prices are integers of 10^-price_digits and quantities of 10^-qty_digits everywhere in this
    package; `tick` and `step` are in those units. The tick is often a multiple of the last wire
    digit (BTCUSDT: 0.10 with two decimals), which is why nobody may round by pricePrecision.
    """

    symbol: str
    base: str
    quote: str
    price_digits: int
    qty_digits: int
    tick: int
    step: int
    onboard_ms: int
    min_notional: int = 5  # whole units of the quote asset
    max_price: int = 10**12
    max_qty: int = 10**10

    @property
    def stream(self) -> str:
        """The symbol as it stands in stream names."""
        return self.symbol.lower()

    def price(self, value: int) -> str:
        """Wire text of a scaled price."""
        return decimal_text(value, self.price_digits)

    def qty(self, value: int) -> str:
        """Wire text of a scaled quantity."""
        return decimal_text(value, self.qty_digits)

    def quote_amount(self, value: int) -> str:
        """Wire text of price x quantity, an integer of 10^-(price_digits + qty_digits)."""
        return decimal_text(value, self.price_digits + self.qty_digits)


def exchange_info_symbol(spec: SymbolSpec) -> dict[str, object]:
    """Entry of `/fapi/v1/exchangeInfo` for one symbol, fields and filters of today's venue."""
    price_digits, qty_digits = spec.price_digits, spec.qty_digits
    lot = {
        "stepSize": decimal_text(spec.step, qty_digits),
        "minQty": decimal_text(spec.step, qty_digits),
        "maxQty": decimal_text(spec.max_qty, qty_digits),
    }
    return {
        "symbol": spec.symbol,
        "pair": spec.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": DELIVERY_NEVER_MS,
        "onboardDate": spec.onboard_ms,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": spec.base,
        "quoteAsset": spec.quote,
        "marginAsset": spec.quote,
        "pricePrecision": price_digits,
        "quantityPrecision": qty_digits,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["L1"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "tickSize": decimal_text(spec.tick, price_digits),
                "minPrice": decimal_text(spec.tick, price_digits),
                "maxPrice": decimal_text(spec.max_price, price_digits),
            },
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": str(spec.min_notional)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierDecimal": "4",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
            },
        ],
        "orderTypes": [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
            "TRAILING_STOP_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }
