"""The interface between the drivers and HTTP. Any object with these methods can be the transport of a client.

An entry point of the group ``unbroken.transports`` gives a transport a name; its value is a `TransportFactory`.

Deadlines are absolute, in seconds of the client's monotonic clock; None is no limit. An operation that outlives its
deadline raises the builtin `TimeoutError`. Every other failure is a `NetworkError` or another `unbroken.Error`.
"""

import ssl
from typing import Protocol

from attrs import define, field, frozen

from .errors import NetworkError, Phase
from .messages import Request, Response
from .validators import number

DRAIN_SECONDS = 0.05
"""How long `close` may wait for the end of a body whose stream is complete, in order to reuse the connection."""


def closed() -> NetworkError:
    """Return the error of a call whose client is closed."""
    return NetworkError("the client is closed", retryable=False, is_local=True)


@frozen(kw_only=True)
class Connections:
    """The settings of a client's connections."""

    verify: ssl.SSLContext | str | bool = True
    """Whether the certificates of servers are verified, and against which authorities."""
    proxy: str | None = None
    """The URL of the proxy; None for a direct connection."""
    trust_env: bool = False
    """Whether ``HTTPS_PROXY``, ``SSL_CERT_FILE`` and similar environment variables are used."""
    max_connections: int = field(default=1000, validator=number(at_least=1, whole=True))
    """The most streams at a time. A call waits for a free connection for at most its connect timeout."""

    def proxy_for(self, scheme: str, host: str) -> str | None:
        """Return the URL of the proxy for a request: the configured one, or with `trust_env` the environment's."""
        if self.proxy is not None or not self.trust_env:
            return self.proxy
        from urllib.request import getproxies, proxy_bypass  # it imports the HTTP client of the standard library

        if proxy_bypass(host):
            return None
        proxies = getproxies()
        proxy = proxies.get(scheme) or proxies.get("all")
        return f"http://{proxy}" if proxy and "://" not in proxy else proxy or None


@define(eq=False, kw_only=True)
class Opening:
    """The deadlines of opening an exchange, and the phase that it has reached."""

    connect_deadline: float | None = None
    """The deadline for a free connection, DNS, TCP and TLS."""
    deadline: float | None = None
    """The deadline for everything until the head of the response has arrived."""
    phase: Phase = "connect"
    """The transport sets it to ``headers`` once the connection is established."""


class Exchange(Protocol):
    """One request in progress: the head of its response has arrived, its body can be read."""

    response: Response

    def read(self, deadline: float | None) -> bytes:
        """Return the next bytes of the body as soon as any arrive, ``b""`` at its end."""
        ...

    def close(self, *, reusable: bool) -> None:
        """Close the exchange. Never raises, and never blocks for longer than DRAIN_SECONDS.

        With `reusable`, wait up to DRAIN_SECONDS for the end of the body and return the connection to the pool if it
        arrives. Otherwise, close the connection at once.
        """
        ...


class Transport(Protocol):
    """Sends requests for the sync client."""

    def open(self, request: Request, opening: Opening) -> Exchange:
        """Send `request`, wait for the head of the response and return the exchange."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class AsyncExchange(Protocol):
    """One request in progress: the head of its response has arrived, its body can be read."""

    response: Response

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes of the body as soon as any arrive, ``b""`` at its end."""
        ...

    def abort(self) -> None:
        """Close the connection at once, without waiting for anything. It is not used again."""
        ...

    async def aclose(self) -> None:
        """Close the exchange as `Exchange.close` does with `reusable`. A cancellation is raised when that is done."""
        ...


class AsyncTransport(Protocol):
    """Sends requests for the async client."""

    async def open(self, request: Request, opening: Opening) -> AsyncExchange:
        """Send `request`, wait for the head of the response and return the exchange."""
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
