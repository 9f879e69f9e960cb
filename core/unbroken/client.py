"""The two clients: the same settings, the same plugins, one blocking and one awaiting."""

import ssl
from typing import Any, Self, final

from ._engine.commit_buffer import MAX_EVENT_SIZE
from ._setup import Commit, Plugins, Setup, wrapped
from .clock import Clock
from .config import ConfigSource
from .dialect import Dialect
from .headers import HeaderTypes
from .messages import Timeouts
from .stream import AsyncStream, Stream
from .transport import AsyncTransport, Connections, Transport


@final
class Client:
    """Streams over blocking I/O. Serves many threads; close it, or use it with ``with``.

    `plugins`: the policies, outermost first, by name or as objects; None takes the configured or the default list.
    `config`: values per plugin, or the path of a TOML file in place of the one that would be found.
    `dialect`: what the events mean, by name or as an object; plain SSE by default.
    `headers`: sent with every request.
    `commit`: ``content`` holds preamble back until the first content event; ``first-event`` holds nothing back.
    `max_event_size`: bytes of one event.
    `transport`, `clock`: in place of HTTP and the machine's clocks.
    `verify`, `proxy`, `trust_env`, `max_connections`: see `unbroken.transport`.

    Raises ConfigurationError that lists everything that is wrong.
    """

    def __init__(
        self,
        plugins: Plugins = None,
        *,
        config: ConfigSource = None,
        dialect: str | Dialect | None = None,
        headers: HeaderTypes = (),
        commit: Commit = "content",
        max_event_size: int = MAX_EVENT_SIZE,
        transport: Transport | None = None,
        clock: Clock | None = None,
        verify: ssl.SSLContext | str | bool = True,
        proxy: str | None = None,
        trust_env: bool = False,
        max_connections: int = 1000,
    ) -> None:
        self._setup = Setup.build(plugins, config, dialect, clock, headers, commit, max_event_size)
        if transport is None:
            from ._wire import WireTransport

            transport = WireTransport(
                Connections(verify=verify, proxy=proxy, trust_env=trust_env, max_connections=max_connections)
            )
        self._transport: Transport = wrapped(self._setup.hooks.wrap_transport, "wrap_transport", transport)

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
    ) -> Stream:
        """Prepare one call; it is sent on entering the stream. Raises ConfigurationError for a bad request.

        `timeouts` are this call's timeouts, before those of the timeout plugin. `request_id` is made when it is None.
        """
        engine = self._setup.engine(method, url, headers, json, content, timeouts, request_id)
        return Stream(engine, self._transport, self._setup.clock)

    def describe(self) -> str:
        """Return the resolved pipeline as text."""
        return self._setup.describe()

    def close(self) -> None:
        """Close all connections. Calls that wait, connect or read fail at once, in other threads too."""
        self._setup.closing.close()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@final
class AsyncClient:
    """Streams over asyncio or trio; the arguments are those of `Client`. Close it, or use it with ``async with``."""

    def __init__(
        self,
        plugins: Plugins = None,
        *,
        config: ConfigSource = None,
        dialect: str | Dialect | None = None,
        headers: HeaderTypes = (),
        commit: Commit = "content",
        max_event_size: int = MAX_EVENT_SIZE,
        transport: AsyncTransport | None = None,
        clock: Clock | None = None,
        verify: ssl.SSLContext | str | bool = True,
        proxy: str | None = None,
        trust_env: bool = False,
        max_connections: int = 1000,
    ) -> None:
        self._setup = Setup.build(plugins, config, dialect, clock, headers, commit, max_event_size)
        if transport is None:
            from ._wire import AsyncWireTransport

            transport = AsyncWireTransport(
                Connections(verify=verify, proxy=proxy, trust_env=trust_env, max_connections=max_connections)
            )
        self._transport: AsyncTransport = wrapped(
            self._setup.hooks.wrap_async_transport, "wrap_async_transport", transport
        )

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
    ) -> AsyncStream:
        """Prepare one call; it is sent on entering the stream. See `Client.stream`."""
        engine = self._setup.engine(method, url, headers, json, content, timeouts, request_id)
        return AsyncStream(engine, self._transport, self._setup.clock)

    def describe(self) -> str:
        """Return the resolved pipeline as text."""
        return self._setup.describe()

    async def aclose(self) -> None:
        """Close all connections. Calls that wait, connect or read fail at once, in other tasks and loops too."""
        self._setup.closing.close()
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
