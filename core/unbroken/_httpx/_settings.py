"""How a client connects, in the terms of httpx: certificates, proxies, limits, socket options."""

import socket
import ssl
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from ..errors import ConfigurationError, Problem
from ..messages import Request
from ..transport import Connections


def http_arguments(connections: Connections, proxy: str | None) -> dict[str, Any]:
    """Return the arguments of httpx's transports. TCP keep-alive finds peers that vanished behind a NAT."""
    keep_alive = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            keep_alive.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return {
        "verify": _verification(connections.verify),
        "trust_env": connections.trust_env,
        "limits": httpx.Limits(
            max_connections=connections.max_connections, max_keepalive_connections=100, keepalive_expiry=60.0
        ),
        "proxy": None if proxy is None else _proxy(proxy),
        "socket_options": keep_alive,
    }


def _verification(verify: ssl.SSLContext | str | bool) -> ssl.SSLContext | bool:
    """Load the certificates of a file or directory. Raises ConfigurationError."""
    if not isinstance(verify, str):
        return verify
    try:
        if Path(verify).is_dir():
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        problem = Problem("verify", f"cannot load certificates from {verify!r}: {error.strerror or error}")
        raise ConfigurationError.of(problem) from None


def _proxy(url: str) -> httpx.Proxy:
    """Return httpx's proxy. Raises ConfigurationError, without the URL, which may hold a password."""
    try:
        proxy = httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in {"http", "https"} or not proxy.url.host:
        raise ConfigurationError.of(Problem("proxy", "must be a URL that starts with http:// or https://"))
    return proxy


def proxy_for(request: Request, connections: Connections) -> str | None:
    """Return the proxy to use: the configured one, or with `trust_env` the environment's."""
    if connections.proxy is not None or not connections.trust_env:
        return connections.proxy
    parts = urlsplit(request.url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
