"""Calls for a program that hands the answers on, such as a transport under another client.

A relay sends each request as it is, without headers of its own. The stream of a call gives the bytes of the answer as
they came, in events of type `PIECE` that hold whole events only: byte for byte those of the server, up to and including
the proof that the answer is complete. If plugins change or drop events, the pieces are encoded from what they leave. A
request that does not ask for a stream gets its answer as one event of type `WHOLE` if it is JSON, else in pieces.
"""

import os
from collections.abc import Callable
from typing import Final, final

from ._engine.commit_buffer import Commit
from ._engine.delivery import PIECE, WHOLE, Mode
from ._engine.engine import Engine
from ._setup import Plugins, Prepared, Setup
from .clock import Clock
from .config import ConfigSource
from .dialect import Dialect
from .framing import MAX_EVENT_SIZE
from .messages import Request
from .secrets import clearing_locals
from .stream import AsyncStream, Stream
from .transport import AsyncTransport, Connections, Transport

__all__ = ("PIECE", "WHOLE", "AsyncRelay", "Commit", "Plugins", "Relay")

_PREFIX: Final = "req_"
_CONNECTIONS: Final = Connections()


class _Relay(Prepared):
    @property
    def clock(self) -> Clock:
        """The clock of all calls."""
        return self._setup.clock

    def describe(self) -> str:
        """Return a text that shows the dialect, the plugins in order and the plugins at each hook."""
        return self._setup.describe()


def _engine(setup: Setup, request: Request, dialect: Dialect | None) -> Engine:
    meaning = setup.dialect if dialect is None else dialect
    mode = Mode(commit=setup.commit, plain=not meaning.asks_for_stream(request), wire=True)
    return setup.engine_of(request, meaning, mode, f"{_PREFIX}{os.urandom(16).hex()}")


@final
class Relay(_Relay):
    """Makes sync calls. It can be shared by threads. The arguments are those of `unbroken.Client`.

    `connections` are the settings of its connections. `insecure` is True by default, as the requests are another's.
    """

    @clearing_locals
    def __init__(
        self,
        plugins: Plugins = None,
        *,
        config: ConfigSource = None,
        dialect: str | Dialect | None = None,
        commit: Commit = "content",
        max_event_size: int = MAX_EVENT_SIZE,
        transport: str | Transport | None = None,
        clock: Clock | None = None,
        insecure: bool | None = True,
        connections: Connections = _CONNECTIONS,
    ) -> None:
        setup = Setup.build(plugins, config, dialect, clock, (), commit, max_event_size, transport, insecure)
        self._setup = setup.sync_transport(connections)

    def stream(
        self,
        request: Request,
        *,
        dialect: Dialect | None = None,
        through: Callable[[Transport], Transport] | None = None,
    ) -> Stream:
        """Prepare the call for `request`. It is sent when the stream is entered.

        `dialect` is that of this answer, if it is another. `through` may put a transport of its own around the relay's.
        """
        setup = self._setup
        transport = setup.sends if through is None else through(setup.sends)
        return Stream(_engine(setup, request, dialect), transport, setup.clock)

    def close(self) -> None:
        """Close all connections. Calls that wait, connect or read fail at once."""
        self._setup.closing.close()
        for transport in self._setup.transports:
            transport.close()


@final
class AsyncRelay(_Relay):
    """Makes async calls, for asyncio and trio, with the arguments of `Relay`."""

    @clearing_locals
    def __init__(
        self,
        plugins: Plugins = None,
        *,
        config: ConfigSource = None,
        dialect: str | Dialect | None = None,
        commit: Commit = "content",
        max_event_size: int = MAX_EVENT_SIZE,
        transport: str | AsyncTransport | None = None,
        clock: Clock | None = None,
        insecure: bool | None = True,
        connections: Connections = _CONNECTIONS,
    ) -> None:
        setup = Setup.build(plugins, config, dialect, clock, (), commit, max_event_size, transport, insecure)
        self._setup = setup.async_transport(connections)

    def stream(
        self,
        request: Request,
        *,
        dialect: Dialect | None = None,
        through: Callable[[AsyncTransport], AsyncTransport] | None = None,
    ) -> AsyncStream:
        """Prepare the call for `request`, as `Relay.stream` does."""
        setup = self._setup
        transport = setup.sends if through is None else through(setup.sends)
        return AsyncStream(_engine(setup, request, dialect), transport, setup.clock)

    async def aclose(self) -> None:
        """Close all connections. Calls that wait, connect or read fail at once."""
        self._setup.closing.close()
        for transport in self._setup.transports:
            await transport.aclose()
