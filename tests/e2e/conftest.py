"""One client against real sockets, in each backend: the same test runs blocking, under asyncio and under trio.

Every test runs over the default transport, the wire. Those marked `over_httpx` run over httpx and httpx2 too, and in
the matrix (`nox -s matrix`, which sets ``UNBROKEN_TEST_MATRIX=1``) so do those marked `in_matrix`. With
``UNBROKEN_TEST_UVLOOP=1`` the event loops of asyncio are those of uvloop.
"""

import contextlib
import functools
import gc
import logging
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import anyio.from_thread
import pytest
from attrs import define, field

import unbroken
from unbroken.config import Given
from unbroken.messages import Timeouts
from unbroken.registry import resolve_transport
from unbroken.testing.playing import Backend
from unbroken.transport import Connections

TRANSPORTS = ["wire", "httpx", "httpx2"]
MATRIX = os.environ.get("UNBROKEN_TEST_MATRIX") == "1"
UVLOOP = os.environ.get("UNBROKEN_TEST_UVLOOP") == "1"
PATIENT = Timeouts(connect=10, first_event=10, idle=10, total=20)


@define(eq=False)
class Seen:
    """What came of one call."""

    events: list[unbroken.Event] = field(factory=list)
    error: BaseException | None = None
    stream: Any = None

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def status(self) -> str:
        return str(self.stream.outcome.status)

    def failed(self, kind: type[BaseException], status: str = "failure") -> Any:
        """Return the error, which must be exactly of this class.

        That it came in time is told by the timeout that it names, not by a clock: the other timeouts are longer.
        """
        assert type(self.error) is kind, f"expected {kind.__name__}, got {self.error!r}"
        assert self.status == status
        assert self.error.request_id == self.stream.request_id
        return self.error

    def succeeded(self) -> "Seen":
        assert self.error is None, repr(self.error)
        assert self.status == "success"
        return self


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the transports of a test."""
    if "transport_name" in metafunc.fixturenames:
        marks = {mark.name for mark in metafunc.definition.iter_markers()}
        wanted = {"over_httpx", "in_matrix"} if MATRIX else {"over_httpx"}
        everywhere = marks & wanted and "wire_only" not in marks
        metafunc.parametrize("transport_name", TRANSPORTS if everywhere else TRANSPORTS[:1])


class Caller:
    """A client and whatever runs it: a pool of threads, or an event loop in a thread of its own."""

    def __init__(self, backend: Backend, transport_name: str, arguments: dict[str, Any]) -> None:
        self.backend = backend
        # Loading the certificates of the system for each client would be most of the time of these tests.
        empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        settings = {"plugins": [], "dialect": "anthropic", "verify": empty, **arguments}
        names = settings.keys() & {"verify", "proxy", "trust_env", "max_connections"}
        connections = Connections(**{name: settings.pop(name) for name in names})
        _, factory = resolve_transport(Given(transport_name))
        make = factory.sync_transport if backend == "sync" else factory.async_transport
        self.transport: Any = make(connections)
        settings["transport"] = self.transport
        # The client comes first: a refused argument must not leave threads behind that pytest would wait for.
        self.client: Any = unbroken.Client(**settings) if backend == "sync" else unbroken.AsyncClient(**settings)
        self._stack = contextlib.ExitStack()
        if backend == "sync":
            self._threads = self._stack.enter_context(ThreadPoolExecutor(128))
        else:
            options = {"use_uvloop": True} if UVLOOP and backend == "asyncio" else {}
            self.portal = self._stack.enter_context(anyio.from_thread.start_blocking_portal(backend, options))

    def start(self, url: str, consume: Callable[[unbroken.Event], Any] | None = None, **call: Any) -> "Future[Seen]":
        """Begin a call; `consume` sees each event, and leaves the stream by returning False."""
        call = {"json": {"stream": True}, "timeouts": PATIENT, **call}
        stream = self.client.stream(call.pop("method", "POST"), url, **call)
        if self.backend == "sync":
            return self._threads.submit(_play, stream, consume)
        return self.portal.start_task_soon(_aplay, stream, consume)

    def call(self, url: str, consume: Callable[[unbroken.Event], Any] | None = None, **call: Any) -> Seen:
        """Make a call."""
        return self.start(url, consume, **call).result(30)

    def send(self, url: str, **call: Any) -> Any:
        """Make a call that is not streamed. Returns the answer; raises the error of the call."""
        send = functools.partial(self.client.send, "POST", url, **{"json": {}, "timeouts": PATIENT, **call})
        return self._threads.submit(send).result(30) if self.backend == "sync" else self.portal.call(send)

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run an async function in the loop of the client."""
        return self.portal.call(function, *arguments)

    def expect_nothing_held(self) -> None:
        """No exchange may be under way, and no connection be open but those that are idle."""
        assert self.transport.requests_under_way() == 0
        assert self.transport.open_connections() == self.transport.idle_connections()

    def shut(self) -> None:
        """Close the client, from a thread or a task of its own."""
        if self.backend == "sync":
            self.client.close()
        else:
            self.portal.call(self.client.aclose)

    def close(self) -> None:
        self.shut()
        self._stack.close()


