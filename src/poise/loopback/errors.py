"""The errors the loopback venue raises, each one clear sentence for the command line to show."""

from pathlib import Path


class LoopbackError(Exception):
    """Base of every error of this package."""


class ConfigError(LoopbackError):
    """A configuration value that cannot be used; the sentence names it and what is allowed."""


class ServerStartError(LoopbackError):
    """The server could not start: port in use, address not ours, TLS refused."""


class RecordingError(LoopbackError):
    """A recording that cannot be read, or a line of it that is not what a recording holds.

    Attributes
    ----------
    path : Path
        The file.
    line : int
        Line number counted from 1; 0 when the whole file is meant.
    reason : str
        What is wrong with it.
    kept : int
        Good lines of this file before the fault.
    """

    def __init__(self, path: Path, line: int, reason: str, kept: int) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        self.kept = kept
        where = f"{path}, line {line}" if line else str(path)
        super().__init__(f"{where}: {reason} ({kept} good lines before it)")
