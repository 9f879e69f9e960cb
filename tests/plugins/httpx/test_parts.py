"""The parts of the transport over httpx and httpx2 that need no server; each test runs over both libraries."""

import asyncio
import gc
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import h11
import pytest

import unbroken
from unbroken.messages import Request
from unbroken.transport import Connections, Opening
from unbroken_httpx import AsyncHTTPXTransport, HTTPXTransport, _async_pool, _resolve, _sync_pool
from unbroken_httpx._guard import GuardState, Requests
from unbroken_httpx._library import Library
from unbroken_httpx._settings import http_arguments, proxy_for
from unbroken_httpx._shared import PIECE, Ticket, http_request, translated


@pytest.fixture
def ticket(lib: Library) -> Callable[..., Ticket]:
    def make(deadline: float | None = None) -> Ticket:
        return Ticket(lib, Opening(connect_deadline=deadline, deadline=deadline))

    return make


# Names.


def test_addresses_come_in_the_order_of_the_system_and_once(lib: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """getaddrinfo() may name an address several times."""
    found = [(0, 0, 0, "", (address, 80)) for address in ("::1", "127.0.0.1", "::1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert _resolve.addresses("x", 80, 1, lib.core) == ["::1", "127.0.0.1"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (UnicodeError("label too long"), "label too long"),
        (OSError("no resolver"), "no resolver"),
    ],
)
def test_a_name_that_is_not_found_is_a_connect_error(
    lib: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    """C34: also without any time limit."""

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(lib.core.ConnectError, match=rf"'x' cannot be resolved: {reason}"):
        _resolve.addresses("x", 80, None, lib.core)


def test_a_look_up_that_hangs_is_left_behind(lib: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """C34: by a daemon thread, which does not keep the process."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(10) and [])
    began = time.monotonic()
    with pytest.raises(lib.core.ConnectTimeout):
        _resolve.addresses("x", 80, 0.05, lib.core)
    assert time.monotonic() - began < 1
    (left,) = (each for each in threading.enumerate() if each.name == "unbroken-resolver")
    assert left.daemon
    over.set()
    left.join()


# Addresses.


class Network:
    """Connects as it is told, and notes with how much time."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.tried: list[tuple[str, float | None]] = []

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *_: Any) -> Any:
        self.tried.append((host, timeout))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Socket:
    """Notes what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.written.append(buffer)


@pytest.fixture
def guard(lib: Library, ticket: Any) -> Callable[..., Any]:
    def make(deadline: float | None = None) -> Any:
        made = _sync_pool.Guard(lib)
        made.ticket = ticket(deadline)
        return made

    return make


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name has three addresses."""
    monkeypatch.setattr(_resolve, "addresses", lambda *_: ["a", "b", "c"])


@pytest.mark.usefixtures("three")
def test_each_address_has_a_share_of_the_time(lib: Any, guard: Any) -> None:
    """C34: an address where nobody answers leaves time for the next."""
    wire = Socket()
    network = Network(lib.core.ConnectTimeout(), lib.core.ConnectError(), wire)
    stream = _sync_pool.Backend(guard(time.monotonic() + 9), network).connect_tcp("x", 80)
    assert stream.inner is wire
    assert [host for host, _ in network.tried] == ["a", "b", "c"]
    assert [pytest.approx(share, abs=0.5) for share in (3, 4.5, 9)] == [left for _, left in network.tried]


@pytest.mark.usefixtures("three")
def test_the_last_address_says_what_was_wrong(lib: Any, guard: Any) -> None:
    """C34: when none answers."""
    network = Network(lib.core.ConnectTimeout(), lib.core.ConnectTimeout(), lib.core.ConnectError("refused"))
    with pytest.raises(lib.core.ConnectError, match="refused"):
        _sync_pool.Backend(guard(), network).connect_tcp("x", 80)
    assert [left for _, left in network.tried] == [None] * 3


def test_a_name_without_addresses_is_a_connect_error(lib: Any, guard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """C34: a resolver may say so."""
    monkeypatch.setattr(_resolve, "addresses", lambda *_: [])
    with pytest.raises(lib.core.ConnectError, match="'x' has no address"):
        _sync_pool.Backend(guard(), Network()).connect_tcp("x", 80)


def test_the_deadline_is_looked_at_between_two_pieces(lib: Any, guard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """C41: httpcore gives each send() the whole time again."""
    wire = Socket()
    wire.write = lambda buffer, timeout=None: wire.written.append(buffer) or time.sleep(0.02)  # type: ignore[method-assign]
    stream = _sync_pool.Stream(guard(time.monotonic() + 0.1), wire)
    with pytest.raises(lib.core.WriteTimeout):
        stream.write(b"x" * PIECE * 50)
    assert 1 <= len(wire.written) < 50


def test_what_was_closed_here_cannot_be_read_or_written(lib: Any, guard: Any) -> None:
    """A connection that somebody else has closed meanwhile."""
    dead = guard()
    dead.dead = True
    stream = _sync_pool.Stream(dead, Socket())
    for use in (lambda: stream.read(1), lambda: stream.write(b"x")):
        with pytest.raises(lib.core.ReadError):
            use()


# Errors.


@pytest.mark.parametrize(
    ("make", "retryable"),
    [
        (lambda lib: lib.core.ConnectError("refused"), True),
        (lambda lib: lib.core.ReadError(), True),
        (lambda lib: lib.core.RemoteProtocolError("nonsense"), True),
        (lambda lib: lib.core.ProxyError("407 Proxy Authentication Required"), True),
        (lambda lib: OSError(5, "Input/output error"), True),
        (lambda lib: lib.core.LocalProtocolError("bad"), False),
        (lambda lib: lib.core.UnsupportedProtocol("gopher"), False),
        (lambda lib: h11.LocalProtocolError("Too much data"), False),
        (lambda lib: lib.httpx.InvalidURL("no"), False),
        (lambda lib: UnicodeError("label too long"), False),
    ],
)
def test_failures_are_network_errors(lib: Library, make: Any, retryable: bool) -> None:
    """Nothing of httpx reaches the caller, wrapped or not."""
    error = make(lib)
    wrapped = lib.httpx.ConnectError("x")
    wrapped.__cause__ = error
    for each in (error, wrapped):
        made = translated(each, lib)
        assert isinstance(made, unbroken.NetworkError)
        assert made.retryable is retryable
        assert made.message == (str(error) or type(error).__name__)


def test_timeouts_are_for_the_engine_to_name(lib: Any) -> None:
    """Except that of the pool, which only the transport knows."""
    for error in (lib.core.ConnectTimeout(), lib.core.ReadTimeout(), lib.core.WriteTimeout()):
        assert type(translated(error, lib)) is TimeoutError
    full = translated(lib.core.PoolTimeout(), lib)
    assert isinstance(full, unbroken.TimeoutError)
    assert (full.timeout, full.is_local) == ("connect", True)


def test_a_bug_stays_a_bug(lib: Any) -> None:
    """What is none of HTTP's failures is not made to look like one."""
    bug = AttributeError("x")
    assert translated(bug, lib) is bug


def _chained(*errors: Exception) -> Exception:
    for outer, inner in itertools.pairwise(errors):
        outer.__context__ = inner
    return errors[0]


def test_a_refusal_of_tls_is_not_retried(lib: Any) -> None:
    """C38: wherever it is in the chain."""
    refusal = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refusal.verify_message = "certificate has expired"
    made = translated(_chained(lib.core.ConnectError(), OSError(), refusal), lib)
    assert isinstance(made, unbroken.NetworkError)
    assert (made.message, made.retryable) == ("TLS: certificate has expired", False)
    vague = translated(_chained(lib.core.ConnectError(), ssl.SSLError()), lib)
    assert isinstance(vague, unbroken.NetworkError)
    assert (vague.message, vague.retryable) == ("TLS: handshake failed", False)


@pytest.mark.parametrize("error", [ssl.SSLEOFError(8, "EOF"), ssl.SSLZeroReturnError(6, "closed")])
def test_an_end_within_tls_is_no_refusal(lib: Any, error: Exception) -> None:
    """C38: the connection was lost, which can get better."""
    made = translated(_chained(lib.core.ConnectError("lost"), error), lib)
    assert isinstance(made, unbroken.NetworkError)
    assert made.retryable


# Tickets and guards.


def test_a_passed_deadline_is_noticed_before_anything_is_tried(lib: Any, ticket: Any) -> None:
    """Even where the operation would not wait."""
    with pytest.raises(lib.core.WriteTimeout):
        ticket(time.monotonic() - 1).remaining(lib.core.WriteTimeout)
    assert ticket().remaining(lib.core.WriteTimeout) is None
    with pytest.raises(lib.core.ConnectTimeout):
        http_request(Request.build("GET", "http://x/"), ticket(time.monotonic() - 1))


def test_a_promised_connection_is_nobody_elses(lib: Any) -> None:
    """httpcore would give an idle connection to every request that waits."""

    class Idle:
        def is_available(self, *_: Any) -> bool:
            return True

        is_idle = has_expired = can_handle_request = is_available

        def is_closed(self) -> bool:
            return False

        def info(self) -> str:
            return "idle"

    class Waiting:
        connection: Any = None

        def assign_to_connection(self, connection: Any) -> None:
            self.connection = connection

    state, one, other = GuardState(lib), Waiting(), Waiting()
    state.connection = Idle()
    requests = Requests()
    requests.append(one)
    requests.append(other)
    assert state.is_available()
    assert state.is_idle()
    one.assign_to_connection(state)
    assert not state.is_available()
    assert not state.is_idle()
    assert not state.has_expired()
    requests.remove(other)
    assert not state.is_available()
    requests.remove(one)
    assert state.is_available()
    assert repr(state) == "<guarded idle>"
    state.dead = True
    assert state.is_closed()
    assert not state.can_handle_request(lib.core.Origin(b"http", b"x", 80))
    assert repr(state) == "<guarded DEAD>"


def test_the_body_is_read_in_one_way(lib: Any) -> None:
    """httpcore wants its streams iterable; nobody iterates these."""

    stream = SimpleNamespace(_connection=SimpleNamespace(_receive_event=None))
    with pytest.raises(NotImplementedError):
        iter(_sync_pool.Body(_sync_pool.Guard(lib), stream))
    with pytest.raises(NotImplementedError):
        aiter(_async_pool.Body(_async_pool.Guard(lib), stream))


class Streams:
    """An httpcore stream that gives some h11 events."""

    def __init__(self, *events: Any) -> None:
        given = iter(events)
        self._connection = self
        self._receive_event = lambda: next(given)


class AsyncStreams(Streams):
    """The same, awaiting."""

    def __init__(self, *events: Any) -> None:
        super().__init__(*events)
        receive = self._receive_event

        async def areceive() -> Any:
            return receive()

        self._receive_event: Any = areceive


def test_an_empty_piece_of_body_is_not_its_end(lib: Any) -> None:
    """Only the end reads as nothing, and it stays the end."""
    events = (h11.Data(data=b""), h11.Data(data=b"x"), h11.Data(data=b""), h11.EndOfMessage())
    body = _sync_pool.Body(_sync_pool.Guard(lib), Streams(*events))
    assert [body.read() for _ in range(3)] == [b"x", b"", b""]

    async def awaiting() -> list[bytes]:
        body = _async_pool.Body(_async_pool.Guard(lib), AsyncStreams(*events))
        return [await body.read() for _ in range(3)]

    assert asyncio.run(awaiting()) == [b"x", b"", b""]


def test_a_connection_that_is_not_available_is_not_to_blame(lib: Any, ticket: Any) -> None:
    """The pool closed it between giving it to a request and its use; the request gets another."""
    request = lib.core.Request("GET", "http://x/", extensions={"unbroken": ticket()})

    class Closed:
        def handle_request(self, _: Any) -> Any:
            raise lib.core.ConnectionNotAvailable

        async def handle_async_request(self, _: Any) -> Any:
            raise lib.core.ConnectionNotAvailable

    blocking, awaiting = _sync_pool.Guard(lib), _async_pool.Guard(lib)
    blocking.connection = awaiting.connection = Closed()
    with pytest.raises(lib.core.ConnectionNotAvailable):
        blocking.handle_request(request)
    with pytest.raises(lib.core.ConnectionNotAvailable):
        asyncio.run(awaiting.handle_async_request(request))
    assert not blocking.dead
    assert not awaiting.dead


def test_finish_now_stops_at_the_first_wait() -> None:
    """A bare yield is no wait; a failure is as good as an end."""
    done: list[str] = []

    class Wait:
        def __await__(self) -> Any:
            yield "a future"

    async def closing(*, fail: bool = False) -> None:
        await asyncio.sleep(0)
        done.append("closed")
        if fail:
            raise OSError
        await Wait()
        done.append("never")

    _async_pool.finish_now(closing())
    _async_pool.finish_now(closing(fail=True))
    assert done == ["closed", "closed"]
    gc.collect()


# Settings.


@pytest.mark.parametrize("verify", [True, False, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)])
def test_verification_is_passed_on(lib: Any, verify: Any) -> None:
    """True, False and contexts are httpx's own business."""
    assert http_arguments(lib, Connections(verify=verify), None)["verify"] is verify


def test_keep_alive_probes_are_asked_for_where_they_exist(lib: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has TCP_KEEPALIVE for TCP_KEEPIDLE; another system may have neither."""
    for number, name in enumerate(("TCP_KEEPIDLE", "TCP_KEEPALIVE"), 900):
        monkeypatch.setattr(socket, name, number, raising=False)
    options = http_arguments(lib, Connections(), None)["socket_options"]
    assert (socket.IPPROTO_TCP, 900, 60) in options
    monkeypatch.delattr(socket, "TCP_KEEPIDLE")
    assert (socket.IPPROTO_TCP, 901, 60) in http_arguments(lib, Connections(), None)["socket_options"]
    monkeypatch.delattr(socket, "TCP_KEEPALIVE")
    options = http_arguments(lib, Connections(), None)["socket_options"]
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    assert not {option[1] for option in options} & {900, 901}


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("http://api.example/", {}, None),
        ("http://api.example/", {"http_proxy": "http://p:1"}, "http://p:1"),
        ("https://api.example/", {"http_proxy": "http://p:1"}, None),
        ("https://api.example/", {"https_proxy": "p:1"}, "http://p:1"),
        ("https://api.example/", {"all_proxy": "http://p:1"}, "http://p:1"),
        ("https://api.example/", {"https_proxy": "http://p:1", "no_proxy": ".example"}, None),
        ("https://api.example/", {"https_proxy": "http://p:1", "no_proxy": "*"}, None),
        ("https://api.example/", {"https_proxy": ""}, None),
    ],
)
def test_the_environment_chooses_the_proxy_if_it_may(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], expected: str | None
) -> None:
    """C42: by the scheme of the URL, and not for every host."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    request = Request.build("GET", url)
    assert proxy_for(request, Connections(trust_env=True)) == expected
    assert proxy_for(request, Connections()) is None
    assert proxy_for(request, Connections(trust_env=True, proxy="http://mine")) == "http://mine"


def test_a_closed_transport_sends_nothing(lib: Any) -> None:
    """Whoever closed it would not close what comes now."""
    request, connections = Request.build("GET", "http://127.0.0.1:9/"), Connections(verify=False)
    transport = HTTPXTransport(connections, library=lib.name)
    transport.close()
    with pytest.raises(unbroken.NetworkError, match="the client is closed"):
        transport.open(request, Opening())

    async def awaiting() -> None:
        transport = AsyncHTTPXTransport(connections, library=lib.name)
        await transport.aclose()
        with pytest.raises(unbroken.NetworkError, match="the client is closed") as info:
            await transport.open(request, Opening())
        assert (info.value.retryable, info.value.is_local) == (False, True)

    asyncio.run(awaiting())


def test_a_cancellation_while_letting_go_is_raised_afterwards(lib: Any, ticket: Any) -> None:
    """E66: the pool's books come first. (Coverage of 3.11 does not see it where a task is really cancelled.)"""

    class Interrupted:
        interrupt = asyncio.CancelledError()

        async def read(self) -> bytes:
            return b""

    mine = ticket()
    mine.body = Interrupted()
    response = lib.httpx.Response(200, content=b"")
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(_async_pool.AsyncPooledExchange(response, mine, None).aclose())
    assert response.is_closed


@pytest.mark.parametrize("content", [None, b"not a certificate"])
def test_authorities_that_cannot_be_loaded_are_a_configuration_error(
    lib: Any, tmp_path: Any, content: bytes | None
) -> None:
    """C38: said when the transport is built, for a file and for a directory that are there as well."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(unbroken.ConfigurationError, match="verify: cannot load certificates"):
        HTTPXTransport(Connections(verify=str(file)), library=lib.name)
    HTTPXTransport(Connections(verify=str(tmp_path)), library=lib.name).close()
