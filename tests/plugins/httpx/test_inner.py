"""`inner=`: a transport or client of the caller's, by its public names; over both libraries, sync, asyncio and trio."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

import unbroken
from unbroken.headers import user_agent
from unbroken.messages import Timeouts
from unbroken.testing import sse
from unbroken.testing.playing import Backend
from unbroken.transport import Connections
from unbroken_faults import FaultServer, faults
from unbroken_httpx import AsyncHTTPXTransport, HTTPXTransport
from unbroken_httpx._library import Library

BODY = sse(
    ("message_start", {"type": "message_start"}),
    ("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}}),
    ("message_stop", {"type": "message_stop"}),
)
HEAD = {"content-type": "text/event-stream"}


class Body:
    """A body in pieces, where a number is a pause in seconds and an exception is raised."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = pieces
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, float):
                self.closed.wait(piece)
            else:
                yield piece

    async def __aiter__(self) -> Any:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, float):
                await anyio.sleep(piece)
            else:
                yield piece

    def close(self) -> None:
        self.closed.set()

    async def aclose(self) -> None:
        self.closed.set()


@pytest.fixture
def call(backend: Backend) -> Callable[..., Any]:
    """Make one call through `inner` and return what came of it."""

    def make(inner: Any, url: str = "http://x.example/", leave_after: int | None = None, **options: Any) -> Any:
        events: list[Any] = []

        def sync() -> Any:
            transport = HTTPXTransport(inner=inner)
            with unbroken.Client([], dialect="anthropic", transport=transport) as client:
                try:
                    with client.stream("POST", url, json={"stream": True}, **options) as stream:
                        for event in stream:
                            events.append(event.type)
                            if len(events) == leave_after:
                                break
                finally:
                    wait_for(lambda: transport.requests_under_way() == 0)
            return stream

        async def awaiting() -> Any:
            transport = AsyncHTTPXTransport(inner=inner)
            async with unbroken.AsyncClient([], dialect="anthropic", transport=transport) as client:
                try:
                    async with client.stream("POST", url, json={"stream": True}, **options) as stream:
                        async for event in stream:
                            events.append(event.type)
                            if len(events) == leave_after:
                                break
                finally:
                    assert transport.requests_under_way() == 0
                    await anyio.sleep(0.3)  # for the task that lets go
            return stream

        stream = sync() if backend == "sync" else anyio.run(awaiting, backend=backend)
        return stream, events

    return make


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


def mocked(lib: Library, body: Body, status: int = 200) -> Any:
    """A MockTransport that answers with `body`."""
    stream = type("Stream", (Body, lib.httpx.SyncByteStream, lib.httpx.AsyncByteStream), {})(*body.pieces)
    stream.closed = body.closed
    return lib.httpx.MockTransport(lambda _: lib.httpx.Response(status, headers=HEAD, stream=stream))


ALL = ["message_start", "content_block_delta", "message_stop"]


def test_a_mock_answers_and_is_closed(lib: Library, call: Any) -> None:
    """Empty pieces are not the end."""
    body = Body(b"", BODY[:20], b"", BODY[20:])
    stream, events = call(mocked(lib, body))
    assert (stream.outcome.status, events) == ("success", ALL)
    assert body.closed.is_set()


def test_a_ready_made_response_is_read_too(lib: Library, call: Any) -> None:
    """With `content=` there is no stream of bytes under it."""
    inner = lib.httpx.MockTransport(lambda _: lib.httpx.Response(200, headers=HEAD, content=BODY))
    assert call(inner)[1] == ALL


def test_a_real_transport_carries_a_call(lib: Library, call: Any, backend: Backend) -> None:
    """The library's own, with its own settings."""
    make = lib.httpx.HTTPTransport if backend == "sync" else lib.httpx.AsyncHTTPTransport
    with FaultServer([]) as server:
        stream, events = call(make(trust_env=False), f"{server.url}/v1/messages")
    assert (stream.outcome.status, events[-1]) == ("success", "message_stop")


