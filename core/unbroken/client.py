"""The sync client and the async client, with the same settings and the same plugins."""

import ssl
from collections.abc import Coroutine
from typing import Any, Generic, Self, final

from ._engine.commit_buffer import Commit
from ._setup import Plugins, Prepared, Setup
from .answer import PlainAnswer
from .clock import Clock
from .config import ConfigSource
from .dialect import Dialect
from .framing import MAX_EVENT_SIZE
from .headers import HeaderTypes
from .messages import E_co, Timeouts
from .secrets import clearing_locals
from .stream import AsyncStream, Stream
from .transport import AsyncTransport, Connections, Transport


@final
class Client(Prepared, Generic[E_co]):
    """The sync client. It can be shared by threads. Close it, or use it in a ``with`` block.

    `plugins`: the plugins, outermost first, by name or as objects; None uses the configured list or the default list.
    `config`: settings per plugin, or the path of a TOML file to read instead of the one found by searching.
    `dialect`: the meaning of the events, by name or as an object; plain SSE by default. With an object, checkers know
    what the `typed` of the events returns.
    `headers`: sent with every request.
    `commit`: ``content`` holds preamble back until the first content event; ``first-event`` holds nothing back;
    ``complete`` holds everything back until the stream is complete, so that the whole call can be tried again; then an
    answer over 32 MiB is a StreamError.
    `max_event_size`: the limit for one event, in bytes.
    `transport`: how requests are sent: ``wire`` (the default), ``httpx``, another installed name, or an object.
    `clock`: used instead of the system's clock.
    `verify`, `proxy`, `trust_env`, `max_connections`: see `unbroken.transport.Connections`.
    `insecure`: True allows credentials over ``http://`` to other machines, where they can be read on the way. False
    refuses them; None too, unless the environment or a file allows them.

    Raises ConfigurationError that lists everything that is wrong.
    """

    @clearing_locals
    def __init__(
        self,
        plugins: Plugins = None,
        *,
        config: ConfigSource = None,
        dialect: str | Dialect[E_co] | None = None,
        headers: HeaderTypes = (),
        commit: Commit = "content",
        max_event_size: int = MAX_EVENT_SIZE,
        transport: str | Transport | None = None,
        clock: Clock | None = None,
        verify: ssl.SSLContext | str | bool = True,
        proxy: str | None = None,
        trust_env: bool = False,
        max_connections: int = 1000,
        insecure: bool | None = None,
    ) -> None:
        setup = Setup.build(plugins, config, dialect, clock, headers, commit, max_event_size, transport, insecure)
        self._setup = setup.sync_transport(
            Connections(verify=verify, proxy=proxy, trust_env=trust_env, max_connections=max_connections)
        )

    @clearing_locals
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: HeaderTypes = (),
        json: Any = None,
        content: bytes = b"",
        timeouts: Timeouts | None = None,
        request_id: str | None = None,
    ) -> Stream[E_co]:
        """Prepare one call and return its stream. The request is sent when the stream is entered.

        `timeouts` take precedence over those of the timeout plugin. A `request_id` of None is replaced by a random one.
        Raises ConfigurationError for a request that cannot be sent.
        """
        setup = self._setup
        engine = setup.engine(method, url, headers, json, content, timeouts, request_id)
        return Stream(engine, setup.sends, setup.clock)

    @clearing_locals
    def send(
        self,
        method: str,
        url: str,
        *,
        headers: HeaderTypes = (),
        json: Any = None,
        content: bytes = b"",
        timeouts: Timeouts | None = None,
        request_id: str | None = None,
    ) -> PlainAnswer:
        """Make one call that is not streamed, through the same policies, and return the whole answer.

        It is proven complete by its length, and JSON by parsing too; cut, stalled and broken answers can be tried again
        up to a size of 32 MiB. An error in the body of a good status is raised. The arguments are those of `stream`.
        Raises the Error of a call that fails, and ConfigurationError for a request that asks for a stream.
        """
        setup = self._setup
        engine = setup.engine(method, url, headers, json, content, timeouts, request_id, plain=True)
        with Stream(engine, setup.sends, setup.clock) as stream:
            return PlainAnswer.of(stream, [*stream])

    def describe(self) -> str:
        """Return a text that shows the dialect, the plugins in order and the plugins at each hook."""
        return self._setup.describe()

    def close(self) -> None:
        """Close all connections. Calls that wait, connect or read fail at once, in other threads too."""
        self._setup.closing.close()
        for transport in self._setup.transports:
            transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@final
class AsyncClient(Prepared, Generic[E_co]):
    """The async client, for asyncio and trio, with the arguments of `Client`. Close it, or use ``async with``."""

    @clearing_locals
    def __init__(
        self,
        plugins: Plugins = None,
        *,
        config: ConfigSource = None,
        dialect: str | Dialect[E_co] | None = None,
        headers: HeaderTypes = (),
        commit: Commit = "content",
        max_event_size: int = MAX_EVENT_SIZE,
        transport: str | AsyncTransport | None = None,
        clock: Clock | None = None,
        verify: ssl.SSLContext | str | bool = True,
        proxy: str | None = None,
        trust_env: bool = False,
        max_connections: int = 1000,
        insecure: bool | None = None,
    ) -> None:
        setup = Setup.build(plugins, config, dialect, clock, headers, commit, max_event_size, transport, insecure)
        self._setup = setup.async_transport(
            Connections(verify=verify, proxy=proxy, trust_env=trust_env, max_connections=max_connections)
        )

    @clearing_locals
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: HeaderTypes = (),
        json: Any = None,
        content: bytes = b"",
        timeouts: Timeouts | None = None,
        request_id: str | None = None,
    ) -> AsyncStream[E_co]:
        """Prepare one call and return its stream, as `Client.stream` does."""
        setup = self._setup
        engine = setup.engine(method, url, headers, json, content, timeouts, request_id)
        return AsyncStream(engine, setup.sends, setup.clock)

    @clearing_locals
    def send(
        self,
        method: str,
        url: str,
        *,
        headers: HeaderTypes = (),
        json: Any = None,
        content: bytes = b"",
        timeouts: Timeouts | None = None,
        request_id: str | None = None,
    ) -> Coroutine[Any, Any, PlainAnswer]:
        """Make one call that is not streamed and return the whole answer, as `Client.send` does. To be awaited."""
        setup = self._setup
        engine = setup.engine(method, url, headers, json, content, timeouts, request_id, plain=True)
        return _answered(AsyncStream(engine, setup.sends, setup.clock))

    def describe(self) -> str:
        """Return a text that shows the dialect, the plugins in order and the plugins at each hook."""
        return self._setup.describe()

    async def aclose(self) -> None:
        """Close all connections. Calls that wait, connect or read fail at once, in other tasks and loops too."""
        self._setup.closing.close()
        for transport in self._setup.transports:
            await transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _answered(stream: AsyncStream) -> PlainAnswer:
    # Apart from `send`, whose arguments would be in the traceback of an error.
    async with stream:
        return PlainAnswer.of(stream, [event async for event in stream])
