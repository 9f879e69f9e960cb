"""The server: it accepts connections, reads requests and sends the answers."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import count
from types import TracebackType
from typing import Self, final

from anyio import to_thread
from attrs import evolve

from ._conversation import Speech
from ._fault import Fault
from ._ledger import Ledger, Script
from ._requests import BadRequestError, ReceivedRequest, read_request
from ._wire import Peer


@final
class FaultServer:
    """An HTTP/1.1 server on loopback that streams like the APIs of models, or like an MCP server, and fails on purpose.

    ``POST …/v1/messages`` and ``…/v1/messages/count_tokens`` are answered like the Messages API, ``…/chat/completions``
    like Chat Completions, ``…/responses`` like the Responses API, ``…/models/{model}:streamGenerateContent`` and
    ``:generateContent`` like Gemini, ``…/api/chat`` and ``…/api/generate`` like Ollama, ``…/model/{model}/converse``,
    ``/converse-stream``, ``/invoke`` and ``/invoke-with-response-stream`` like Amazon Bedrock, ``…/mcp`` like MCP.

    Requests take the faults of `script` in order, then `default`. A callable is called with each request and returns
    its fault. A request may choose its own fault, with the header ``x-unbroken-fault: stall`` or the query
    ``?fault=stall``.

    The same seed and the same requests give the same bytes. That includes the ``Date``, which does not depend on the
    time of day and agrees with all other dates in the answer; ``clock=time.time`` gives real dates.

    ``with FaultServer() as server`` serves from a new thread, for every kind of client; ``async with`` serves from the
    running asyncio loop. The methods may be called from any thread.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        default: Fault = Fault(),  # noqa: B008 - frozen
        clock: Callable[[], float] | None = None,
    ) -> None:
        if not 0 <= port <= 65_535:
            raise ValueError(f"'port' must be 0 (any that is free) to 65535, not {port!r}")
        self._ledger = Ledger(script, default, seed, clock)
        self._address = (host, port)
        self._ssl = ssl_context
        self._numbers = count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = threading.Condition()
        self._listener: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: tuple[threading.Thread, asyncio.Event] | None = None

    def __repr__(self) -> str:
        where = "not running" if self._listener is None else self.url
        return f"<{type(self).__name__} {where} requests={len(self.requests)} connections={self.connections}>"

    # What tests use.

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash. Raises RuntimeError if the server is not running."""
        if self._listener is None:
            raise RuntimeError("the server is not running; enter it with `with` or `async with`")
        host, port = self._listener.getsockname()[:2]
        return f"{'http' if self._ssl is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests so far, in the order of arrival."""
        return [request for request, _ in self._ledger.entries()]

    @property
    def replies(self) -> list[Speech]:
        """The complete reply to each of `requests`, before its fault."""
        return [reply for _, reply in self._ledger.entries()]

    @property
    def faults(self) -> list[Fault]:
        """The fault that each of `requests` got."""
        return self._ledger.faults()

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._tasks)

    def push(self, *faults: Fault) -> None:
        """Append `faults` to the script."""
        self._ledger.push(faults)

    def reset(self) -> None:
        """Discard the rest of the script and the requests so far. The next request is number 1 again."""
        self._ledger.reset()

    def wait_idle(self, timeout: float = 1.0) -> None:
        """Wait until no connection is open. Raises TimeoutError after `timeout` seconds.

        Raises RuntimeError in the event loop of the server, which would be blocked: use `await_idle` there.
        """
        if self._serves_here():
            raise RuntimeError("wait_idle() would block the loop that serves; use await_idle()")
        with self._changed:
            if not self._changed.wait_for(lambda: not self._tasks, timeout):
                raise TimeoutError(f"{self.connections} connections still open after {timeout} s")

    def _serves_here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    async def await_idle(self, timeout: float = 1.0) -> None:  # noqa: ASYNC109 - as wait_idle
        """Like `wait_idle`, for a task of asyncio or trio. Raises TimeoutError."""
        await to_thread.run_sync(self.wait_idle, timeout)

    # Start and stop.

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    def __enter__(self) -> Self:
        ready: Future[asyncio.Event] = Future()
        thread = threading.Thread(target=self._run, args=[ready], name="unbroken-faults", daemon=True)
        thread.start()
        try:
            self._thread = (thread, ready.result())
        except Exception:
            thread.join()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None and self._loop is not None:
            (thread, stop), self._thread = self._thread, None
            self._loop.call_soon_threadsafe(stop.set)
            thread.join()

    def _run(self, ready: "Future[asyncio.Event]") -> None:
        # It can watch a listening socket on every platform, like uvloop; the default loop of Windows cannot.
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._live(ready))
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)  # no event loop to be had: no descriptors are left, say

    async def _live(self, ready: "Future[asyncio.Event]") -> None:
        """Start, resolve `ready` with an event, and serve until that event is set."""
        stop = asyncio.Event()
        try:
            await self._start()
        except Exception as error:  # noqa: BLE001 - raised again by __enter__
            ready.set_exception(error)
            return
        ready.set_result(stop)
        await stop.wait()
        await self._stop()

    async def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._listener = socket.create_server(self._address, family=family, backlog=1024)
        self._listener.setblocking(False)
        # Not loop.sock_accept(): if cancelled at the wrong moment, it loses the client that it has just accepted.
        self._loop.add_reader(self._listener, self._accept, self._loop, self._listener)

    async def _stop(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        asyncio.get_running_loop().remove_reader(listener)
        listener.close()
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for _ in range(3):
            await asyncio.sleep(0)  # asyncio closes unfinished handshakes in its next iterations

    # Connections.

    def _accept(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionError):  # gone before it was accepted
            client, _ = listener.accept()
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # one write, one segment
            task = loop.create_task(self._serve(client, next(self._numbers)))
            self._tasks.add(task)
            task.add_done_callback(partial(self._forget, client))

    def _forget(self, client: socket.socket, task: "asyncio.Task[None]") -> None:
        client.close()
        with self._changed:
            self._tasks.discard(task)
            self._changed.notify_all()

    async def _serve(self, client: socket.socket, connection: int) -> None:
        with suppress(OSError, EOFError, asyncio.CancelledError):  # the client has left, or the server stops
            async with Peer.of(client, self._ssl) as peer:
                while await self._exchange(peer, connection):
                    pass
                await peer.finish()

    async def _exchange(self, peer: Peer, connection: int) -> bool:
        """Read and answer one request. Return whether the connection can serve another."""
        try:
            request = await read_request(peer.reader, peer.writer)
        except BadRequestError as error:
            nonsense = ReceivedRequest(method="", path="", connection=connection)
            refusal = Fault(status=400, message=str(error), connection="close")
            return await peer.perform(self._ledger.answer(nonsense, refusal))
        if request is None:
            return False
        steps = self._ledger.answer(evolve(request, connection=connection))
        return await peer.perform(steps) and request.keep_alive
