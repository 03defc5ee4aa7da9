"""The terminal's view of a running desk: the pairs furthest from their mean."""

import socket
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from rich.live import Live
from rich.table import Table

from poise.analytics import pairs as columns
from poise.core.events import PairSpec, RunStarted
from poise.runtime.messages import CoreHealth, FromCore, Hello, State

_ROWS = 15
_READ_BYTES = 1 << 20
_DECODER = msgspec.msgpack.Decoder(FromCore)


class PairsTable:
    """Reads the core's conflated state and draws the table in place.

    Parameters
    ----------
    link
        The core's local socket.
    """

    def __init__(self, link: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(link))
        self._socket.setblocking(False)
        self._buffer = bytearray()
        self._run: RunStarted | None = None
        self._state: State | None = None
        self._health: CoreHealth | None = None
        self._live = Live(auto_refresh=False, transient=True)
        self._live.start()

    def refresh(self) -> None:
        """Take what came since the last call, and draw."""
        self._receive()
        if self._run is not None and self._state is not None:
            self._live.update(self._table(self._run, self._state), refresh=True)

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._live.console.print(text, highlight=False)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._live.stop()
        self._socket.close()

    def _receive(self) -> None:
        try:
            while chunk := self._socket.recv(_READ_BYTES):
                self._buffer += chunk
        except BlockingIOError:
            pass
        except OSError:
            return
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "little")
            if len(self._buffer) < 4 + length:
                return
            message = _DECODER.decode(bytes(self._buffer[4 : 4 + length]))
            del self._buffer[: 4 + length]
            if isinstance(message, Hello):
                self._run = message.run
            elif isinstance(message, State):
                self._state = message
            elif isinstance(message, CoreHealth):
                self._health = message

    def _table(self, run: RunStarted, state: State) -> Table:
        params = np.frombuffer(state.params).reshape(state.rows, columns.PARAMETERS)
        outputs = np.frombuffer(state.outputs).reshape(state.rows, columns.OUTPUTS)
        table = Table(title=self._title(params), title_justify="left")
        table.add_column("pair (y / x)")
        table.add_column("bars")
        for name in ("z_window", "z_kalman", "beta", "sigma bp", "half-life bars", "corr"):
            table.add_column(name, justify="right")
        scores = np.abs(outputs[:, columns.Z_WINDOW])
        order = np.argsort(-np.where(np.isnan(scores), -1.0, scores), kind="stable")
        for row in order[:_ROWS].tolist():
            table.add_row(*self._cells(run, row, params[row], outputs[row]))
        return table

    def _title(self, params: npt.NDArray[np.float64]) -> str:
        ready = int(np.count_nonzero(params[:, columns.READY] == 1.0))
        title = f"{ready} of {len(params)} pair rows warm"
        if self._health is not None:
            live = sum(feed.state == "live" for feed in self._health.feeds)
            title += f" · {live} of {len(self._health.feeds)} feeds live · {self._health.stage}"
        return title

    def _cells(
        self,
        run: RunStarted,
        row: int,
        params: npt.NDArray[np.float64],
        outputs: npt.NDArray[np.float64],
    ) -> list[str]:
        frame = run.timeframes[row % len(run.timeframes)]
        pair = PairSpec(int(params[columns.LEG_Y]), int(params[columns.LEG_X]))  # type: ignore[arg-type]
        name = f"{run.instruments[pair.y].base} / {run.instruments[pair.x].base}"
        if params[columns.READY] != 1.0:
            warming = f"warming up {int(params[columns.BARS])}/{frame.window}"
            return [name, frame.name, warming, "", "", "", "", ""]
        return [
            name,
            frame.name,
            f"{outputs[columns.Z_WINDOW]:+.2f}",
            f"{outputs[columns.Z_KALMAN]:+.2f}",
            f"{params[columns.BETA_OLS]:.3f}",
            f"{params[columns.SIGMA] * 1e4:.1f}",
            f"{params[columns.HALF_LIFE]:.1f}",
            f"{params[columns.CORRELATION]:.2f}",
        ]
