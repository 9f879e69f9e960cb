"""The two transports, and the exchanges that they open."""

import builtins
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, cast, final

from attrs import define, field

from ..errors import NetworkError
from ..headers import Headers
from ..messages import Request, Response
from ..transport import DRAIN_SECONDS, Connections, Opening
from . import process
from .errors import closed, translated
from .pool import Opened, Pool
from .proxy import parsed
from .request import outgoing
from .sockets import CLOSED_HERE
from .sockets.backend import AsyncNetwork, current_loop, network_of
from .sockets.sync import SyncNetwork, SyncSocket, run
from .tls import Certificates


class _Transport:
    """What the two have in common."""

    def __init__(self, connections: Connections) -> None:
        """Check what can be checked before the first request. Raises ConfigurationError."""
        self._connections = connections
        self._certificates = Certificates(connections)
        self._closed = False
        if connections.proxy is not None:
            parsed(connections.proxy)

    def _pools_now(self) -> list[Pool]:
        raise NotImplementedError

    def open_connections(self) -> int:
        """Return how many connections are open, those that are being opened included."""
        return sum(len(pool.idle) + pool.places.connected() for pool in self._pools_now())

    def idle_connections(self) -> int:
        """Return how many connections wait for their next exchange."""
        return sum(len(pool.idle) for pool in self._pools_now())

    def requests_under_way(self) -> int:
        """Return how many exchanges have begun and not ended, those that wait for a connection included."""
        return sum(pool.places.under_way() for pool in self._pools_now())


@final
class WireTransport(_Transport):
    """HTTP/1.1 for the sync client; serves many threads. After a fork the child connects again."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self._pool = self._new_pool()

    def _new_pool(self) -> Pool:
        return Pool(SyncNetwork(), self._connections.max_connections, self._certificates)

    def _pools_now(self) -> list[Pool]:
        if self._pool.process is not process.current:
            inherited, self._pool = self._pool, self._new_pool()
            inherited.idle.close()
        return [self._pool]

    def open(self, request: Request, opening: Opening) -> "WireExchange":
        """Send `request` and return when the head of the response has arrived.

        Raises NetworkError, builtin TimeoutError at a deadline of `opening`, and the TimeoutError of the connect
        timeout when max_connections exchanges are under way.
        """
        (pool,) = self._pools_now()
        if self._closed:
            raise closed()
        try:
            return WireExchange(run(pool.open, outgoing(request, self._connections), opening))
        except Exception as error:
            raise_translated(error, pool)
            raise

    def close(self) -> None:
        """Close all connections; what is under way, in other threads too, fails at once."""
        self._closed = True
        for pool in self._pools_now():
            pool.close()


@final
class WireExchange:
    """One response that is being read by a thread."""

    __slots__ = ("_opened", "_recv", "response")

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._recv = cast(SyncSocket, opened.connection.socket).recv
        self.response: Response = head_of(opened)

    def read(self, deadline: float | None) -> bytes:
        """Return the next bytes of the body, ``b""`` at its end.

        Raises NetworkError, builtin TimeoutError at `deadline`, RuntimeError while another thread reads.
        """
        opened = self._opened
        connection = opened.connection
        try:
            if opened.left:
                raise ConnectionAbortedError(CLOSED_HERE)
            if connection.early:
                return connection.take_early()
            parser = connection.parser
            while not parser.done:
                if parser.error is not None:
                    raise parser.error
                data = self._recv(deadline)
                data = parser.feed(data) if data else parser.end()
                if data:
                    return data
            return b""
        except Exception as error:
            raise_translated(error, opened.pool)
            raise

    def close(self, *, reusable: bool) -> None:
        """Close the exchange.

        With `reusable`, wait up to DRAIN_SECONDS for the end of the body, and keep the connection if it arrives.
        """
        opened = self._opened
        if opened.left:
            return
        try:
            reusable = reusable and run(opened.connection.drain, time.monotonic() + DRAIN_SECONDS)
        except BaseException:
            opened.leave(reusable=False)
            raise
        opened.leave(reusable=reusable)


@final
@define(eq=False)
class _LoopPool:
    """The pool of an event loop. Its generator is closed by the loop when that ends, and closes the pool."""

    pool: Pool
    network: AsyncNetwork
    lifetime: AsyncGenerator[None, None] = field(init=False)

    async def begin(self) -> None:
        """Let the loop know that there is something to close at its end."""
        self.lifetime = self._live()
        await anext(self.lifetime)

    async def _live(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self.pool.close()


@final
class AsyncWireTransport(_Transport):
    """HTTP/1.1 for the async client, under asyncio and trio. Each event loop has connections of its own."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self._pools: dict[Any, _LoopPool] = {}

    def _pools_now(self) -> list[Pool]:
        return [each.pool for each in list(self._pools.values()) if each.pool.process is process.current]

    async def open(self, request: Request, opening: Opening) -> "AsyncWireExchange":
        """Send `request` and return when the head of the response has arrived. Raises as `WireTransport.open`."""
        if self._closed:
            raise closed()
        loop = current_loop()
        found = self._pools.get(loop)
        if found is None or found.pool.places.closed or found.pool.process is not process.current:
            found = await self._new_pool(loop)
        pool = found.pool
        try:
            return AsyncWireExchange(await pool.open(outgoing(request, self._connections), opening))
        except Exception as error:
            raise_translated(error, pool)
            raise

    async def _new_pool(self, loop: Any) -> _LoopPool:
        """Make the pool of a loop, and close those of loops that are over."""
        for other, each in list(self._pools.items()):
            if each.network.is_over() or each.pool.process is not process.current:
                self._pools.pop(other, None)
                each.pool.close()
        network = network_of(loop)
        made = _LoopPool(Pool(network, self._connections.max_connections, self._certificates), network)
        self._pools[loop] = made
        await made.begin()
        return made

    async def aclose(self) -> None:
        """Close all connections; what is under way, in other tasks and loops too, fails at once."""
        self._closed = True
        here = current_loop()
        for loop, each in list(self._pools.items()):
            self._pools.pop(loop, None)
            if loop is here or each.network.is_over() or each.pool.process is not process.current:
                each.pool.close()
            else:
                with suppress(RuntimeError):  # it ends just now, and closes its pool
                    each.network.call(each.pool.close)
            if loop is here:
                await each.lifetime.aclose()


