"""The two transports, the choice between a pool of our own and the caller's `inner`, and the factories of the names."""

from typing import TYPE_CHECKING, Any, final

from attrs import frozen

from unbroken.errors import ConfigurationError, Problem
from unbroken.messages import Request
from unbroken.transport import AsyncExchange, Connections, Exchange, Opening

from ._async_inner import AsyncInnerTransport
from ._async_pool import AsyncPooledTransport
from ._library import CORES, Library, Name, library
from ._sync_inner import InnerTransport
from ._sync_pool import PooledTransport

if TYPE_CHECKING:
    import httpx
    import httpx2

    Inner = httpx.BaseTransport | httpx.Client | httpx2.BaseTransport | httpx2.Client
    AsyncInner = httpx.AsyncBaseTransport | httpx.AsyncClient | httpx2.AsyncBaseTransport | httpx2.AsyncClient


@final
class HTTPXTransport:
    """Sends the requests of a `Client` through httpx or httpx2.

    `connections`: how to connect; the pool is made and guarded here, and keeps every promise of the default transport.
    `library`: which of the two.
    `inner`: a transport or client of either library, in place of both. It connects by its own settings: a client's
    mounts, auth and event hooks work, its redirects, cookies and headers do not. Closing this transport closes it.

    Raises ConfigurationError, and ImportError when the library is not installed.
    """

    def __init__(
        self,
        connections: Connections | None = None,
        *,
        library: Name = "httpx",
        inner: "Inner | None" = None,
    ) -> None:
        self._way: PooledTransport | InnerTransport
        if inner is None:
            self._way = PooledTransport(_library(library), connections or Connections())
        else:
            found = _library_of(inner, connections, "BaseTransport", "Client")
            self._way = InnerTransport(found, inner)

    def open(self, request: Request, opening: Opening) -> Exchange:
        """Send `request`; see `unbroken.transport.Transport`."""
        return self._way.open(request, opening)

    def close(self) -> None:
        """Close all connections; streams that are open fail."""
        self._way.close()

    def open_connections(self) -> int:
        """Return how many connections are open; 0 with `inner`, which keeps its own books."""
        return self._way.open_connections()

    def idle_connections(self) -> int:
        """Return how many connections wait for their next exchange; 0 with `inner`."""
        return self._way.idle_connections()

    def requests_under_way(self) -> int:
        """Return how many exchanges have begun and not ended."""
        return self._way.requests_under_way()


@final
class AsyncHTTPXTransport:
    """Sends the requests of an `AsyncClient` through httpx or httpx2. The arguments are those of `HTTPXTransport`."""

    def __init__(
        self,
        connections: Connections | None = None,
        *,
        library: Name = "httpx",
        inner: "AsyncInner | None" = None,
    ) -> None:
        self._way: AsyncPooledTransport | AsyncInnerTransport
        if inner is None:
            self._way = AsyncPooledTransport(_library(library), connections or Connections())
        else:
            found = _library_of(inner, connections, "AsyncBaseTransport", "AsyncClient")
            self._way = AsyncInnerTransport(found, inner)

    async def open(self, request: Request, opening: Opening) -> AsyncExchange:
        """Send `request`; see `unbroken.transport.AsyncTransport`."""
        return await self._way.open(request, opening)

    async def aclose(self) -> None:
        """Close all connections; streams that are open fail."""
        await self._way.aclose()

    def open_connections(self) -> int:
        """Return how many connections are open; 0 with `inner`, which keeps its own books."""
        return self._way.open_connections()

    def idle_connections(self) -> int:
        """Return how many connections wait for their next exchange; 0 with `inner`."""
        return self._way.idle_connections()

    def requests_under_way(self) -> int:
        """Return how many exchanges have begun and not ended."""
        return self._way.requests_under_way()


@final
@frozen
class HTTPXFactory:
    """A `unbroken.transport.TransportFactory` for one of the libraries."""

    library: Name

    def sync_transport(self, connections: Connections) -> HTTPXTransport:
        """Return a transport for a `Client`."""
        return HTTPXTransport(connections, library=self.library)

    def async_transport(self, connections: Connections) -> AsyncHTTPXTransport:
        """Return a transport for an `AsyncClient`."""
        return AsyncHTTPXTransport(connections, library=self.library)


def _library(name: Name) -> Library:
    if name not in CORES:
        raise ConfigurationError.of(Problem("library", f"must be httpx or httpx2, not {name!r}"))
    return library(name)


def _library_of(inner: Any, connections: Connections | None, *classes: str) -> Library:
    """Return the library that `inner` is of, which must be one of its `classes`."""
    if connections is not None:
        raise ConfigurationError.of(Problem("inner", "connects by its own settings: give connections or inner"))
    for name in CORES:
        try:
            found = library(name)
        except ImportError:
            continue
        if isinstance(inner, tuple(getattr(found.httpx, each) for each in classes)):
            return found
    wanted = " or ".join(classes)
    raise ConfigurationError.of(Problem("inner", f"must be a {wanted} of httpx or httpx2, not {type(inner).__name__}"))
