"""``step(event) -> outputs``: the whole deterministic core.

The same code runs live, in paper, in replay and in tests; it reads no clock and does no I/O.
"""

from poise.core.errors import InvariantBroken
from poise.core.events import (
    BarsHistory,
    Event,
    PairAdded,
    Quote,
    RunStarted,
    StreamDown,
    TradesHistory,
)
from poise.core.outputs import Bar, BarCorrected, Output
from poise.engine.history import PastSeconds, history_bars
from poise.market.state import Market
from poise.signals.pairs import LivePairs


class Engine:
    """State of a run and its transition.

    Attributes
    ----------
    run
        What the run is made of; None before `RunStarted`.
    market, pairs
        The rooms' states, for conflated views; only `step` changes them.
    """

    def __init__(self) -> None:
        self.run: RunStarted | None = None
        self.market: Market
        self.pairs: LivePairs

    def step(self, event: Event) -> list[Output]:
        """Take one event in; returns what follows from it.

        Raises
        ------
        InvariantBroken
            When anything but `RunStarted` comes first, or `RunStarted` comes again.
        """
        outputs: list[Output] = []
        kind = type(event)
        if kind is RunStarted:
            self._start(event)  # type: ignore[arg-type]
            return outputs
        if self.run is None:
            raise InvariantBroken(f"{kind.__name__} came before RunStarted")
        market = self.market
        market.on_event(event, outputs)
        if kind is Quote:
            quote = market.quote
            if quote is not None:
                self.pairs.on_mid(quote.instrument, quote.bid, quote.ask)
        elif kind is StreamDown:
            if event.channel == "quote":  # type: ignore[union-attr]
                self.pairs.forget_mid(event.instrument)  # type: ignore[union-attr]
        elif kind is BarsHistory:
            self._on_bars(event, outputs)  # type: ignore[arg-type]
        elif kind is TradesHistory:
            self._on_trades(event, outputs)  # type: ignore[arg-type]
        elif kind is PairAdded:
            self.pairs.add(event.pair, outputs)  # type: ignore[union-attr]
        if outputs:
            self._commit_bars(outputs)
        return outputs

    def _start(self, run: RunStarted) -> None:
        if self.run is not None:
            raise InvariantBroken("RunStarted came twice")
        self.run = run
        self.market = Market(run)
        self.pairs = LivePairs(run)
        self._past = tuple(PastSeconds(item.ix) for item in run.instruments)

    def _commit_bars(self, outputs: list[Output]) -> None:
        for output in tuple(outputs):
            if type(output) is Bar:
                if output.origin == "live":
                    self.pairs.on_bar(output, outputs)
            elif type(output) is BarCorrected:
                self.pairs.on_bar(output.bar, outputs)

    def _on_bars(self, history: BarsHistory, outputs: list[Output]) -> None:
        now_ns = self.market.clock.now_ns(history.recv_ns)
        self._put_history(history_bars(history, now_ns), history.timeframe, outputs)

    def _on_trades(self, history: TradesHistory, outputs: list[Output]) -> None:
        """Past trades become seconds, joined to the live ones where the ids prove no hole."""
        past = self._past[history.instrument]
        bars = past.add(history.trades)
        state = self.market.instruments[history.instrument]
        first = state.first_trade
        first_live = state.bars.first_number
        if first is None and history.complete:
            state.bars.seed(past.close)
        joined = history.complete if first is None else first.first_raw_id <= past.last_raw_id + 1
        if first_live is not None and joined:
            bars += past.bridge(first_live)
        self._put_history(bars, "1s", outputs)

    def _put_history(self, bars: list[Bar], timeframe: str, outputs: list[Output]) -> None:
        windows = self.pairs.windows.get(timeframe)
        if windows is None or not bars:
            return
        for bar in bars:
            windows.put_history(bar)
        outputs.extend(bars)
        self.pairs.on_history(bars[0].instrument, timeframe, outputs)
