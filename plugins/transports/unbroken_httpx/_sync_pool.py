"""The sync transport over a pool of our own."""

import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Self

import h11

from unbroken.messages import Request, Response
from unbroken.transport import DRAIN_SECONDS, Connections, Opening, closed

from . import _resolve
from ._guard import GuardState, Pools, guard_pool, settle
from ._library import Library
from ._private import next_event_of, nothing_behind, pool_of
from ._settings import http_arguments, proxy_for
from ._shared import DRAIN_BYTES, PIECE, Ticket, http_request, http_response, now, translated


class PooledTransport(Pools):
    """HTTP/1.1 over httpx's connection pool."""

    def __init__(self, library: Library, connections: Connections) -> None:
        self._library = library
        self._connections = connections
        self._lock = threading.Lock()
        self._closed = False
        self._by_proxy: dict[str | None, Any] = {}
        if not connections.trust_env:
            self._http(connections.proxy)

    def open(self, request: Request, opening: Opening) -> "PooledExchange":
        """Send `request`. A kept connection that the server has closed meanwhile is replaced once, unseen."""
        if self._closed:
            raise closed()
        http = self._http(proxy_for(request, self._connections))
        ticket = Ticket(self._library, opening)
        try:
            return self._send(http, request, ticket)
        except Exception as error:
            if not (request.repeatable and ticket.stale(error)):
                raise translated(error, self._library) from error
        ticket = Ticket(self._library, opening)
        opening.phase = "connect"
        try:
            return self._send(http, request, ticket)
        except Exception as error:
            raise translated(error, self._library) from error

    def _send(self, http: Any, request: Request, ticket: Ticket) -> "PooledExchange":
        try:
            response = http.handle_request(http_request(request, ticket))
        except BaseException:
            settle(pool_of(http), ticket)
            raise
        return PooledExchange(response, ticket)

    def _http(self, proxy: str | None) -> Any:
        with self._lock:
            if proxy not in self._by_proxy:
                http = self._library.httpx.HTTPTransport(**http_arguments(self._library, self._connections, proxy))
                guard_pool(pool_of(http), lambda: Guard(self._library), Backend, lambda: self._closed)
                self._by_proxy[proxy] = http
            return self._by_proxy[proxy]

    def close(self) -> None:
        """Close all connections; streams that are open fail."""
        self._closed = True
        for http in self._by_proxy.values():
            http.close()


class PooledExchange:
    """One response under way."""

    def __init__(self, response: Any, ticket: Ticket) -> None:
        self._http = response
        self._ticket = ticket
        self._body: Body = ticket.body
        self.response: Response = http_response(response)

    def read(self, deadline: float | None) -> bytes:
        """Return the next bytes, ``b""`` at the end. Raises builtin TimeoutError or NetworkError."""
        self._ticket.deadline = deadline
        try:
            return self._body.read()
        except Exception as error:
            raise translated(error, self._ticket.library) from error

    def close(self, *, reusable: bool) -> None:
        """Let go; see `unbroken.transport.Exchange`."""
        try:
            if reusable:
                self._drain()
        finally:
            self._http.close()

    def _drain(self) -> None:
        self._ticket.deadline = now() + DRAIN_SECONDS
        seen = 0
        try:
            while seen < DRAIN_BYTES and (chunk := self._body.read()):
                seen += len(chunk)
        except Exception:  # noqa: BLE001, S110  # then it is simply not reused
            pass


class Guard(GuardState):
    """A pooled connection whose end is decided here."""

    wire: "Stream | None" = None

    def handle_request(self, request: Any) -> Any:
        ticket = self.take(request)
        try:
            response: Any = self.connection.handle_request(request)
        except self.library.core.ConnectionNotAvailable:
            raise
        except BaseException:
            self.kill()
            raise
        ticket.body = Body(self, response.stream)
        return self.response(response, ticket.body)

    def kill(self) -> None:
        """Close the connection now and for good."""
        self.dead = True
        if self.wire is not None:
            self.wire.close()

    def close(self) -> None:
        self.kill()


class Body:
    """The body of a response. Read to its end it frees its connection, otherwise it kills it."""

    def __init__(self, guard: Guard, stream: Any) -> None:
        self._guard = guard
        self._stream = stream
        self._next_event = next_event_of(stream)
        self._ended = False

    def read(self) -> bytes:
        while not self._ended:
            event = self._next_event()
            if not isinstance(event, h11.Data):
                self._ended = True
            elif event.data:
                return bytes(event.data)
        return b""

    def __iter__(self) -> Iterator[bytes]:
        raise NotImplementedError("read() is the way in")

    def close(self) -> None:
        """Called by the pool just before it forgets the request."""
        if self._ended and not self._guard.dead and nothing_behind(self._stream):
            self._stream.close()
        else:
            self._guard.kill()


class Backend:
    """Connects against the deadline in force, name look-up and all addresses included."""

    def __init__(self, guard: Guard, inner: Any) -> None:
        self._guard = guard
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> "Stream":
        ticket = self._guard.serving()
        core = ticket.library.core
        failure: Exception = core.ConnectError(f"the name {host!r} has no address")
        addresses = _resolve.addresses(host, port, ticket.remaining(core.ConnectTimeout), core)
        for tried, address in enumerate(addresses):
            left = ticket.remaining(core.ConnectTimeout)
            # An address where nobody answers must not use up the time of the others.
            share = None if left is None else left / (len(addresses) - tried)
            try:
                stream = self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (core.ConnectError, core.ConnectTimeout) as error:
                failure = error
            else:
                return Stream(self._guard, stream)
        raise failure


class Stream:
    """A socket, read and written against the deadline in force."""

    def __init__(self, guard: Guard, inner: Any) -> None:
        self._guard = guard
        self.inner = inner
        guard.wire = self

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        ticket = self._guard.serving()
        data: bytes = self.inner.read(max_bytes, ticket.remaining(ticket.library.core.ReadTimeout))
        ticket.received = ticket.received or bool(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        ticket = self._guard.serving()
        if self._guard.stands():
            ticket.connected()
        for start in range(0, len(buffer), PIECE):
            self.inner.write(buffer[start : start + PIECE], ticket.remaining(ticket.library.core.WriteTimeout))

    def close(self) -> None:
        # Wakes a thread that is reading, which closing alone does not. Not by the method of ssl.SSLSocket, after
        # which that thread would read on without TLS.
        with suppress(OSError):
            socket.socket.shutdown(self.inner.get_extra_info("socket"), socket.SHUT_RDWR)
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Self:
        ticket = self._guard.serving()
        left = ticket.remaining(ticket.library.core.ConnectTimeout)
        self.inner = self.inner.start_tls(ssl_context, server_hostname, left)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)
