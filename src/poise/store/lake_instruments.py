"""The lake's own instrument numbers: they outlive the runs, whose rows do not."""

from pathlib import Path
from urllib.parse import quote

import msgspec

from poise.core.errors import InvariantBroken
from poise.core.instrument import Instrument
from poise.store.disk import Disk, read_whole, write_atomically
from poise.store.lake_manifest import INSTRUMENTS_NAME


class LakeInstrument(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument with the scales of its integers; new scales make a new number."""

    number: int
    id: str
    venue: str
    symbol: str
    base: str
    quote: str
    kind: str
    price_scale: int
    qty_scale: int
    scale_source: str = "exchangeInfo"

    def folder(self) -> Path:
        """``venue/instrument`` below a channel's folder, with only harmless characters."""
        name = self.id.removeprefix(self.venue + ":")
        return Path(quote(self.venue, safe="")) / quote(name, safe="")


class InstrumentTable:
    """All instruments of a lake, by number and by id."""

    def __init__(self, rows: list[LakeInstrument] | None = None) -> None:
        self.rows: list[LakeInstrument] = rows or []
        if any(row.number != at for at, row in enumerate(self.rows)):
            raise InvariantBroken(f"{INSTRUMENTS_NAME} is corrupt: its numbers have holes")

    def versions(self, instrument_id: str) -> list[LakeInstrument]:
        """All versions of one instrument; empty when the lake has none."""
        return [row for row in self.rows if row.id == instrument_id]

    def number(self, instrument: Instrument) -> int:
        """Number of an instrument with these scales, given out now if it is new."""
        wanted = (instrument.price_scale, instrument.qty_scale)
        for row in self.versions(instrument.id):
            if (row.price_scale, row.qty_scale) == wanted:
                return row.number
        row = LakeInstrument(
            number=len(self.rows),
            id=instrument.id,
            venue=instrument.venue,
            symbol=instrument.symbol,
            base=instrument.base,
            quote=instrument.quote,
            kind=instrument.kind,
            price_scale=instrument.price_scale,
            qty_scale=instrument.qty_scale,
            scale_source=instrument.scale_source,
        )
        self.rows.append(row)
        return row.number


def load_instruments(disk: Disk, root: Path) -> InstrumentTable:
    """Read ``instruments.json``; an empty table when there is none."""
    path = root / INSTRUMENTS_NAME
    try:
        return InstrumentTable(
            msgspec.json.decode(read_whole(disk, path), type=list[LakeInstrument])
        )
    except FileNotFoundError:
        return InstrumentTable()
    except msgspec.MsgspecError as error:
        raise InvariantBroken(f"{path} is corrupt: {error}") from error


def save_instruments(disk: Disk, root: Path, table: InstrumentTable) -> None:
    """Write ``instruments.json``, durably and in one step."""
    data = msgspec.json.format(msgspec.json.encode(table.rows))
    write_atomically(disk, root / INSTRUMENTS_NAME, [data])
