"""Transports and clients with Unbroken under them, for what stands on httpx."""

from typing import Any, ClassVar, final

import httpx as library

from . import _bodies, _transports

__all__ = ("AsyncClient", "AsyncTransport", "Client", "Transport")


class _Body(_bodies.Body, library.SyncByteStream):
    library: ClassVar[Any] = library


class _AsyncBody(_bodies.AsyncBody, library.AsyncByteStream):
    library: ClassVar[Any] = library


@final
class Transport(_transports.SyncTransport, library.BaseTransport):
    """Send the requests of an `httpx.Client`. For the arguments see `AsyncTransport`."""

    library: ClassVar[Any] = library
    body: ClassVar[type[Any]] = _Body


@final
class AsyncTransport(_transports.AsyncTransport, library.AsyncBaseTransport):
    """Send the requests of an `httpx.AsyncClient`: each is a call with the policies of `plugins`.

    `dialect`: the meaning of the answers; ``auto`` chooses it for each request, by its host and path.
    `errors`: how a failure behind the first content is told: as an error ``event`` of the dialect where it has one, of
    which an SDK makes an exception of its own, or by an exception of the HTTP library (``raise``).
    `insecure`: True silences the warning about credentials that are sent over ``http://`` to another machine.
    `connections` and the other options are those of `unbroken.relay.Relay`.
    """

    library: ClassVar[Any] = library
    body: ClassVar[type[Any]] = _AsyncBody


class Client(library.Client):
    """A client of httpx over a `Transport` with these plugins and options, and the arguments `client` of its own."""

    def __init__(self, plugins: Any = None, *, client: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(transport=Transport(plugins, **options), **(client or {}))


class AsyncClient(library.AsyncClient):
    """An async client of httpx over an `AsyncTransport`, and the arguments `client` of its own."""

    def __init__(self, plugins: Any = None, *, client: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(transport=AsyncTransport(plugins, **options), **(client or {}))
