"""Transports for clients that stand on httpx or httpx2, with the policies and the proofs of Unbroken."""

from functools import partial
from typing import Any, ClassVar, Final, TypedDict, Unpack

from unbroken import Clock, ConfigurationError, Dialect, Error, Request
from unbroken.config import ConfigSource
from unbroken.registry import resolve_dialect
from unbroken.relay import AsyncRelay, Commit, Plugins, Relay
from unbroken.secrets import clear_locals
from unbroken.transport import Connections
from unbroken.validators import refused, shown

from ._answers import answered, exception, failed
from ._bodies import Errors
from ._calls import Requests, own_timeouts
from ._own_timeouts import AsyncBoundedTransport, BoundedTransport

_CONNECTIONS: Final = Connections()


class RelayOptions(TypedDict, total=False):
    """The options of `unbroken.relay.Relay` that a transport passes on."""

    config: ConfigSource
    commit: Commit
    max_event_size: int
    transport: Any
    clock: Clock | None


class _Transport:
    """What the transports share."""

    library: ClassVar[Any]
    body: ClassVar[type[Any]]
    relay: ClassVar[type[Any]]

    def __init__(
        self,
        plugins: Plugins = None,
        *,
        dialect: str | Dialect = "auto",
        errors: Errors = "event",
        insecure: bool = False,
        connections: Connections = _CONNECTIONS,
        **options: Unpack[RelayOptions],
    ) -> None:
        if errors not in ("event", "raise"):
            raise refused("errors", f"must be event or raise, not {shown(errors)}")
        meaning = None if dialect == "auto" else resolve_dialect(dialect)
        self._relay = self.relay(plugins, connections=connections, **options)
        self._requests = Requests(meaning, connections, insecure)
        self._errors: Errors = errors

    def describe(self) -> str:
        """Return a text that shows the plugins in order and the plugins at each hook."""
        described: str = self._relay.describe()
        return described

    def _ready(self, request: Any, content: bytes) -> Request:
        try:
            return self._requests.ready(request, content)
        except ConfigurationError as error:
            del content
            clear_locals(error)  # among them are the headers
            raise exception(self.library, error, request) from error

    def _answered(self, stream: Any, request: Any) -> Any:
        answer = answered(stream)
        return self._response(answer.status, answer.headers, self.body(stream, request, self._errors), stream)

    def _failed(self, error: Error, stream: Any, request: Any) -> Any:
        answer = failed(stream, error)
        if answer is None:
            raise exception(self.library, error, request) from error
        return self._response(answer.status, answer.headers, self.library.ByteStream(answer.body), stream)

    def _response(self, status: int, headers: list[tuple[str, str]], body: Any, stream: Any) -> Any:
        extensions = {"unbroken": stream, "http_version": b"HTTP/1.1"}
        return self.library.Response(status, headers=headers, stream=body, extensions=extensions)


class SyncTransport(_Transport):
    """The sync transports."""

    relay: ClassVar[type[Any]] = Relay

    def handle_request(self, request: Any) -> Any:
        """Make the call for `request`. Returns when its first content or its failure is there."""
        ready = self._ready(request, request.read())
        own = own_timeouts(request, self._relay.clock)
        through = None if own is None else partial(BoundedTransport, timeouts=own)
        stream = self._relay.stream(ready, dialect=self._requests.meaning(request), through=through)
        try:
            stream.__enter__()
        except Error as error:
            return self._failed(error, stream, request)
        return self._answered(stream, request)

    def close(self) -> None:
        """Close all connections. Calls that wait, connect or read fail at once."""
        self._relay.close()


class AsyncTransport(_Transport):
    """The async transports."""

    relay: ClassVar[type[Any]] = AsyncRelay

    async def handle_async_request(self, request: Any) -> Any:
        """Make the call for `request`. Returns when its first content or its failure is there."""
        ready = self._ready(request, await request.aread())
        own = own_timeouts(request, self._relay.clock)
        through = None if own is None else partial(AsyncBoundedTransport, timeouts=own)
        stream = self._relay.stream(ready, dialect=self._requests.meaning(request), through=through)
        try:
            await stream.__aenter__()
        except Error as error:
            return self._failed(error, stream, request)
        return self._answered(stream, request)

    async def aclose(self) -> None:
        """Close all connections. Calls that wait, connect or read fail at once."""
        await self._relay.aclose()