def _play(stream: Any, consume: Callable[[unbroken.Event], Any] | None) -> Seen:
    seen = Seen(stream=stream)
    try:
        with stream:
            for event in stream:
                seen.events.append(event)
                if consume is not None and consume(event) is False:
                    break
    except BaseException as error:
        seen.error = error
    return seen


async def _aplay(stream: Any, consume: Callable[[unbroken.Event], Any] | None) -> Seen:
    seen = Seen(stream=stream)
    try:
        async with stream:
            async for event in stream:
                seen.events.append(event)
                if consume is not None and consume(event) is False:
                    break
    except Exception as error:
        seen.error = error
    return seen


@pytest.fixture(scope="module")
def nothing_left() -> Iterator[None]:
    """What a module leaves open warns when it is over, and warnings are errors."""
    yield
    gc.collect()


@pytest.fixture
def connect(
    nothing_left: None, backend: Backend, transport_name: str, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[..., Caller]]:
    """Make clients. When the test is over no pool may hold anything, and nobody may have logged a warning."""
    callers: list[Caller] = []

    def make(**arguments: Any) -> Caller:
        callers.append(Caller(backend, transport_name, arguments))
        return callers[-1]

    with contextlib.ExitStack() as stack:
        try:
            yield make
        finally:
            for caller in callers:
                stack.callback(caller.close)
        for caller in callers:
            caller.expect_nothing_held()
    for phase in ("setup", "call"):
        noise = [record for record in caplog.get_records(phase) if record.levelno >= logging.WARNING]
        assert noise == []


@pytest.fixture
def caller(connect: Callable[..., Caller]) -> Caller:
    """A client that speaks Anthropic's dialect and has no plugins."""
    return connect()


class RawServer:
    """Accepts on loopback and hands each socket, with its number from 1, to `serve` in a thread of its own.

    A server that speaks TLS wraps a duplicate, as `ssl` takes its socket away, and `close` could not end it.
    """

    def __init__(self, serve: Callable[[socket.socket, int], None], backlog: int = 64) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.stop = threading.Event()
        self.connections = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1/messages"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self.stop.is_set():
                client, _ = self._listener.accept()
                self.connections += 1
                self._sockets.append(client)
                thread = threading.Thread(target=self._guarded, args=(client, self.connections), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _guarded(self, client: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, EOFError), client:
            self._serve(client, number)

    def close(self) -> None:
        self.stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        for each in self._sockets:
            each.close()


@pytest.fixture
def raw() -> Iterator[type["Raw"]]:
    """`Raw.server(serve)` and its tools, for what an HTTP server would not say."""
    yield Raw
    while Raw.servers:
        Raw.servers.pop().close()


class Raw:
    """Plain bytes."""

    servers: list[RawServer] = []  # noqa: RUF012

    HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    EVENT = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"x"}}\n\n'
    STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    @classmethod
    def server(cls, serve: Callable[[socket.socket, int], None], **options: Any) -> RawServer:
        cls.servers.append(RawServer(serve, **options))
        return cls.servers[-1]

    @staticmethod
    def request(client: socket.socket) -> bytes:
        """Read one request. Raises EOFError when the client has left."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += Raw.some(client)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(lines.get(b"content-length", b"0")):
            body += Raw.some(client)
        return head + b"\r\n\r\n" + body

    @staticmethod
    def some(client: socket.socket) -> bytes:
        data = client.recv(65536)
        if not data:
            raise EOFError
        return data

    @staticmethod
    def whole(*events: bytes, extra: bytes = b"") -> bytes:
        """A complete answer."""
        body = b"".join(events) or Raw.EVENT + Raw.STOP
        return Raw.HEAD + b"Content-Length: %d\r\n%b\r\n%b" % (len(body), extra, body)

    @staticmethod
    def chunk(data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data)

    @staticmethod
    def reset(client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
