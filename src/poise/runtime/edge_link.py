"""The edge's end of the local socket to the core: state in, commands out."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from poise.analytics.pairs import OUTPUTS, PARAMETERS
from poise.core.errors import InvariantBroken, TransientError, UserError
from poise.runtime import messages as link

RETRY_S = 0.3
Floats = npt.NDArray[np.float64]


class Present(msgspec.Struct, frozen=True):
    """The core's state as arrays: quotes (instruments, 11), params and outputs, one row each."""

    seq: int
    recv_ns: int
    quotes: Floats
    params: Floats
    outputs: Floats


class CoreLink:
    """Keeps one connection to the core, and takes it up again whenever it ends.

    Parameters
    ----------
    path
        Of the core's socket.
    on_hello, on_state
        Called with what came.

    Attributes
    ----------
    hello, health
        The last of each; None before the first.
    connected
        Whether the core is there now.
    """

    def __init__(
        self,
        path: Path,
        on_hello: Callable[[link.Hello], None],
        on_state: Callable[[Present], None],
    ) -> None:
        self._path = path
        self._on_hello = on_hello
        self._on_state = on_state
        self.hello: link.Hello | None = None
        self.health: link.CoreHealth | None = None
        self.connected = False
        self._writer: asyncio.StreamWriter | None = None
        self._requests = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[link.Done]] = {}
        self._first_hello = asyncio.Event()

    async def run(self) -> None:
        """Connect and listen until cancelled."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path)
            except OSError:
                await asyncio.sleep(RETRY_S)
                continue
            self._writer = writer
            try:
                while True:
                    self._take(await link.receive_from_core(reader))
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # the core has gone; it may come back
            except (InvariantBroken, msgspec.MsgspecError) as error:
                raise InvariantBroken(f"core and edge do not understand each other: {error}") from (
                    error
                )
            finally:
                self._lost()
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            await asyncio.sleep(RETRY_S)

    async def wait_for_hello(self, timeout_s: float) -> bool:
        """Wait for the core's first message; false when it does not come in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._first_hello.wait()
        except TimeoutError:
            return False
        return True

    async def command(self, make: Callable[[int], link.FromEdge], timeout_s: float) -> int:
        """Send a command; returns the journal number up to which it was carried out.

        Raises
        ------
        UserError
            What the core refused, in its words.
        TransientError
            When there is no core, or no answer in time.
        """
        writer = self._writer
        if writer is None or not self.connected:
            raise TransientError("the core is not running: nothing can be asked of it now")
        number = next(self._requests)
        future: asyncio.Future[link.Done] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            writer.write(link.packed(make(number)))
            async with asyncio.timeout(timeout_s):
                done = await future
        except TimeoutError:
            raise TransientError(f"the core did not answer within {timeout_s:g} s") from None
        finally:
            self._waiting.pop(number, None)
        if done.error:
            raise UserError(done.error)
        return done.seq

    def _take(self, message: link.FromCore) -> None:
        if isinstance(message, link.State):
            self._on_state(_present(message))
        elif isinstance(message, link.CoreHealth):
            self.health = message
        elif isinstance(message, link.Done):
            future = self._waiting.get(message.request)
            if future is not None and not future.done():
                future.set_result(message)
        else:
            self.hello = message
            self.connected = True
            self._on_hello(message)
            self._first_hello.set()

    def _lost(self) -> None:
        self.connected = False
        self._writer = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(TransientError("the core stopped before it answered"))


def _present(state: link.State) -> Present:
    return Present(
        state.seq,
        state.recv_ns,
        np.frombuffer(state.quotes, "<f8").reshape(-1, link.QUOTE_COLUMNS),
        np.frombuffer(state.params, "<f8").reshape(state.rows, PARAMETERS),
        np.frombuffer(state.outputs, "<f8").reshape(state.rows, OUTPUTS),
    )
