"""Puts Unbroken under a client of httpx or httpx2, and keeps everything else that the client was set up with."""

import copy
import socket
import ssl
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from attrs import define, field

from unbroken import Clock, Dialect
from unbroken.relay import Commit
from unbroken.transport import Connections
from unbroken.validators import refused
from unbroken_httpx import AsyncHTTPXTransport, HTTPXTransport

from ._bodies import Errors

LIBRARIES: Final = ("httpx", "httpx2")
# What a client has that `Under.client` takes over by itself; of all else its copy is enough.
_PARTS: Final = ("_transport", "_mounts", "_event_hooks", "_headers", "_cookies", "_state")
# What a pool can be told that our own transport cannot, with the value that says nothing.
_SPECIAL: Final = {
    "_proxy": None,
    "_local_address": None,
    "_uds": None,
    "_http1": True,
    "_http2": False,
    "_retries": 0,
}
_POOLS: Final = {"ConnectionPool": "SyncBackend", "AsyncConnectionPool": "AutoBackend"}
# The options of the SDKs' own clients, which are those of our own transport.
_OPTIONS: Final = frozenset(
    (level, number, value)
    for level, name, value in (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 60),
        (socket.IPPROTO_TCP, "TCP_KEEPALIVE", 60),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 60),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", 5),
    )
    if (number := getattr(socket, name, None)) is not None
)
_NO_LIMIT: Final = 10**6


@define(eq=False)
class Under:
    """What is put under clients: the plugins, one set for all of them, and the options of the transports."""

    plugins: list[object]
    dialect: str | Dialect
    errors: Errors
    commit: Commit
    max_event_size: int
    insecure: bool
    network: Callable[[bool], Any] | None = None
    """Returns a transport in place of the client's own, given whether the client is async."""
    clock: Clock | None = None
    made: dict[int, Any] = field(factory=dict[int, Any], init=False)
    """What was made of each object of this call of `protect`, by its id: what two objects share, their copies share."""

    def client(self, client: Any) -> Any:
        """Return a copy of `client`, an httpx or httpx2 client, with Unbroken under it.

        Its class, base URL, headers, cookies, auth, event hooks, timeouts and redirects are those of `client`. Its
        transports are kept below if they are set up in any special way, and are then closed with the copy; an ordinary
        one gives way to Unbroken's own.

        Raises ConfigurationError for a client that is closed, has Unbroken under it, or is not as this version expects.
        """
        name = library_of(client)
        if name is None or not all(hasattr(client, part) for part in _PARTS):
            raise refused("client", f"must be a client of httpx or httpx2, not {type(client).__name__}")
        if client.is_closed:
            raise refused("client", "is closed")
        module = import_module(f"{__package__}.{name}")
        is_async = isinstance(client, module.library.AsyncClient)
        held = {id(each): each for each in (client._transport, *client._mounts.values()) if each is not None}
        over = {key: self._over(module, transport, is_async=is_async) for key, transport in held.items()}
        twin = copy.copy(client)
        twin._transport = over[id(client._transport)]
        twin._mounts = {pattern: over.get(id(transport)) for pattern, transport in client._mounts.items()}
        twin._event_hooks = {event: [*hooks] for event, hooks in client._event_hooks.items()}
        twin._headers = client._headers.copy()
        twin._headers["accept-encoding"] = "identity"  # here, so that what signs requests signs it
        twin._cookies = _copied_cookies(client._cookies)
        twin._state = client._state.__class__.UNOPENED
        twin._unbroken_keeps = client  # some close themselves when they are dropped, and with them what is kept below
        return twin

    def _over(self, module: Any, transport: Any, *, is_async: bool) -> Any:
        """Return a transport of Unbroken over `transport`, or in its place if it is an ordinary one."""
        kind, keeper = (module.AsyncTransport, AsyncHTTPXTransport) if is_async else (module.Transport, HTTPXTransport)
        if isinstance(transport, module.AsyncTransport | module.Transport):
            raise refused("client", "has Unbroken under it already")
        connections, inner = _connections(transport), None
        if self.network is not None:
            inner = self.network(is_async)
        elif connections is None:
            inner = keeper(inner=transport)
        return kind(
            self.plugins,
            dialect=self.dialect,
            errors=self.errors,
            insecure=self.insecure,
            commit=self.commit,
            max_event_size=self.max_event_size,
            transport=inner,
            clock=self.clock,
            connections=connections or Connections(),
        )


def library_of(client: object) -> str | None:
    """Return ``httpx`` or ``httpx2`` for a client of theirs or of a subclass, else None."""
    for base in type(client).__mro__:
        root = base.__module__.partition(".")[0]
        if root in LIBRARIES and base.__name__ in ("Client", "AsyncClient"):
            return root
    return None


def _connections(transport: Any) -> Connections | None:
    """Return the settings of an ordinary transport for one of our own, None for one that is to be kept."""
    pool = getattr(transport, "_pool", None)
    of_library = type(transport).__module__.partition(".")[0] in LIBRARIES  # a subclass may do more
    if pool is None or not of_library or type(transport).__name__ not in ("HTTPTransport", "AsyncHTTPTransport"):
        return None
    missing = object()
    backend = type(getattr(pool, "_network_backend", None)).__name__
    context, most = getattr(pool, "_ssl_context", None), getattr(pool, "_max_connections", None)
    if (
        _POOLS.get(type(pool).__name__) != backend
        or any(getattr(pool, name, missing) != value for name, value in _SPECIAL.items())
        or not set(getattr(pool, "_socket_options", None) or ()) <= _OPTIONS
        or 0 in (getattr(pool, "_keepalive_expiry", 0), getattr(pool, "_max_keepalive_connections", 0))
        or not isinstance(context, ssl.SSLContext)
        or not isinstance(most, int)
    ):
        return None
    return Connections(verify=context, max_connections=min(max(most, 1), _NO_LIMIT))


def _copied_cookies(cookies: Any) -> Any:
    """Return cookies of their own, with the policy of the jar."""
    twin = copy.copy(cookies)
    twin.jar = copy.copy(cookies.jar)
    twin.jar._cookies = copy.deepcopy(cookies.jar._cookies)
    return twin
