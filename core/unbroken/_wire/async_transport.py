"""The transport of the async client, and the exchanges that it opens."""

import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, final

from attrs import define, field

from ..messages import Request, Response
from ..transport import DRAIN_SECONDS, Connections, Opening, closed
from . import process
from .common import Transport, head_of, raise_translated
from .pool import Opened, Pool
from .request import outgoing
from .sockets import CLOSED_HERE
from .sockets.backend import AsyncNetwork, current_loop, network_of


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
class AsyncWireTransport(Transport):
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
