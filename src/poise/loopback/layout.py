"""Who is in the generated market: invented names, prices, groups, and the truth about each pair."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from poise.loopback.chance import Chance, array_source
from poise.loopback.specs import SymbolSpec

BASES = (
    *("ARDEN", "BELMO", "CORVA", "DUNLO", "ELVAR", "FENWI", "GALDO", "HESTA", "IVORN", "JUNEB"),
    *("KELTO", "LARSO", "MIRVA", "NOLDE", "ORVIK", "PELTA", "QUENO", "RUDMO", "SELVO", "TARNI"),
    *("ULMEK", "VESPO", "WENDO", "YARRO", "ZORBI", "ASKEL", "BROVA", "CINDO", "DREML", "EPSIO"),
)
"""Bases that no listed coin bears; further instruments repeat them with a number."""


class PairKind(StrEnum):
    """What is true of a pair of the generated market."""

    COINTEGRATED = "cointegrated"
    BREAKS = "breaks"  # cointegrated until `break_after_s`, then never again
    TRENDS = "trends"  # like a cointegrated one, but the spread drifts away steadily
    NULL = "null"  # two independent random walks


@dataclass(frozen=True, slots=True)
class PairTruth:
    """A pair and its planted relation: log y - beta * log x is stationary when cointegrated."""

    y: str
    x: str
    beta: float
    kind: PairKind


@dataclass(frozen=True, slots=True)
class Member:
    """One instrument's place in the market.

    log price = log start + beta * factor + spread; the first member of a group has no spread, so
    the relation of any other to it is a clean sum of Ornstein-Uhlenbeck processes.
    """

    spec: SymbolSpec
    log_start: float
    factor: int
    beta: float
    has_spread: bool
    kind: PairKind
    trades_per_s: float
    trade_notional: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole cast; the same for one seed and count."""

    members: tuple[Member, ...]
    pairs: tuple[PairTruth, ...]
    factor_sigma: np.ndarray[tuple[int], np.dtype[np.float64]]  # per square root of a second

    @property
    def factors(self) -> int:
        """Number of independent random walks underneath."""
        return len(self.factor_sigma)


SECONDS_PER_YEAR = 365 * 86_400.0
NULL_SHARE = 10 / 24
_GROUPS = (
    (2, PairKind.COINTEGRATED),
    (2, PairKind.BREAKS),
    (2, PairKind.TRENDS),
    (3, PairKind.COINTEGRATED),
    (3, PairKind.COINTEGRATED),
    (2, PairKind.COINTEGRATED),
)


def _group_sizes(count: int) -> list[tuple[int, PairKind]]:
    """Split `count` instruments: groups by the list above, NULL_SHARE of them alone."""
    grouped = count - round(count * NULL_SHARE)
    if grouped == 1:
        grouped = 0
    sizes: list[tuple[int, PairKind]] = []
    turn = 0
    while grouped:
        size, kind = _GROUPS[turn % len(_GROUPS)]
        if turn >= len(_GROUPS):
            kind = PairKind.COINTEGRATED
        size = grouped if grouped - size == 1 or grouped < size else size
        sizes.append((size, kind))
        grouped -= size
        turn += 1
    alone = count - sum(size for size, _ in sizes)
    return sizes + [(1, PairKind.NULL)] * alone


def _name(index: int) -> str:
    base = BASES[index % len(BASES)]
    return base if index < len(BASES) else f"{base}{index // len(BASES) + 1}"


def _spec(index: int, price: float, onboard_ms: int) -> SymbolSpec:
    """Choose tick, step and decimals as a venue would: a tick is 0.2 to 0.5 bp of the price."""
    raw = price * 0.5e-4
    exponent = math.floor(math.log10(raw))
    lead = raw / 10.0**exponent
    tick = 5 if lead >= 5 else 2 if lead >= 2 else 1
    digits = max(0, -exponent)
    if exponent > 0:
        tick, digits = tick * 10**exponent, 0
    if index % 5 == 0:  # one more wire digit than the tick needs, as BTCUSDT has
        tick, digits = tick * 10, digits + 1
    qty_digits = max(0, min(3, math.ceil(math.log10(price / 4.0))))
    base = _name(index)
    return SymbolSpec(
        f"{base}USDT", base, "USDT", digits, qty_digits, tick, 1, onboard_ms, 50 if not index else 5
    )


def cast(seed: int, count: int, trades_per_s: float, onboard_ms: int) -> Layout:
    """Draw the market of `count` instruments for a seed."""
    source = array_source(seed, "layout")
    chance = Chance(seed, "layout")
    members: list[Member] = []
    pairs: list[PairTruth] = []
    sizes = _group_sizes(count)
    for factor, (size, kind) in enumerate(sizes):
        group: list[Member] = []
        for place in range(size):
            price = 10.0 ** (-1.2 + 5.6 * chance.uniform())
            beta = 1.0 if size == 1 or place == 0 else 0.6 + 0.9 * chance.uniform()
            busy = math.exp(chance.normal(0.0, 0.5) - 0.125)
            group.append(
                Member(
                    _spec(len(members) + place, price, onboard_ms),
                    math.log(price),
                    factor,
                    beta,
                    place > 0,
                    kind,
                    trades_per_s * busy,
                    1000.0 + 3000.0 * chance.uniform(),
                )
            )
        for right in range(1, size):
            for left in range(right):
                y, x = group[right], group[left]
                pairs.append(PairTruth(y.spec.symbol, x.spec.symbol, y.beta / x.beta, kind))
        members += group
    alone = [member.spec.symbol for member in members if member.kind is PairKind.NULL]
    pairs += _null_pairs(alone, max(1, len(pairs)))
    sigma = source.uniform(0.55, 0.95, len(sizes)) / math.sqrt(SECONDS_PER_YEAR)
    return Layout(tuple(members), tuple(pairs), sigma)


def _null_pairs(alone: list[str], wanted: int) -> list[PairTruth]:
    """Pair neighbours first, then ever more distant ones, until there are `wanted`."""
    found: list[PairTruth] = []
    count = len(alone)
    for distance in range(1, count // 2 + 1):
        for left in range(count):
            right = (left + distance) % count
            if len(found) < wanted and (2 * distance < count or left < right):
                found.append(PairTruth(alone[left], alone[right], 1.0, PairKind.NULL))
    return found
