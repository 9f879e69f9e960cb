"""How a client connects, in the terms of httpx: certificates, proxies, limits, socket options."""

import socket
import ssl
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from unbroken.errors import ConfigurationError, Problem
from unbroken.headers import user_agent
from unbroken.messages import Request
from unbroken.transport import Connections

from ._library import Library

SOCKS: Final = frozenset({"socks5", "socks5h"})


def http_arguments(library: Library, connections: Connections, proxy: str | None) -> dict[str, Any]:
    """Return the arguments of httpx's transports. TCP keep-alive finds peers that vanished behind a NAT."""
    keep_alive = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    idle = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"  # the name that macOS has for it
    for name, value in ((idle, 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            keep_alive.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return {
        "verify": _verification(connections),
        "trust_env": connections.trust_env,
        "limits": library.httpx.Limits(
            max_connections=connections.max_connections, max_keepalive_connections=100, keepalive_expiry=60.0
        ),
        "proxy": None if proxy is None else _proxy(library, proxy),
        "socket_options": keep_alive,
    }


def _verification(connections: Connections) -> ssl.SSLContext | bool:
    """Load the certificates of a file or directory. Raises ConfigurationError."""
    verify = connections.verify
    if not isinstance(verify, str):
        return verify
    try:
        if Path(verify).is_dir():
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        problem = Problem("verify", f"cannot load certificates from {verify!r}: {error.strerror or error}")
        raise ConfigurationError.of(problem) from None


def _proxy(library: Library, url: str) -> Any:
    """Return httpx's proxy. Raises ConfigurationError, without the URL, which may hold a password."""
    try:
        proxy = library.httpx.Proxy(url, headers={"User-Agent": user_agent()})  # for CONNECT
    except (ValueError, library.httpx.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in {"http", "https", *SOCKS} or not proxy.url.host:
        message = "must be a URL that starts with http://, https://, socks5:// or socks5h://"
        raise ConfigurationError.of(Problem("proxy", message))
    if proxy.url.scheme in SOCKS and find_spec("socksio") is None:
        extra = f"pip install '{library.name}[socks]'"
        raise ConfigurationError.of(Problem("proxy", f"a SOCKS proxy needs the package socksio: {extra}"))
    return proxy


def proxy_for(request: Request, connections: Connections) -> str | None:
    """Return the proxy to use: the configured one, or with `trust_env` the environment's."""
    parts = urlsplit(request.url)
    return connections.proxy_for(parts.scheme, parts.hostname or "")
