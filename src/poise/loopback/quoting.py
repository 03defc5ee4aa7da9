"""One instrument's order book, moved in steps of 100 ms towards a given price.

The quoter decides what happens and in which order; it sends nothing. Each `Update` carries the
changed levels and the venue's update id, so whoever applies them has the venue's book exactly.
"""

import math
from dataclasses import dataclass

from poise.loopback.book import ASK, BID, Change, Level
from poise.loopback.chance import Chance
from poise.loopback.specs import SymbolSpec

STEP_MS = 100


@dataclass(frozen=True, slots=True)
class Update:
    """The book changes at `offset_ms` within the step.

    `fill` is (price, qty, buyer is maker) of a trade; `best` is (best bid, best ask) afterwards.
    """

    offset_ms: int
    update_id: int
    changes: tuple[Change, ...]
    fill: tuple[int, int, bool] | None
    best: tuple[Level, Level]


@dataclass(frozen=True, slots=True)
class Pace:
    """Mean events per 100 ms step and the size of things, in quantity units."""

    trades: float
    requotes: float
    deep_changes: int
    mean_trade: float
    mean_level: float


class Quoter:
    """Bids and asks on consecutive ticks; index 0 of a side is its best price."""

    def __init__(
        self,
        spec: SymbolSpec,
        pace: Pace,
        chance: Chance,
        mid_ticks: float,
        update_id: int,
        depth: int,
    ) -> None:
        self._spec = spec
        self._pace = pace
        self._chance = chance
        self._depth = depth
        self.update_id = update_id
        self._bid = math.floor(mid_ticks)
        self._ask = self._bid + 1
        self._bids = [self._size(place) for place in range(depth)]
        self._asks = [self._size(place) for place in range(depth)]

    def snapshot(self) -> tuple[list[Level], list[Level]]:
        """Levels of both sides, scaled prices."""
        tick = self._spec.tick
        bids = [((self._bid - i) * tick, qty) for i, qty in enumerate(self._bids) if qty]
        asks = [((self._ask + i) * tick, qty) for i, qty in enumerate(self._asks) if qty]
        return bids, asks

    def best(self) -> tuple[Level, Level]:
        """Best bid and best ask."""
        tick = self._spec.tick
        return (self._bid * tick, self._bids[0]), (self._ask * tick, self._asks[0])

    def step(self, mid_ticks: float) -> list[Update]:
        """Do what happens in the next 100 ms while the price goes to `mid_ticks`."""
        chance, pace = self._chance, self._pace
        rising = mid_ticks - (self._bid + self._ask) / 2.0
        buy_share = 0.5 + 0.35 * math.tanh(rising)
        jobs = [(chance.below(STEP_MS), 0) for _ in range(chance.poisson(pace.trades))]
        jobs += [(chance.below(STEP_MS), 1) for _ in range(chance.poisson(pace.requotes))]
        if not self._bid <= mid_ticks <= self._ask:
            jobs.append((chance.below(STEP_MS), 2))
        if pace.deep_changes:
            jobs.append((chance.below(STEP_MS), 3))
        jobs.sort()
        updates: list[Update] = []
        for offset, job in jobs:
            fill = None
            if job == 0:
                fill, changes = self._trade(buys=chance.uniform() < buy_share)
            elif job == 1:
                changes = [self._requote()]
            elif job == 2:
                changes = self._move(mid_ticks)
            else:
                changes = self._shuffle_depth()
            self.update_id += 1 + chance.below(40) + len(changes)
            updates.append(Update(offset, self.update_id, tuple(changes), fill, self.best()))
        return updates

    def _size(self, place: int) -> int:
        """Draw a level's quantity; deeper ones are larger, some beyond the third are empty."""
        if place > 2 and self._chance.uniform() < 0.15:
            return 0
        mean = self._pace.mean_level * (1.0 + 0.08 * place)
        step = self._spec.step
        return 2 * step + int(self._chance.exponential(mean)) // step * step

    def _trade(self, *, buys: bool) -> tuple[tuple[int, int, bool] | None, list[Change]]:
        """Let an aggressor take part of the best level; a level too thin is refilled instead."""
        side, levels = (ASK, self._asks) if buys else (BID, self._bids)
        price = (self._ask if buys else self._bid) * self._spec.tick
        step = self._spec.step
        wanted = step + int(self._chance.exponential(self._pace.mean_trade)) // step * step
        taken = min(wanted, levels[0] - step)
        if taken <= 0:
            levels[0] += self._size(0)
            return None, [(side, price, levels[0])]
        levels[0] -= taken
        return (price, taken, not buys), [(side, price, levels[0])]

    def _requote(self) -> Change:
        """Change the quantity of one best level."""
        buys = self._chance.uniform() < 0.5
        levels, best = (self._bids, self._bid) if buys else (self._asks, self._ask)
        levels[0] = self._size(0)
        return (BID if buys else ASK, best * self._spec.tick, levels[0])

    def _shuffle_depth(self) -> list[Change]:
        """Change quantities behind the best levels."""
        changes: list[Change] = []
        tick = self._spec.tick
        for _ in range(self._pace.deep_changes):
            place = 1 + self._chance.below(self._depth - 1)
            qty = self._size(place)
            if self._chance.uniform() < 0.5:
                self._bids[place] = qty
                changes.append((BID, (self._bid - place) * tick, qty))
            else:
                self._asks[place] = qty
                changes.append((ASK, (self._ask + place) * tick, qty))
        return changes

    def _move(self, mid_ticks: float) -> list[Change]:
        """Move the best prices so that they bracket `mid_ticks`, mostly one tick apart."""
        bid = max(1, math.floor(mid_ticks))
        wide = self._chance.uniform() < 0.1
        changes: list[Change] = []
        ask = bid + (2 if wide else 1)
        self._asks = self._shift(ASK, self._asks, self._ask, ask, changes)
        self._bids = self._shift(BID, self._bids, self._bid, bid, changes)
        self._bid, self._ask = bid, ask
        return changes

    def _shift(
        self, side: int, levels: list[int], old: int, new: int, changes: list[Change]
    ) -> list[int]:
        """Re-base a side from best tick `old` to `new`; notes what appears and what vanishes."""
        tick, depth = self._spec.tick, self._depth
        sign = 1 if side == ASK else -1
        gone = (new - old) * sign  # how many best levels vanish; negative: as many appear
        if gone == 0:
            return levels
        if abs(gone) >= depth:
            changes += [(side, (old + sign * i) * tick, 0) for i, q in enumerate(levels) if q]
            fresh = [self._size(place) for place in range(depth)]
            changes += [(side, (new + sign * i) * tick, q) for i, q in enumerate(fresh) if q]
            return fresh
        if gone > 0:
            changes += [(side, (old + sign * i) * tick, 0) for i in range(gone) if levels[i]]
            kept = levels[gone:]
            added = [self._size(place) for place in range(depth - gone, depth)]
            far = new + sign * (depth - gone)
            changes += [(side, (far + sign * i) * tick, q) for i, q in enumerate(added) if q]
            if not kept[0]:
                kept[0] = self._size(0)
                changes.append((side, new * tick, kept[0]))
            return kept + added
        added = [self._size(place) for place in range(-gone)]
        changes += [(side, (new + sign * i) * tick, q) for i, q in enumerate(added) if q]
        dropped = levels[depth + gone :]
        far = old + sign * (depth + gone)
        changes += [(side, (far + sign * i) * tick, 0) for i, q in enumerate(dropped) if q]
        return added + levels[: depth + gone]
