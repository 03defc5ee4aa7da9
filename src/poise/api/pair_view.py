"""Pairs in the contract's words: rows, histories, and the position as one sentence."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from poise.analytics import pairs as table
from poise.api import contract as wire
from poise.api.errors import Refused
from poise.api.numbers import known, known_age, known_list
from poise.core.events import RunStarted
from poise.core.units import NS_PER_MS
from poise.market.timeframes import timeframe_ns
from poise.runtime import messages as link
from poise.runtime.edge import Edge
from poise.runtime.edge_pairs import PairPast, pair_past, sum_of_squares

TRADED_BETAS = (0.2, 5.0)
"""Hedge ratios beyond are shown and not traded (conventions)."""
PASTS_KEPT = 64
CONVENTIONS = (
    "Prices are natural logarithms; beta is dollars of x per dollar of y.",
    "Closes are mids at the bar's end, or trades where only the venue's own history is known.",
    "Beta, mean, sigma and half-life change on closed bars; spread and z follow the present mids.",
    "z_window: residual of the window's own regression over its standard deviation (ddof 2).",
    "z_kalman: innovation over its standard deviation; it holds while z_kalman_std is 0.8 to 1.25.",
    "Correlation is of log returns over the window.",
    "Half-life is -ln 2 / ln(1 + lambda), in bars.",
)
Past = tuple[int, int, str]


@dataclass
class _Kept:
    """A computed past, and the base of its indexed legs."""

    key: tuple[int, int, int, int]
    past: PairPast
    base: tuple[int, float, float]
    epoch: int


class PairView:
    """Reads pairs out of the edge; keeps the pasts that are looked at."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._pasts: OrderedDict[Past, _Kept] = OrderedDict()
        self._sums: dict[tuple[int, str], tuple[int, float]] = {}
        self._run_id = ""

    def pairs(self) -> list[tuple[int, int]]:
        """Followed pairs (y, x) in the order of the table."""
        run, present = self._edge.run, self._edge.present
        if run is None:
            return []
        if present is None:
            return [(pair.y, pair.x) for pair in run.pairs]
        each = present.params[:: len(run.timeframes)]
        return [(int(row[table.LEG_Y]), int(row[table.LEG_X])) for row in each]

    def row_number(self, y: int, x: int, timeframe: str) -> int:
        """Row of a pair in the live table.

        Raises
        ------
        Refused
            When the pair is not followed.
        """
        run = self._edge.run
        assert run is not None
        names = [item.name for item in run.timeframes]
        pairs = self.pairs()
        if (y, x) not in pairs:
            one, other = (run.instruments[leg].symbol for leg in (y, x))
            raise Refused(
                404,
                f"The pair {one}/{other} is not followed.",
                "POST /api/pairs follows it; it is warm at once.",
            )
        return pairs.index((y, x)) * len(names) + names.index(timeframe)

    def rows(self, which: npt.NDArray[np.int64], now_ns: int) -> list[wire.PairRow]:
        """Rows of the live table at `now_ns`."""
        run, present = self._edge.run, self._edge.present
        if run is None or present is None or not len(which):
            return []
        names = [item.name for item in run.timeframes]
        recv_ms = present.quotes[:, link.RECV_MS]
        params = present.params[which]
        legs = params[:, [table.LEG_Y, table.LEG_X]].astype(np.int64)
        # NaN where a leg has no quote: so the age is unknown too.
        ages = now_ns / NS_PER_MS - np.minimum(recv_ms[legs[:, 0]], recv_ms[legs[:, 1]])
        return [
            self._row(names[number % len(names)], param, output, age)
            for number, param, output, age in zip(
                which.tolist(),
                params.tolist(),
                present.outputs[which].tolist(),
                ages.tolist(),
                strict=True,
            )
        ]

    def _row(
        self, timeframe: str, param: list[float], output: list[float], age_ms: float
    ) -> wire.PairRow:
        x = int(param[table.LEG_X])
        window = int(param[table.WINDOW])
        stderr = self._stderr(x, timeframe, window, param[table.SIGMA])
        return wire.PairRow(
            y=int(param[table.LEG_Y]),
            x=x,
            timeframe=timeframe,
            ready=param[table.READY] == 1.0,
            bars=int(param[table.BARS]),
            window=window,
            beta=known(param[table.BETA_OLS]),
            beta_stderr=known(stderr),
            alpha=known(param[table.ALPHA_OLS]),
            sigma=known(param[table.SIGMA]),
            spread=known(output[table.SPREAD]),
            z_window=known(output[table.Z_WINDOW]),
            beta_kalman=known(param[table.BETA_KALMAN]),
            beta_kalman_stderr=known(param[table.BETA_KALMAN_STDERR]),
            z_kalman=known(output[table.Z_KALMAN]),
            z_kalman_std=known(param[table.Z_KALMAN_STD]),
            correlation=known(param[table.CORRELATION]),
            half_life_bars=known(param[table.HALF_LIFE]),
            age_ms=known_age(age_ms),
        )

    def past(self, y: int, x: int, timeframe: str) -> _Kept | None:
        """The pair's past, computed when a bar or history has come since the last call."""
        edge = self._edge
        run, bars = edge.run, edge.bars
        if run is None or bars is None:
            return None
        self._forget_other_run(run)
        closes = bars.closes[timeframe]
        legs = [bars.series[timeframe][leg] for leg in (y, x)]
        key = (int(closes.last[y]), int(closes.last[x]), legs[0].epoch, legs[1].epoch)
        kept = self._pasts.get((y, x, timeframe))
        if kept is not None and kept.key == key:
            return kept
        window = next(item.window for item in run.timeframes if item.name == timeframe)
        past = pair_past(closes, y, x, window, self.row_number(y, x, timeframe))
        if past is None:
            return None
        self._pasts[y, x, timeframe] = fresh = _keep(kept, key, past)
        self._pasts.move_to_end((y, x, timeframe))
        if len(self._pasts) > PASTS_KEPT:
            self._pasts.popitem(last=False)
        return fresh

    def detail(self, y: int, x: int, timeframe: str, now_ns: int) -> wire.PairDetail:
        """Everything about one pair."""
        number = self.row_number(y, x, timeframe)
        rows = self.rows(np.array([number]), now_ns)
        if not rows:
            raise Refused(503, "The core sends no state yet.")
        kept = self.past(y, x, timeframe)
        length_ms = timeframe_ns(timeframe) // NS_PER_MS
        run = self._edge.run
        assert run is not None
        return wire.PairDetail(
            row=rows[0],
            history=wire.PairHistory(*columns_of(kept, length_ms)),
            sentence=sentence(run, rows[0]),
            price_source=price_source(kept),
            conventions=list(CONVENTIONS),
        )

    def points(
        self, y: int, x: int, timeframe: str, after: int
    ) -> tuple[int, int, list[wire.PairPoint]]:
        """(epoch, newest bar number, points behind bar `after`)."""
        kept = self.past(y, x, timeframe)
        if kept is None:
            return 0, -1, []
        newest = int(kept.past.number[-1])
        length_ms = timeframe_ns(timeframe) // NS_PER_MS
        points = []
        if after < newest:
            start = max(0, len(kept.past.number) - (newest - after))
            columns: Any = columns_of(kept, length_ms, start)
            points = [wire.PairPoint(*values) for values in zip(*columns, strict=True)]
        return kept.epoch, newest, points

    def _stderr(self, x: int, timeframe: str, window: int, sigma: float) -> float:
        """Standard error of a row's slope; the legs' sums are remembered until a bar closes."""
        bars = self._edge.bars
        if bars is None or math.isnan(sigma):
            return math.nan
        closes = bars.closes[timeframe]
        newest = int(closes.last[x])
        found = self._sums.get((x, timeframe))
        if found is None or found[0] != newest:
            found = (newest, sum_of_squares(closes, x, window))
            self._sums[x, timeframe] = found
        return sigma / math.sqrt(found[1]) if found[1] > 0.0 else math.nan

    def _forget_other_run(self, run: RunStarted) -> None:
        if self._run_id != run.run_id:
            self._run_id = run.run_id
            self._pasts.clear()
            self._sums.clear()


