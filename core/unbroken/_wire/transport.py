"""The transport of the sync client, and the exchanges that it opens."""

import time
from typing import cast, final

from ..messages import Request, Response
from ..transport import DRAIN_SECONDS, Connections, Opening, closed
from . import process
from .common import Transport, head_of, raise_translated
from .pool import Opened, Pool
from .request import outgoing
from .sockets import CLOSED_HERE
from .sockets.sync import SyncNetwork, SyncSocket, run


@final
class WireTransport(Transport):
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
