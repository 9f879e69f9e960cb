"""httpcore's pool under guard: who has which connection, and when each is closed, is decided here."""

from collections.abc import Callable
from typing import Any

import httpcore

from ._shared import TICKET, Ticket


class GuardState:
    """A pooled connection, whose end is decided here. What the pool asks of both backends of it."""

    def __init__(self) -> None:
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
            raise httpcore.ReadError("the connection was closed on this side")
        return self.ticket

    def stands(self) -> bool:
        """Whether there is a way to the server; a tunnel through a proxy is opened by a request of its own."""
        return bool(getattr(self.connection, "_connected", True))

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return not self.dead and bool(self.connection.can_handle_request(origin))

    def is_available(self) -> bool:
        return not self.dead and not self.promised and bool(self.connection.is_available())

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


class Counts:
    """What a transport says of its pools."""

    _by_proxy: dict[str | None, Any]

    def open_connections(self) -> int:
        """Return how many connections are open, those that are being opened included."""
        return sum(len(http._pool._connections) for http in list(self._by_proxy.values()))

    def idle_connections(self) -> int:
        """Return how many connections wait for their next exchange."""
        pools = [http._pool for http in list(self._by_proxy.values())]
        return sum(connection.is_idle() for pool in pools for connection in list(pool._connections))

    def requests_under_way(self) -> int:
        """Return how many exchanges have begun and not ended, those that wait for a connection included."""
        return sum(len(http._pool._requests) for http in list(self._by_proxy.values()))


def guard_pool(
    pool: Any,
    make_guard: Callable[[], GuardState],
    make_backend: Callable[[Any, Any], Any],
    is_closed: Callable[[], bool],
) -> None:
    """Make `pool` put a guard before each connection, and give that connection a network backend of its own."""
    create, backend = pool.create_connection, pool._network_backend

    def create_connection(origin: httpcore.Origin) -> GuardState:
        guard = make_guard()
        guard.dead = is_closed()  # a call that was still waiting gets no connection any more
        pool._network_backend = make_backend(guard, backend)  # called under the pool's lock
        guard.connection = create(origin)
        return guard

    pool.create_connection = create_connection
    pool._requests = Requests()


def settle(pool: Any, ticket: Ticket) -> None:
    """Put the pool's books in order, without awaiting.

    The request of `ticket` is over; connections that a request was given but, interrupted, never used are dropped.
    """
    with pool._optional_thread_lock:
        for each in [each for each in pool._requests if each.request.extensions[TICKET] is ticket]:
            pool._requests.remove(each)
        for guard in pool._connections:
            guard.dead = guard.dead or not (guard.started or guard.promised)
        closing = pool._assign_requests_to_connections()
    for guard in closing:
        guard.kill()


def clean(stream: Any) -> bool:
    """Whether nothing came behind the end of a body: httpcore would take it for the next response."""
    return bool(stream._connection._h11_state.trailing_data == (b"", False))