@final
class AsyncWireExchange:
    """One response that is being read by a task."""

    __slots__ = ("_opened", "response")

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.response: Response = head_of(opened)

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes of the body, ``b""`` at its end.

        Raises NetworkError, builtin TimeoutError at `deadline`, RuntimeError while another task reads.
        """
        opened = self._opened
        try:
            if opened.left:
                raise ConnectionAbortedError(CLOSED_HERE)
            return await opened.connection.read(deadline)
        except Exception as error:
            raise_translated(error, opened.pool)
            raise

    def abort(self) -> None:
        """Close the connection at once, without awaiting, in any thread."""
        self._opened.leave(reusable=False)

    async def aclose(self) -> None:
        """Wait up to DRAIN_SECONDS for the end of the body, and keep the connection if it arrives.

        A cancellation meanwhile closes the connection and is raised.
        """
        opened = self._opened
        if opened.left:
            return
        try:
            reusable = await opened.connection.drain(time.monotonic() + DRAIN_SECONDS)
        except BaseException:
            self.abort()
            raise
        opened.leave(reusable=reusable)


def head_of(opened: Opened) -> Response:
    """Return the head as the engine wants it. Field values are latin-1 on the wire (RFC 9110 §5.5)."""
    head = opened.head
    return Response(
        status_code=head.status,
        headers=Headers(head.fields),
        http_version=head.version,
        received_at=time.time(),
    )


def raise_translated(error: Exception, pool: Pool) -> None:
    """Raise what a transport may raise in place of `error`. Returns when that is `error` itself."""
    made = translated(error)
    if pool.places.closed and isinstance(made, NetworkError | builtins.TimeoutError):
        made = closed()
    if made is not error:
        raise made from error
