"""What the drivers need from HTTP. Anything with these methods can carry the calls of a client.

An entry point of the group ``unbroken.transports`` gives a transport a name; its value is a `TransportFactory`.

Deadlines are absolute, in the monotonic seconds of the client's clock; None is no limit. Whoever waits past one raises
the builtin `TimeoutError`. Every other failure is a `NetworkError` or another Error.
"""

import ssl
from typing import Protocol

from attrs import define, field, frozen

from .errors import Phase
from .messages import Request, Response
from .validators import number

DRAIN_SECONDS = 0.05
"""How long `close` may look for the end of a body whose stream is complete, to save its connection."""


@frozen(kw_only=True)
class Connections:
    """How a client connects."""

    verify: ssl.SSLContext | str | bool = True
    """Whether, and against which certificates, servers are checked."""
    proxy: str | None = None
    """The URL of a proxy."""
    trust_env: bool = False
    """Whether ``HTTPS_PROXY``, ``SSL_CERT_FILE`` and their kin are obeyed."""
    max_connections: int = field(default=1000, validator=number(at_least=1, whole=True))
    """Streams at a time; a call waits for a free connection against its connect timeout."""


@define(eq=False, kw_only=True)
class Opening:
    """The clocks of the opening of an exchange, and how far it has come."""

    connect_deadline: float | None = None
    """For a free connection, DNS, TCP and TLS."""
    deadline: float | None = None
    """For everything until the head of the response is here."""
    phase: Phase = "connect"
    """The transport sets ``headers`` once the connection stands."""


class Exchange(Protocol):
    """One request that is under way."""

    response: Response

    def read(self, deadline: float | None) -> bytes:
        """Return the next bytes of the body, as soon as there are any; ``b""`` at its end."""
        ...

    def close(self, *, reusable: bool) -> None:
        """Let go. With `reusable`, look for the end of the body for DRAIN_SECONDS; there, the connection is kept.

        Never raises and never blocks longer than that.
        """
        ...


class Transport(Protocol):
    """Sends requests for the sync client."""

    def open(self, request: Request, opening: Opening) -> Exchange:
        """Send `request` and return when the head of the response has arrived."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class AsyncExchange(Protocol):
    """One request that is under way."""

    response: Response

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes of the body, as soon as there are any; ``b""`` at its end."""
        ...

    def abort(self) -> None:
        """Let go at once, without waiting for anything: the connection is closed and not used again."""
        ...

    async def aclose(self) -> None:
        """Let go as `Exchange.close` with `reusable` does. A cancellation meanwhile is raised once all is let go."""
        ...


class AsyncTransport(Protocol):
    """Sends requests for the async client."""

    async def open(self, request: Request, opening: Opening) -> AsyncExchange:
        """Send `request` and return when the head of the response has arrived."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class TransportFactory(Protocol):
    """Builds the transports that go by a name. An entry point leads to such an object, or to its class.

    A factory that cannot build one of the two raises ConfigurationError.
    """

    def sync_transport(self, connections: Connections) -> Transport:
        """Return a new transport for a `Client`; the client closes it."""
        ...

    def async_transport(self, connections: Connections) -> AsyncTransport:
        """Return a new transport for an `AsyncClient`; the client closes it."""
        ...
