"""The async transport over a transport or client of the caller's, under asyncio and trio."""

import asyncio
import builtins
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio

from unbroken.messages import Request, Response
from unbroken.transport import DRAIN_SECONDS, Opening, closed

from ._inner import failure, inner_request, reached_the_server, remaining, shut
from ._library import Library
from ._shared import DRAIN_BYTES, http_response

Work = Callable[[], Awaitable[None]]


class AsyncInnerTransport:
    """Sends through `inner`."""

    def __init__(self, library: Library, inner: Any) -> None:
        self._library = library
        self._inner = inner
        self._closed = False
        self._under_way: set[AsyncInnerExchange] = set()

    async def open(self, request: Request, opening: Opening) -> "AsyncInnerExchange":
        """Send `request` and return when the head of the response has arrived."""
        if self._closed:
            raise closed()
        made, timeouts = inner_request(self._library, request, opening)
        try:
            with anyio.fail_after(remaining(opening.deadline)):
                response = await self._send(made)
        except Exception as error:
            if isinstance(error, builtins.TimeoutError) or reached_the_server(error, self._library):
                opening.phase = "headers"
            raise failure(error, self._library) from error
        opening.phase = "headers"
        timeouts["read"] = None  # from here on each read has a deadline of its own
        exchange = AsyncInnerExchange(self._library, response, spawner(), self._under_way.discard)
        self._under_way.add(exchange)
        return exchange

    async def _send(self, request: Any) -> Any:
        if isinstance(self._inner, self._library.httpx.AsyncClient):
            return await self._inner.send(request, stream=True, follow_redirects=False)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close `inner`; streams that are open fail."""
        self._closed = True
        for exchange in list(self._under_way):
            exchange.abort()
        await self._inner.aclose()

    def open_connections(self) -> int:
        return 0

    idle_connections = open_connections

    def requests_under_way(self) -> int:
        return len(self._under_way)


class AsyncInnerExchange:
    """One response under way."""

    def __init__(
        self,
        library: Library,
        response: Any,
        spawn: Callable[[Work], None],
        ended: Callable[["AsyncInnerExchange"], None],
    ) -> None:
        self._library = library
        self._http = response
        self._pieces: AsyncIterator[bytes] = aiter(response.stream)
        self._spawn = spawn
        self._ended = ended
        self._over = False
        self.response: Response = http_response(response)

    async def read(self, deadline: float | None) -> bytes:
        """Return the next bytes, ``b""`` at the end. Raises builtin TimeoutError or NetworkError."""
        try:
            with anyio.fail_after(remaining(deadline)):
                while not self._over:
                    piece = await anext(self._pieces, None)
                    if piece is None:
                        return b""
                    if piece:
                        return piece
        except Exception as error:
            raise (closed() if self._over else failure(error, self._library)) from error
        raise closed()

    def abort(self) -> None:
        """Close the connection without waiting. What `inner` does about it runs in a task of the loop."""
        if self._leave():
            shut(self._http)
            self._spawn(self._let_go)

    def _leave(self) -> bool:
        first, self._over = not self._over, True
        self._ended(self)
        return first

    async def _let_go(self) -> None:
        # The libraries nest async generators, and closing the outer one drops the others half-way. An error within, of
        # the socket that was shut or by the time limit, ends all of them.
        with suppress(Exception), anyio.move_on_after(DRAIN_SECONDS):
            while await anext(self._pieces, None) is not None:
                pass
        with suppress(Exception):
            await self._http.aclose()

    async def aclose(self) -> None:
        """Close the exchange; see `unbroken.transport.AsyncExchange`."""
        try:
            with anyio.move_on_after(DRAIN_SECONDS):
                if await self._drained() and self._leave():
                    await self._http.aclose()
        finally:
            self.abort()

    async def _drained(self) -> bool:
        seen = 0
        while seen < DRAIN_BYTES:
            try:
                piece = await self.read(None)
            except Exception:  # noqa: BLE001  # then it is simply not reused
                return False
            if not piece:
                return True
            seen += len(piece)
        return False


def spawner() -> Callable[[Work], None]:
    """Return a function that starts a task in the present event loop, from any thread; it does nothing after the loop.

    In Python a garbage collection may end a call in any thread, where there is no event loop.
    """
    trio: Any = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        token = trio.lowlevel.current_trio_token()

        def spawn_in_trio(work: Work) -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(trio.lowlevel.spawn_system_task, work)

        return spawn_in_trio
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()  # a loop keeps no strong reference to its tasks

    def start(work: Work) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def spawn_in_asyncio(work: Work) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(start, work)

    return spawn_in_asyncio
