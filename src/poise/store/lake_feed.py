"""Events and outputs of the journal -> rows of the lake, each venue trade once."""

from collections.abc import Callable

from poise.core.events import Event, Quote, RunStarted, Trade, TradesBackfill
from poise.core.instrument import Instrument
from poise.core.outputs import Bar, BarCorrected, Gap, Output
from poise.store.lake_manifest import manifest_days
from poise.store.lake_schema import TRADES
from poise.store.lake_seen import RECENT_DAYS, SeenIds, read_seen
from poise.store.lake_writer import LakeWriter


class LakeFeed:
    """Adds what the edge decodes from the journal to a `LakeWriter`.

    `RunStarted` must come first: it registers the instruments.

    Attributes
    ----------
    doubles
        Trades left out because the lake has them.
    placeholders
        Trades of price zero, which a venue sends to fill holes in its ids; left out.
    """

    def __init__(self, writer: LakeWriter) -> None:
        self._writer = writer
        days = manifest_days(writer.disk, writer.root, TRADES.name)[-RECENT_DAYS:]
        manifests = [writer.files.manifest((TRADES.name, day)) for day in days]
        self._stored: dict[int, SeenIds] = read_seen(writer.root, manifests)
        self._seen: dict[int, SeenIds] = {}
        self._add_trade = writer.add_trade_event
        self.doubles = 0
        self.placeholders = 0
        self._adders: dict[type, Callable[..., None]] = {
            Trade: self.trade,
            Quote: writer.add_quote_event,
            TradesBackfill: self._backfill,
            RunStarted: self._run_started,
            Bar: writer.add_bar,
            BarCorrected: self._corrected,
            Gap: writer.add_gap,
        }

    def add(self, event: Event | Output, seq: int) -> None:
        """Add one event or output; kinds that the lake does not store are passed over."""
        adder = self._adders.get(type(event))
        if adder is not None:
            adder(event, seq)

    def trade(self, event: Trade, seq: int) -> None:
        """Add a trade, once."""
        if not event.price:
            self.placeholders += 1
        elif self._seen[event.instrument].add(event.trade_id):
            self._add_trade(event, seq)
        else:
            self.doubles += 1

    def register(self, instruments: tuple[Instrument, ...]) -> None:
        """Make a run's instruments known."""
        self._writer.register(instruments)
        for each in instruments:
            number = self._writer.instruments.number(each)
            self._seen[each.ix] = self._stored.setdefault(number, SeenIds())

    def _run_started(self, event: RunStarted, _seq: int) -> None:
        self.register(event.instruments)

    def _backfill(self, event: TradesBackfill, seq: int) -> None:
        for trade in event.trades:
            self.trade(trade, seq)

    def _corrected(self, event: BarCorrected, seq: int) -> None:
        self._writer.add_bar(event.bar, seq)
