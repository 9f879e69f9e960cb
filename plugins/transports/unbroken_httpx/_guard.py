"""httpcore's pool under guard: who has which connection, and when each is closed, is decided here."""

from collections.abc import Callable
from typing import Any

from ._library import Library
from ._private import (
    connections_of,
    forget,
    leads_to_the_server,
    lock_of,
    pool_of,
    reassigned,
    requests_of,
    take_over,
)
from ._shared import TICKET, Ticket


class GuardState:
    """A pooled connection, whose end is decided here: what the pools of both libraries ask of one."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.connection: Any = None
        self.ticket: Ticket | None = None
        self.dead = False
        self.promised = False
        """Whether a request has been given this connection."""
        self.started = False
        """Whether a request has been sent on it."""

    def take(self, request: Any) -> Ticket:
        """Begin the exchange of `request`."""
        ticket: Ticket = request.extensions[TICKET]
        ticket.reused = self.started
        self.ticket, self.started = ticket, True
        return ticket

    def serving(self) -> Ticket:
        """Return the ticket of the exchange under way. Raises ReadError on a connection that was closed here."""
        if self.dead or self.ticket is None:
            raise self.library.core.ReadError("the connection was closed on this side")
        return self.ticket

    def stands(self) -> bool:
        """Whether there is a way to the server; a tunnel through a proxy is opened by a request of its own."""
        return leads_to_the_server(self.connection)

    def response(self, response: Any, body: Any) -> Any:
        """Return httpcore's response with another body."""
        return self.library.core.Response(
            response.status, headers=response.headers, content=body, extensions=response.extensions
        )

    def can_handle_request(self, origin: Any) -> bool:
        # httpcore2 asks is_available() once for all waiting requests, and this for each.
        return not self.dead and not self.promised and bool(self.connection.can_handle_request(origin))

    def can_multiplex(self) -> bool:
        return False

    def is_available(self) -> bool:
        return not self.dead and not self.promised and bool(self.connection.is_available())

    def is_connected(self) -> bool:
        return not self.is_closed()

    def has_expired(self) -> bool:
        return not self.promised and bool(self.connection.has_expired())

    def is_idle(self) -> bool:
        return not self.dead and not self.promised and bool(self.connection.is_idle())

    def is_closed(self) -> bool:
        return self.dead or bool(self.connection.is_closed())

    def info(self) -> str:
        return "DEAD" if self.dead else str(self.connection.info())

    def __repr__(self) -> str:
        return f"<guarded {self.info()}>"


class Requests(list[Any]):
    """The requests of a pool. httpcore would give an idle connection to all that wait, at once; here it is promised."""

    def append(self, request: Any) -> None:
        assign = request.assign_to_connection

        def promise(guard: GuardState) -> None:
            guard.promised = True
            assign(guard)

        request.assign_to_connection = promise
        super().append(request)

    def remove(self, request: Any) -> None:
        super().remove(request)
        if request.connection is not None:
            request.connection.promised = False


class Pools:
    """The pools of a transport, and what it says of them."""

    _by_proxy: dict[str | None, Any]
    """A transport of httpx for each proxy."""

    def _pools(self) -> list[Any]:
        return [pool_of(http) for http in list(self._by_proxy.values())]

    def open_connections(self) -> int:
        """Return how many connections are open, those that are being opened included."""
        return sum(len(list(connections_of(pool))) for pool in self._pools())

    def idle_connections(self) -> int:
        """Return how many connections wait for their next exchange."""
        return sum(connection.is_idle() for pool in self._pools() for connection in connections_of(pool))

    def requests_under_way(self) -> int:
        """Return how many exchanges have begun and not ended, those that wait for a connection included."""
        return sum(len(list(requests_of(pool))) for pool in self._pools())


def guard_pool(
    pool: Any,
    make_guard: Callable[[], GuardState],
    make_backend: Callable[[Any, Any], Any],
    is_closed: Callable[[], bool],
) -> None:
    """Make `pool` put a guard before each connection, and give that connection a network backend of its own."""

    def connect(origin: Any, create_over: Callable[[Callable[[Any], Any]], Any]) -> GuardState:
        guard = make_guard()
        guard.dead = is_closed()  # a call that was still waiting gets no connection any more
        guard.connection = create_over(lambda backend: make_backend(guard, backend))
        return guard

    take_over(pool, Requests(), connect)


def settle(pool: Any, ticket: Ticket) -> None:
    """Put the pool's books in order, without awaiting.

    The request of `ticket` is over; connections that a request was given but, interrupted, never used are dropped.
    """
    with lock_of(pool):
        forget(pool, lambda request: request.extensions[TICKET] is ticket)
        for guard in connections_of(pool):
            guard.dead = guard.dead or not (guard.started or guard.promised)
        closing = reassigned(pool)
    for guard in closing:
        guard.kill()
