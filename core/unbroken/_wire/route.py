"""Where a URL leads: whom to connect to, and what to ask for there."""

import functools
from typing import Final
from urllib.parse import quote, urlsplit

import idna
from attrs import field, frozen

Key = tuple[str, str, int, str]
"""Scheme, host and port of an origin, and the proxy on the way to it: what connections are kept by."""

_PORTS: Final = {"http": 80, "https": 443}
_SAFE: Final = ":/?#[]@!$&'()*+,;=%-._~"
"""What stays as it is in a target (RFC 3986 §2); everything else is sent in percent-encoding."""


@frozen
class Route:
    """A URL, taken apart."""

    scheme: str
    host: str
    """In ASCII, an IPv6 address without its brackets."""
    port: int
    authority: str
    """The value of ``Host`` (RFC 9110 §7.2)."""
    target: str = field(repr=False)
    """Path and query (RFC 9112 §3.2.1)."""

    @property
    def address(self) -> str:
        """Host and port, as CONNECT wants them (RFC 9112 §3.2.3)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@functools.lru_cache(maxsize=512)
def route(url: str) -> Route:
    """Take `url` apart. Raises UnicodeError for a host that cannot be one."""
    parts = urlsplit(url)
    host = ascii_host(parts.hostname or "")
    port = parts.port or _PORTS[parts.scheme]
    authority = f"[{host}]" if ":" in host else host
    if port != _PORTS[parts.scheme]:
        authority = f"{authority}:{port}"
    query = f"?{quote(parts.query, _SAFE)}" if parts.query else ""
    return Route(parts.scheme, host, port, authority, (quote(parts.path, _SAFE) or "/") + query)


def ascii_host(host: str) -> str:
    """Return `host` as it stands on the wire (IDNA 2008). Raises UnicodeError."""
    return host if host.isascii() else idna.encode(host).decode("ascii")
