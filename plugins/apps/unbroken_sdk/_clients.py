"""Puts Unbroken under a client of httpx or httpx2, and keeps everything else that the client was set up with."""

import copy
from importlib import import_module
from typing import Any, Final

from attrs import define

from unbroken import Dialect
from unbroken.relay import Commit
from unbroken.transport import Connections
from unbroken.validators import refused
from unbroken_httpx import AsyncHTTPXTransport, HTTPXTransport

from ._bodies import Errors

LIBRARIES: Final = ("httpx", "httpx2")
# What a pool can be told that our own transport cannot, with the value that says nothing.
_SPECIAL: Final = {"_proxy": None, "_local_address": None, "_uds": None, "_http2": False}


@define(eq=False)
class Under:
    """What is put under clients: the plugins, one set for all of them, and the options of the transports."""

    plugins: list[object]
    dialect: str | Dialect
    errors: Errors
    commit: Commit
    max_event_size: int
    insecure: bool

    def client(self, client: Any) -> Any:
        """Return a copy of `client`, an httpx or httpx2 client, with Unbroken under it.

        Its class, base URL, headers, cookies, auth, event hooks, timeouts and redirects are those of `client`. Its
        transports are kept below if they are set up in any special way; a default one gives way to Unbroken's own.
        """
        name = library_of(client)
        if name is None or not (hasattr(client, "_transport") and hasattr(client, "_mounts")):
            raise refused("client", f"must be a client of httpx or httpx2, not {type(client).__name__}")
        twin = copy.copy(client)
        twin._transport = self._over(name, client._transport)
        twin._mounts = {
            pattern: None if transport is None else self._over(name, transport)
            for pattern, transport in client._mounts.items()
        }
        twin._event_hooks = {event: [*hooks] for event, hooks in client._event_hooks.items()}
        return twin

    def _over(self, name: str, transport: Any) -> Any:
        """Return a transport of Unbroken over `transport`, or in its place if it is an ordinary one."""
        module = import_module(f"{__package__}.{name}")
        kind = module.AsyncTransport if hasattr(transport, "handle_async_request") else module.Transport
        if isinstance(transport, module.AsyncTransport | module.Transport):
            raise refused("client", "has Unbroken under it already")
        connections = _connections(transport)
        inner: Any = None
        if connections is None:
            inner = (AsyncHTTPXTransport if kind is module.AsyncTransport else HTTPXTransport)(inner=transport)
        return kind(
            self.plugins,
            dialect=self.dialect,
            errors=self.errors,
            insecure=self.insecure,
            commit=self.commit,
            max_event_size=self.max_event_size,
            transport=inner,
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
    ordinary = type(transport).__name__ in ("HTTPTransport", "AsyncHTTPTransport") and library_of_class(transport)
    if not ordinary or pool is None or any(getattr(pool, name, None) != value for name, value in _SPECIAL.items()):
        return None
    context, most = getattr(pool, "_ssl_context", None), getattr(pool, "_max_connections", None)
    if context is None or type(pool).__name__ not in ("ConnectionPool", "AsyncConnectionPool"):
        return None
    return Connections(verify=context, max_connections=most if isinstance(most, int) and 1 <= most < 10**9 else 10**6)


def library_of_class(transport: object) -> bool:
    """Return whether the class itself is of httpx or httpx2, not a subclass that may do more."""
    return type(transport).__module__.partition(".")[0] in LIBRARIES