def test_a_client_brings_its_mounts_auth_and_hooks(lib: Library, call: Any, backend: Backend) -> None:
    """What a transport alone cannot."""
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request)
        return lib.httpx.Response(200, headers=HEAD, content=BODY)

    make = lib.httpx.Client if backend == "sync" else lib.httpx.AsyncClient
    client = make(
        transport=lib.httpx.MockTransport(lambda _: lib.httpx.Response(500)),
        mounts={"http://x.example": lib.httpx.MockTransport(answer)},
        auth=("user", "pass"),
    )
    assert call(client)[1] == ALL
    assert seen[0].headers["authorization"].startswith("Basic ")
    assert client.is_closed


def test_the_name_of_the_library_is_ours(lib: Library, call: Any, backend: Backend) -> None:
    """Not that of a client of httpx, which sends its own with the requests that it makes."""
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request)
        return lib.httpx.Response(200, headers=HEAD, content=BODY)

    make = lib.httpx.Client if backend == "sync" else lib.httpx.AsyncClient
    call(make(transport=lib.httpx.MockTransport(answer)))
    assert seen[0].headers.get_list("user-agent") == [user_agent()]


def test_a_redirect_is_not_followed(lib: Library, call: Any, backend: Backend) -> None:
    """Also by a client that would."""
    make = lib.httpx.Client if backend == "sync" else lib.httpx.AsyncClient
    moved = lib.httpx.MockTransport(lambda _: lib.httpx.Response(307, headers={"location": "http://y.example/"}))
    with pytest.raises(unbroken.StreamError, match="HTTP 307: a redirect"):
        call(make(transport=moved, follow_redirects=True))


@pytest.mark.parametrize("pause", [30.0], ids=["silent"])
def test_a_body_that_falls_silent_ends_at_the_deadline(lib: Library, call: Any, pause: float) -> None:
    """Though this inner transport knows no timeouts."""
    body = Body(BODY[: BODY.index(b"event: message_stop")], pause)
    began = time.monotonic()
    with pytest.raises(unbroken.TimeoutError) as caught:
        call(mocked(lib, body), timeouts=Timeouts(connect=5, first_event=5, idle=0.2))
    body.close()
    assert caught.value.timeout == "idle"
    assert time.monotonic() - began < 10


def test_a_head_that_does_not_come_ends_at_the_deadline(lib: Library, call: Any, backend: Backend) -> None:
    """A handler that hangs."""
    over = threading.Event()

    def hang(_: Any) -> Any:
        over.wait(1)
        return lib.httpx.Response(200, headers=HEAD, content=BODY)

    async def ahang(_: Any) -> Any:
        await anyio.sleep(30)

    with pytest.raises(unbroken.TimeoutError) as caught:
        call(
            lib.httpx.MockTransport(hang if backend == "sync" else ahang),
            timeouts=Timeouts(connect=5, first_event=0.2),
        )
    assert caught.value.timeout == "first_event"
    over.set()


@pytest.mark.parametrize("name", ["ConnectError", "ReadError", "RemoteProtocolError"])
def test_errors_of_the_library_are_network_errors(lib: Library, call: Any, name: str) -> None:
    """From the opening and from within the body."""

    def fail(_: Any) -> Any:
        raise getattr(lib.httpx, name)("lost")

    for inner in (lib.httpx.MockTransport(fail), mocked(lib, Body(BODY[:-5], getattr(lib.httpx, name)("lost")))):
        with pytest.raises(unbroken.NetworkError, match="lost"):
            call(inner)


@pytest.mark.parametrize(("name", "timeout"), [("ConnectTimeout", "connect"), ("ReadTimeout", "first_event")])
def test_timeouts_of_the_library_are_the_engines(lib: Library, call: Any, name: str, timeout: str) -> None:
    """Named as if they were ours."""

    def fail(_: Any) -> Any:
        raise getattr(lib.httpx, name)("slow")

    with pytest.raises(unbroken.TimeoutError) as caught:
        call(lib.httpx.MockTransport(fail), timeouts=Timeouts(connect=5, first_event=5))
    assert caught.value.timeout == timeout


