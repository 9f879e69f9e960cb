"""A transport: each request is answered with its own body, without a network."""

from unbroken import Event, Headers, Request, Response
from unbroken.sse import encode
from unbroken.transport import Connections, Opening

__all__ = ["Echo"]


class _Exchange:
    def __init__(self, request: Request) -> None:
        self.response = Response(status_code=200, headers=Headers({"content-type": "text/event-stream"}))
        self._rest = [encode(Event(raw=request.content))]

    def _next(self) -> bytes:
        return self._rest.pop() if self._rest else b""


class _SyncExchange(_Exchange):
    def read(self, deadline: float | None) -> bytes:
        return self._next()

    def close(self, *, reusable: bool) -> None:
        self._rest.clear()


class _AsyncExchange(_Exchange):
    async def read(self, deadline: float | None) -> bytes:
        return self._next()

    def abort(self) -> None:
        self._rest.clear()

    async def aclose(self) -> None:
        self._rest.clear()


class _Sync:
    def open(self, request: Request, opening: Opening) -> _SyncExchange:
        return _SyncExchange(request)

    def close(self) -> None: ...


class _Async:
    async def open(self, request: Request, opening: Opening) -> _AsyncExchange:
        return _AsyncExchange(request)

    async def aclose(self) -> None: ...


class Echo:
    """The factory of the transport."""

    name = "acme-echo"

    def sync_transport(self, connections: Connections) -> _Sync:
        return _Sync()

    def async_transport(self, connections: Connections) -> _Async:
        return _Async()
