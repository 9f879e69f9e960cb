"""The async transport over a pool of our own, for asyncio and trio.

Closing never awaits where it matters: the pool's bookkeeping after a failure runs without a single point at which a
second cancellation could interrupt it.
"""

import ssl
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any, Self

import h11

from unbroken.messages import Request, Response
from unbroken.transport import DRAIN_SECONDS, Connections, Opening, closed

from ._guard import GuardState, Pools, guard_pool, settle
from ._library import Library
from ._private import next_event_of, nothing_behind, pool_of
from ._settings import http_arguments, proxy_for
from ._shared import DRAIN_BYTES, PIECE, Ticket, http_request, http_response, now, translated


def finish_now(closing: Coroutine[Any, Any, None]) -> None:
    """Run a closing coroutine up to its first wait, which in all backends comes after the socket is closed.

    A bare yield (``asyncio.sleep(0)``) is no wait: older anyio closes the transport before one and aborts it after it.
    """
    try:
        while closing.send(None) is None:
            pass
    except (StopIteration, Exception):  # noqa: BLE001  # it is done, or cannot be
        return
    closing.close()


class AsyncPooledTransport(Pools):
    """HTTP/1.1 over httpx's connection pool."""

    def __init__(self, library: Library, connections: Connections) -> None:
        self._library = library
        self._connections = connections
        self._closed = False
        self._by_proxy: dict[str | None, Any] = {}
        if not connections.trust_env:
            self._http(connections.proxy)

    async def open(self, request: Request, opening: Opening) -> "AsyncPooledExchange":
        """Send `request`. A kept connection that the server has closed meanwhile is replaced once, unseen."""
        if self._closed:
            raise closed()
        http = self._http(proxy_for(request, self._connections))
        ticket = Ticket(self._library, opening)
        try:
            return await self._send(http, request, ticket)
        except Exception as error:
            if not (request.repeatable and ticket.stale(error)):
                raise translated(error, self._library) from error
        ticket = Ticket(self._library, opening)
        opening.phase = "connect"
        try:
            return await self._send(http, request, ticket)
        except Exception as error:
            raise translated(error, self._library) from error

    async def _send(self, http: Any, request: Request, ticket: Ticket) -> "AsyncPooledExchange":
        try:
            response = await http.handle_async_request(http_request(request, ticket))
        except BaseException:
            settle(pool_of(http), ticket)
            raise
        return AsyncPooledExchange(response, ticket, pool_of(http))

    def _http(self, proxy: str | None) -> Any:
        if proxy not in self._by_proxy:
            http = self._library.httpx.AsyncHTTPTransport(**http_arguments(self._library, self._connections, proxy))
            guard_pool(pool_of(http), lambda: Guard(self._library), Backend, lambda: self._closed)
            self._by_proxy[proxy] = http
        return self._by_proxy[proxy]

    async def aclose(self) -> None:
        """Close all connections; streams that are open fail."""
        self._closed = True
        for http in self._by_proxy.values():
            await http.aclose()


class AsyncPooledExchange:
    """One response under way."""

    def __init__(self, response: Any, ticket: Ticket, pool: Any) -> None:
        self._http = response
        self._ticket = ticket
        self._pool = pool
        self._body: Body = ticket.body
        self.response: Response = http_response(response)

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes, ``b""`` at the end. Raises builtin TimeoutError or NetworkError."""
        self._ticket.deadline = deadline
        try:
            return await self._body.read()
        except Exception as error:
            raise translated(error, self._ticket.library) from error

    def abort(self) -> None:
        """Close the connection at once and tell the pool, all without awaiting."""
        # Not by httpx, which asks for the running task: there is none when the garbage collector calls.
        self._body.guard.kill()
        settle(self._pool, self._ticket)

    async def aclose(self) -> None:
        """Let go; see `unbroken.transport.AsyncExchange`."""
        try:
            await self._drain()
        except BaseException:
            self.abort()
            raise
        await self._http.aclose()
        if self._body.interrupt is not None:
            raise self._body.interrupt

    async def _drain(self) -> None:
        self._ticket.deadline = now() + DRAIN_SECONDS
        seen = 0
        try:
            while seen < DRAIN_BYTES and (chunk := await self._body.read()):
                seen += len(chunk)
        except Exception:  # noqa: BLE001, S110  # then it is simply not reused
            pass


class Guard(GuardState):
    """A pooled connection whose end is decided here."""

    wire: "Stream | None" = None

    async def handle_async_request(self, request: Any) -> Any:
        ticket = self.take(request)
        try:
            response: Any = await self.connection.handle_async_request(request)
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
            finish_now(self.wire.inner.aclose())

    async def aclose(self) -> None:
        self.kill()


class Body:
    """The body of a response. Read to its end it frees its connection, otherwise it kills it.

    It takes h11's events from the connection itself: httpcore's own iterators are async generators, which a consumer
    who leaves early would drop half-way.
    """

    def __init__(self, guard: Guard, stream: Any) -> None:
        self.guard = guard
        self._stream = stream
        self._next_event = next_event_of(stream)
        self._ended = False
        self.interrupt: BaseException | None = None
        """A cancellation that came while the connection was being freed; raised once the pool is in order."""

    async def read(self) -> bytes:
        while not self._ended:
            event = await self._next_event()
            if not isinstance(event, h11.Data):
                self._ended = True
            elif event.data:
                return bytes(event.data)
        return b""

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError("read() is the way in")

    async def aclose(self) -> None:
        """Called by the pool just before it forgets the request: must not raise, must not be interrupted."""
        if not self._ended or self.guard.dead or not nothing_behind(self._stream):
            self.guard.kill()
            return
        try:
            await self._stream.aclose()
        except BaseException as error:  # noqa: BLE001
            self.guard.kill()
            self.interrupt = error


class Backend:
    """Connects against the deadline in force."""

    def __init__(self, guard: Guard, inner: Any) -> None:
        self._guard = guard
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> "Stream":
        ticket = self._guard.serving()
        left = ticket.remaining(ticket.library.core.ConnectTimeout)
        stream = await self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return Stream(self._guard, stream)


class Stream:
    """A socket, read and written against the deadline in force."""

    def __init__(self, guard: Guard, inner: Any) -> None:
        self._guard = guard
        self.inner = inner
        guard.wire = self

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        ticket = self._guard.serving()
        data: bytes = await self.inner.read(max_bytes, ticket.remaining(ticket.library.core.ReadTimeout))
        ticket.received = ticket.received or bool(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        ticket = self._guard.serving()
        if self._guard.stands():
            ticket.connected()
        for start in range(0, len(buffer), PIECE):
            await self.inner.write(buffer[start : start + PIECE], ticket.remaining(ticket.library.core.WriteTimeout))

    async def aclose(self) -> None:
        # Called by the pool's clean-up as well, which a second cancellation must not interrupt.
        finish_now(self.inner.aclose())

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Self:
        ticket = self._guard.serving()
        left = ticket.remaining(ticket.library.core.ConnectTimeout)
        self.inner = await self.inner.start_tls(ssl_context, server_hostname, left)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)
