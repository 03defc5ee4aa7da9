"""Where a desk keeps its data."""

import os
import shutil
import tempfile
from pathlib import Path

from poise.core.errors import UserError

DEMO_RUNS_KEPT = 3


def data_home() -> Path:
    """The user's data folder: ``$XDG_DATA_HOME/poise``, else ``~/.local/share/poise``."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "poise"


def live_folder(chosen: str) -> Path:
    """Folder of live data, made and proven writable."""
    return _writable(Path(chosen) if chosen else data_home() / "live")


def demo_folder(chosen: str, run_id: str) -> tuple[Path, int]:
    """Folder of a demo run, and how many older ones were removed.

    Every generated market has its own past, so each demo run has its own folder; the newest three
    are kept. A folder that the user chose is used as it is and never cleaned.
    """
    if chosen:
        return _writable(Path(chosen)), 0
    home = data_home() / "demo"
    old = sorted(path for path in home.glob("*") if path.is_dir()) if home.is_dir() else []
    removed = old[: max(0, len(old) - DEMO_RUNS_KEPT + 1)]
    for path in removed:
        shutil.rmtree(path, ignore_errors=True)
    return _writable(home / run_id), len(removed)


def link_path() -> Path:
    """A fresh private path for the local socket (Unix sockets allow about 100 characters)."""
    return Path(tempfile.mkdtemp(prefix="poise-")) / "core.sock"


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"the data folder {folder} cannot be written ({error.strerror}): "
            "choose another with --data-dir"
        ) from None
    return folder
