"""Refuse to send credentials over ``http://`` to another machine: everything on the way there can read them.

The check stands directly in front of a client's transport, behind everything that adds headers to a request: the
arguments, the hooks, and what plugins wrap around the transport.
"""

import ipaddress
from typing import Final, final
from urllib.parse import urlsplit

from attrs import define

from .errors import ConfigurationError, Problem
from .messages import Request
from .secrets import is_secret_name
from .transport import AsyncExchange, AsyncTransport, Connections, Exchange, Opening, Transport

REMEDY: Final = "use https://, or allow it with insecure=True (--insecure on the command line)"
_OF_THE_PROXY: Final = "proxy-authorization"


@final
@define(eq=False, repr=False)
class GuardedTransport:
    """Sends through `inner` what may be sent."""

    inner: Transport
    connections: Connections

    def open(self, request: Request, opening: Opening) -> Exchange:
        """Send `request`. Raises ConfigurationError instead if it would show credentials."""
        refuse_exposed_credentials(request, self.connections)
        return self.inner.open(request, opening)

    def close(self) -> None:
        """Close all connections."""
        self.inner.close()


@final
@define(eq=False, repr=False)
class AsyncGuardedTransport:
    """Sends through `inner` what may be sent."""

    inner: AsyncTransport
    connections: Connections

    async def open(self, request: Request, opening: Opening) -> AsyncExchange:
        """Send `request`. Raises ConfigurationError instead if it would show credentials."""
        refuse_exposed_credentials(request, self.connections)
        return await self.inner.open(request, opening)

    async def aclose(self) -> None:
        """Close all connections."""
        await self.inner.aclose()


def refuse_exposed_credentials(request: Request, connections: Connections) -> None:
    """Raise ConfigurationError that names the headers, not their values, if others could read credentials in them."""
    if request.origin.startswith("https:"):
        return
    headers = request.headers.items()
    names = [name for name, value in headers if value and name != _OF_THE_PROXY and is_secret_name(name)]
    if names and (where := _leaves_for(request, connections)):
        message = f"would be sent unencrypted to {where}; {REMEDY}"
        raise ConfigurationError.of(*(Problem(f"headers.{name}", message) for name in names))


def _leaves_for(request: Request, connections: Connections) -> str:
    """Return to whom the request leaves this machine in plain text; empty if it does not."""
    host = urlsplit(request.url).hostname or ""
    if not is_loopback(host):
        return request.origin
    proxy = connections.proxy_for("http", host)
    if proxy is None or _is_safe(proxy):
        return ""
    return f"a proxy, for {request.origin}"


def _is_safe(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
    except ValueError:
        return False
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine: 127.0.0.0/8, ::1, ``localhost`` and names below it (RFC 6761 §6.3)."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None  # ::ffff:127.0.0.1
    return (mapped or address).is_loopback