def _keep(old: _Kept | None, key: tuple[int, int, int, int], past: PairPast) -> _Kept:
    """Keep the base of the indexed legs as long as its bar is there: charts stay comparable.

    History that comes in before it, and a base that was pushed out, begin a new epoch: clients
    fetch the history again.
    """
    first = int(past.number[0])
    if old is not None and first <= old.base[0] and key[2:] == old.key[2:]:
        return _Kept(key, past, old.base, old.epoch)
    base = (first, float(past.log_y[0]), float(past.log_x[0]))
    return _Kept(key, past, base, 1 if old is None else old.epoch + 1)


def columns_of(kept: _Kept | None, length_ms: int, start: int = 0) -> list[Any]:
    """Columns of `PairHistory` in its order, from place `start` on."""
    if kept is None:
        return [[] for _ in wire.PairHistory.__struct_fields__]
    past, history = kept.past, kept.past.history
    rest = slice(start, None)
    ends = ((past.number[rest] + 1) * length_ms).tolist()
    arrays = (
        100.0 * np.exp(past.log_y[rest] - kept.base[1]),
        100.0 * np.exp(past.log_x[rest] - kept.base[2]),
        history.spread[rest],
        history.alpha[rest],
        history.sigma[rest],
        history.z_window[rest],
        history.z_kalman[rest],
        history.beta[rest],
        past.beta_stderr[rest],
        history.beta_kalman[rest],
        history.beta_kalman_stderr[rest],
        history.correlation[rest],
    )
    return [ends, *(known_list(array) for array in arrays)]


def price_source(kept: _Kept | None) -> str:
    """What the closes of the window are."""
    if kept is None:
        return "trade"
    used = kept.past.closes
    if kept.past.mids == used:
        return "mid"
    return "trade" if kept.past.mids == 0 else f"mid ({kept.past.mids} of {used}), else trade"


def sentence(run: RunStarted, row: wire.PairRow) -> str:
    """The position that the present z means, in dollars of each leg."""
    y, x = run.instruments[row.y].base, run.instruments[row.x].base
    if not row.ready or row.beta is None:
        return f"warming up: {row.bars} of {row.window} bars"
    if row.z_window is None:
        return f"no position: {y} or {x} has no quote now"
    if row.z_window == 0.0:
        return f"no position: {y} and {x} stand at their mean"
    first, second = ("long", "short") if row.z_window < 0.0 else ("short", "long")
    if row.beta < 0.0:
        second = first
    text = f"{first} $1.00 {y}, {second} ${abs(row.beta):.2f} {x}"
    if not TRADED_BETAS[0] <= row.beta <= TRADED_BETAS[1]:
        text += f" (shown, not traded: hedge ratio {row.beta:.2f} is outside 0.2 to 5)"
    return text
