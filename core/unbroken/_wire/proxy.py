"""The way through a proxy: absolute URLs for http, a tunnel for https (RFC 9112 §3.2.2, RFC 9110 §9.3.6)."""

import base64
import functools
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from ..errors import ConfigurationError, Problem
from ..headers import user_agent
from ..transport import Connections
from .connection import Connection
from .head import Malformed
from .route import Route, ascii_host

_PORTS: Final = {"http": 80, "https": 443}


@frozen
class Proxy:
    """A proxy."""

    tls: bool
    host: str
    port: int
    credentials: str = field(repr=False)
    """The header field with the credentials and its line end; empty when there are none."""

    @property
    def name(self) -> str:
        """Return what tells it from other proxies."""
        return f"{self.tls}{self.host}:{self.port}{self.credentials}"

    async def tunnel(self, connection: Connection, route: Route, deadline: float | None) -> None:
        """Make `connection` lead to where `route` does. Raises OSError, Malformed, builtin TimeoutError."""
        address = route.address
        # The headers of the caller, its User-Agent too, are for the server alone.
        fields = f"Host: {address}\r\nUser-Agent: {user_agent()}\r\n{self.credentials}"
        request = f"CONNECT {address} HTTP/1.1\r\n{fields}\r\n"
        head = await connection.send(request.encode("latin-1"), deadline, bodyless=True)
        if not 200 <= head.status < 300:
            raise Malformed(f"{head.status} {head.reason}")
        if connection.parser.surplus:
            raise Malformed("the proxy sent more than was asked for")


@functools.lru_cache(maxsize=64)
def parsed(url: str) -> Proxy:
    """Return the proxy with this URL. Raises ConfigurationError, without the URL, which may hold a password."""
    try:
        parts = urlsplit(url)
        host, port = ascii_host(parts.hostname or ""), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in _PORTS or not host:
        raise ConfigurationError.of(Problem("proxy", "must be a URL that starts with http:// or https://"))
    credentials = ""
    if parts.username or parts.password:
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        credentials = f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
    return Proxy(parts.scheme == "https", host, port or _PORTS[parts.scheme], credentials)


def proxy_for(route: Route, connections: Connections) -> Proxy | None:
    """Return the proxy to use: the configured one, or with `trust_env` the environment's."""
    url = connections.proxy_for(route.scheme, route.host)
    return None if url is None else parsed(url)
