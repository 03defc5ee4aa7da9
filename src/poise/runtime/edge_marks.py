"""Where rows of the lake go on after a restart, beyond the journal position itself.

Each venue trade is stored once because the lake knows the ids it holds (`store.lake_seen`). Two
things it cannot know: which run the position lies in (its `RunStarted` may be long past), and the
newest quote of each instrument, without which a quote that came twice would be stored twice. Both
are written, durable, to ``edge/<position>.json`` just before the commit of that position, and read
back by the committed position's name: a crash between the two leaves the older pair intact.
"""

from pathlib import Path

import msgspec

from poise.core.errors import InvariantBroken
from poise.core.events import Quote, RunStarted
from poise.store.disk import Disk, read_whole, write_atomically
from poise.store.lake_manifest import LakePosition

FOLDER = "edge"
ID_RESET_NS = 5_000_000_000
"""A quote this much newer with a smaller id means that the venue began to count anew."""


class QuoteMark(msgspec.Struct):
    """The newest quote stored of one instrument."""

    update_id: int
    venue_ns: int


class Marks(msgspec.Struct):
    """State of the lake's feed at one position.

    `quotes` is by instrument id, so that it outlives a run.
    """

    run: RunStarted | None = None
    quotes: dict[str, QuoteMark] = msgspec.field(default_factory=dict)

    def is_new(self, instrument_id: str, quote: Quote) -> bool:
        """Tell whether a quote is behind the newest stored one; remember it if so.

        Ids count upward in one stream. A quote without an id (0) is judged by its time.
        """
        mark = self.quotes.get(instrument_id)
        if mark is None:
            self.quotes[instrument_id] = QuoteMark(quote.update_id, quote.venue_ns)
            return True
        if quote.update_id == 0:
            new = quote.venue_ns > mark.venue_ns
        else:
            jump_ns = quote.venue_ns - mark.venue_ns
            behind = quote.update_id < mark.update_id
            new = quote.update_id > mark.update_id or (behind and jump_ns >= ID_RESET_NS)
        if new:
            mark.update_id = quote.update_id or mark.update_id
            mark.venue_ns = quote.venue_ns
        return new


def load_marks(disk: Disk, root: Path, position: LakePosition) -> Marks:
    """Read the marks of a committed position; empty ones when there are none.

    Raises
    ------
    InvariantBroken
        When the file is damaged.
    """
    path = _path(root, position)
    try:
        return msgspec.json.decode(read_whole(disk, path), type=Marks)
    except FileNotFoundError:
        return Marks()
    except msgspec.MsgspecError as error:
        raise InvariantBroken(f"{path} is corrupt: {error}") from error


def save_marks(disk: Disk, root: Path, position: LakePosition, marks: Marks) -> None:
    """Write the marks of a position that is about to be committed."""
    path = _path(root, position)
    disk.make_folder(path.parent)
    write_atomically(disk, path, [msgspec.json.encode(marks)])


def forget_marks(disk: Disk, root: Path, kept: LakePosition) -> None:
    """Remove the marks of all other positions."""
    name = _path(root, kept).name
    for other in disk.names(root / FOLDER):
        if other != name:
            disk.remove(root / FOLDER / other)


def _path(root: Path, position: LakePosition) -> Path:
    return root / FOLDER / f"{position.text()}.json"