def test_leaving_early_closes_the_body(lib: Library, call: Any) -> None:
    """In a thread or task of its own."""
    body = Body(BODY[:-5], *[b": x\n\n"] * 3, 0.01, 30.0)
    stream, events = call(mocked(lib, body), leave_after=2)
    assert (stream.outcome.status, len(events)) == ("cancelled", 2)
    wait_for(body.closed.is_set)


def test_leaving_early_frees_a_real_connection(lib: Library, call: Any, backend: Backend) -> None:
    """The inner pool has nothing left under way, though the server keeps the stream open."""
    inner = (lib.httpx.HTTPTransport if backend == "sync" else lib.httpx.AsyncHTTPTransport)(trust_env=False)
    with FaultServer([faults.stall(after=5)]) as server:
        stream, _ = call(inner, f"{server.url}/v1/messages", leave_after=1)
    assert stream.outcome.status == "cancelled"
    wait_for(lambda: not inner._pool._requests)


def test_what_cannot_be_an_inner_is_refused(lib: Library) -> None:
    """With words."""
    with pytest.raises(unbroken.ConfigurationError, match="must be a BaseTransport or Client of httpx or httpx2"):
        HTTPXTransport(inner=lib.httpx.AsyncHTTPTransport())
    with pytest.raises(unbroken.ConfigurationError, match="must be a AsyncBaseTransport or AsyncClient"):
        AsyncHTTPXTransport(inner=lib.httpx.HTTPTransport())
    with pytest.raises(unbroken.ConfigurationError, match="give connections or inner"):
        HTTPXTransport(Connections(), inner=lib.httpx.HTTPTransport())
    with pytest.raises(unbroken.ConfigurationError, match="must be httpx or httpx2, not 'curl'"):
        HTTPXTransport(library="curl")  # type: ignore[arg-type]


class Socks(threading.Thread):
    """A SOCKS5 proxy without authentication for one connection at a time (RFC 1928)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socks5://127.0.0.1:{self.listener.getsockname()[1]}"
        self.targets: list[str] = []

    def run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.recv(64)
            client.sendall(b"\x05\x00")
            request = client.recv(512)
            if request[3] == 1:
                host, rest = socket.inet_ntoa(request[4:8]), request[8:]
            else:
                host, rest = request[5 : 5 + request[4]].decode(), request[5 + request[4] :]
            port = struct.unpack("!H", rest[:2])[0]
            self.targets.append(f"{host}:{port}")
            server = socket.create_connection((host, port))
            client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=(one, other), daemon=True).start()

    @staticmethod
    def copy(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        finally:
            for each in (one, other):
                each.close()


def test_a_socks_proxy_is_a_proxy_like_others(lib: Library, backend: Backend) -> None:
    """By the name of the transport and the argument `proxy`."""
    proxy = Socks()
    proxy.start()

    async def awaiting(url: str) -> str:
        async with (
            unbroken.AsyncClient([], dialect="anthropic", transport=lib.name, proxy=proxy.url, verify=False) as client,
            client.stream("POST", url, json={"stream": True}) as stream,
        ):
            return "".join([text async for text in stream.text()])

    with FaultServer([]) as server:
        url = f"{server.url}/v1/messages"
        if backend == "sync":
            arguments: dict[str, Any] = {"dialect": "anthropic", "transport": lib.name, "proxy": proxy.url}
            with (
                unbroken.Client([], verify=False, **arguments) as client,
                client.stream("POST", url, json={"stream": True}) as stream,
            ):
                text = "".join(stream.text())
        else:
            text = anyio.run(awaiting, url, backend=backend)
        assert proxy.targets == [server.url.removeprefix("http://")]
    proxy.listener.close()
    assert text
