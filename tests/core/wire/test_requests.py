"""What is sent, where it goes, with which certificates, and what is said when it cannot be."""

import asyncio
import socket
import ssl
import threading
import time
from typing import Any

import certifi
import pytest
import trio
import trustme

import unbroken
from unbroken._wire import AsyncWireTransport, WireTransport, process
from unbroken._wire.async_transport import AsyncWireExchange
from unbroken._wire.connection import Connection
from unbroken._wire.errors import Unusable, is_loss, translated
from unbroken._wire.head import Malformed
from unbroken._wire.places import Place, Places
from unbroken._wire.pool import Opened, Pool
from unbroken._wire.proxy import parsed, proxy_for
from unbroken._wire.request import Outgoing, outgoing
from unbroken._wire.route import route
from unbroken._wire.sockets import BUFFER
from unbroken._wire.sockets.aio import AsyncioSocket
from unbroken._wire.sockets.aio_network import AsyncioAttempt, AsyncioGate, AsyncioNetwork
from unbroken._wire.sockets.layers import TLS, Plain
from unbroken._wire.sockets.sync import SyncAttempt, SyncGate, SyncNetwork, SyncSocket, run
from unbroken._wire.tls import Certificates
from unbroken._wire.transport import WireExchange
from unbroken.headers import Headers
from unbroken.messages import Request
from unbroken.transport import Connections, Opening

PLAIN = Connections(verify=False)


def sent(method: str = "POST", url: str = "http://x/p", *, connections: Connections = PLAIN, **more: Any) -> Outgoing:
    return outgoing(Request.build(method, url, **more), connections)


# Requests.


def test_a_request_names_its_host_first_and_its_length_last() -> None:
    lines = sent(content=b"abc", headers={"X-A": "1"}, url="http://Api.Example:8080/v1/m?x=%20y").data.split(b"\r\n")
    assert lines[:2] == [b"POST /v1/m?x=%20y HTTP/1.1", b"Host: api.example:8080"]
    assert lines[-4:] == [b"X-A: 1", b"Content-Length: 3", b"", b"abc"]


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://x", "x", "/"),
        ("http://x:80/", "x", "/"),
        ("https://x:443/a", "x", "/a"),
        ("https://x:80/a?b", "x:80", "/a?b"),
        ("http://[::1]:8/a", "[::1]:8", "/a"),
        ("http://x/gr\u00fcn{}?q=\u00e4#f", "x", "/gr%C3%BCn%7B%7D?q=%C3%A4"),
        ("http://fa\u00df.de/", "xn--fa-hia.de", "/"),
    ],
)
def test_a_url_is_taken_apart(url: str, host: str, target: str) -> None:
    way = route(url)
    assert (way.authority, way.target) == (host, target)


def test_an_address_for_a_tunnel_has_its_port_and_brackets() -> None:
    assert (route("https://[::1]/").address, route("https://x/").address) == ("[::1]:443", "x:443")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Transfer-Encoding": "chunked"}, "may not have Transfer-Encoding"),
        ({"Content-Length": "5"}, "not the length of its body, 3"),
        ({"Content-Length": "x"}, "not the length of its body, 3"),
    ],
)
def test_headers_that_contradict_the_request_are_not_sent(headers: dict[str, str], message: str) -> None:
    """C43: how two servers come to understand two different requests."""
    with pytest.raises(Unusable, match=message):
        sent(content=b"abc", headers=headers)


def test_headers_that_a_plugin_made_are_checked() -> None:
    """They come to the transport without the checks of `Request.build`; the value is not repeated."""
    request = Request(method="GET", url="http://x/", headers=Headers({"x-key": "secret\r\nInjected: 1"}))
    with pytest.raises(Unusable, match=r"x-key: has characters") as caught:
        outgoing(request, PLAIN)
    assert "secret" not in str(caught.value)


def test_what_the_request_says_itself_is_not_said_again() -> None:
    made = sent(content=b"abc", headers={"Host": "other", "Content-Length": "3", "Connection": "Close"})
    assert made.data.lower().count(b"host:") == made.data.lower().count(b"content-length:") == 1
    assert made.last
    assert not sent("GET", headers={"Connection": "keep-alive"}).last
    assert sent("HEAD").bodyless


# Proxies.


def test_through_a_proxy_the_target_is_the_whole_url() -> None:
    """RFC 9112 §3.2.2; the credentials go to the proxy alone."""
    by_proxy = Connections(verify=False, proxy="http://me:p%40w@proxy")
    made = sent(url="http://x:8/p?q", connections=by_proxy)
    assert made.data.startswith(b"POST http://x:8/p?q HTTP/1.1\r\nHost: x:8\r\n")
    assert b"Proxy-Authorization: Basic bWU6cEB3\r\n" in made.data
    assert b"Proxy-Authorization" not in sent(url="https://x/p", connections=by_proxy).data
    assert made.key != sent(url="http://x:8/p?q").key
    assert "p@w" not in repr(made.proxy)
    assert "bWU6" not in repr(made.proxy)


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://x", "http://", "http://[::1", "http://x:port", "socks5://x"])
def test_a_proxy_that_cannot_be_one_is_a_configuration_error(url: str) -> None:
    with pytest.raises(unbroken.ConfigurationError, match="proxy: must be a URL"):
        parsed(url)


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("http://api.example/", {}, None),
        ("http://api.example/", {"http_proxy": "http://p:1"}, ("p", 1)),
        ("https://api.example/", {"http_proxy": "http://p:1"}, None),
        ("https://api.example/", {"https_proxy": "p:1"}, ("p", 1)),
        ("https://api.example/", {"all_proxy": "https://p"}, ("p", 443)),
        ("https://api.example/", {"https_proxy": "http://p:1", "no_proxy": ".example"}, None),
        ("https://api.example/", {"https_proxy": "http://p:1", "no_proxy": "*"}, None),
        ("https://api.example/", {"https_proxy": ""}, None),
    ],
)
def test_the_environment_chooses_the_proxy_if_it_may(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], expected: Any
) -> None:
    """C42: by the scheme of the URL, and not for every host."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = proxy_for(route(url), Connections(trust_env=True))
    assert (found and (found.host, found.port)) == expected
    assert proxy_for(route(url), Connections()) is None
    mine = proxy_for(route(url), Connections(trust_env=True, proxy="http://mine"))
    assert mine is not None
    assert mine.host == "mine"


# Certificates.


def test_the_usual_certificates_are_loaded_once_and_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a while; the environment is obeyed only when it may be."""
    loaded: list[Any] = []
    real = ssl.create_default_context

    def create(**options: Any) -> ssl.SSLContext:
        loaded.append(options)
        return real()

    monkeypatch.setattr(ssl, "create_default_context", create)
    monkeypatch.setenv("SSL_CERT_FILE", "/file")
    made = Certificates(Connections())
    assert loaded == []
    assert made.context() is made.context()
    Certificates(Connections(trust_env=True)).context()
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", "/dir")
    Certificates(Connections(trust_env=True)).context()
    assert loaded == [{"cafile": certifi.where()}, {"cafile": "/file"}, {"capath": "/dir"}]


def test_without_verification_anybody_is_who_he_says() -> None:
    context = Certificates(PLAIN).context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_a_context_of_the_user_is_used() -> None:
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert Certificates(Connections(verify=mine)).context() is mine


# Errors.


@pytest.mark.parametrize(
    ("error", "message", "retryable"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "[Errno 111] Connection refused", True),
        (ConnectionResetError(), "ConnectionResetError", True),
        (TimeoutError(110, "Connection timed out"), "[Errno 110] Connection timed out", True),
        (Malformed("nonsense"), "nonsense", True),
        (ssl.SSLEOFError(8, "EOF"), "EOF", True),
        (ssl.SSLError(), "TLS: handshake failed", False),
        (Unusable("bad"), "bad", False),
        (UnicodeError("label too long"), "label too long", False),
    ],
)
def test_failures_are_network_errors(error: Exception, message: str, retryable: bool) -> None:
    made = translated(error)
    assert isinstance(made, unbroken.NetworkError)
    assert message in made.message
    assert made.retryable is retryable


def test_a_certificate_that_is_refused_says_why() -> None:
    refusal = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refusal.verify_message = "certificate has expired"
    made = translated(refusal)
    assert (str(made), made.retryable) == ("TLS: certificate has expired", False)  # type: ignore[attr-defined]


def test_a_deadline_is_for_the_engine_to_name_and_a_bug_stays_a_bug() -> None:
    assert type(translated(TimeoutError())) is TimeoutError
    full, bug = unbroken.TimeoutError("x"), AttributeError("x")
    assert (translated(full), translated(bug)) == (full, bug)
    assert is_loss(ConnectionResetError())
    assert not is_loss(TimeoutError())
    assert not is_loss(bug)


# Sockets.


@pytest.fixture
def pair() -> Any:
    """Two sockets that are connected with each other."""
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_a_thread_that_reads_is_woken_and_closes_the_socket_itself(pair: Any) -> None:
    """G82: a descriptor that another thread closed might be somebody else's already."""
    mine = SyncSocket(pair[0])
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(mine.recv(None)))
    thread.start()
    while not mine._user:
        time.sleep(0.001)
    with pytest.raises(RuntimeError, match="another thread reads"):
        mine.recv(None)
    mine.abort()
    thread.join(10)
    assert seen == [b""]
    assert pair[0].fileno() == -1
    with pytest.raises(ConnectionAbortedError):
        mine.recv(None)
    assert not mine.is_quiet()


def test_an_inherited_socket_is_closed_and_never_shut_down(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """G73: the parent still reads from it."""
    mine = SyncSocket(pair[0].dup())
    monkeypatch.setattr(process, "current", object())
    with pytest.raises(ConnectionAbortedError):
        mine.recv(None)
    mine.abort()
    pair[1].sendall(b"x")
    assert pair[0].recv(1) == b"x"


def test_a_passed_deadline_is_noticed_before_anything_is_tried(pair: Any) -> None:
    mine = SyncSocket(pair[0])
    pair[1].sendall(b"x")
    for use in (lambda: mine.recv(time.monotonic()), lambda: run(mine.write, b"x", time.monotonic())):
        with pytest.raises(TimeoutError):
            use()


def test_an_attempt_that_is_aborted_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as raw:
        attempt = SyncAttempt(raw, server.getsockname())
        run(SyncNetwork().wait, [attempt], None)
        assert (attempt.done, attempt.error) == (True, None)
        attempt.abort()
        attempt.abort()
    with socket.socket(socket.AF_UNIX) as raw:
        attempt = SyncAttempt(raw, "/nowhere")
        assert attempt.done
        assert attempt.error is not None


def test_a_gate_can_be_opened_twice() -> None:
    gate = SyncGate()
    gate.release()
    gate.release()
    run(gate.wait, None)
    with pytest.raises(TimeoutError):
        run(gate.wait, time.monotonic())


def test_tls_has_its_deadline_and_its_end(pair: Any) -> None:
    """The end of the connection within the handshake is an error, and within the stream its end."""
    tls = TLS(Plain(pair[0]), Certificates(PLAIN).context(), "x")
    with pytest.raises(TimeoutError):
        tls.handshake(time.monotonic())
    pair[1].close()
    with pytest.raises(OSError, match=r".*"):
        tls.handshake(None)


@pytest.fixture
def secured(pair: Any) -> Any:
    """A layer of TLS, and the server's end of it, which is encrypted in memory."""
    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("x").configure_cert(serving)
    server = TLS(Plain(pair[1]), Certificates(PLAIN).context(), "x")
    server._tls = serving.wrap_bio(server._incoming, server._outgoing, server_side=True)
    client = TLS(Plain(pair[0]), Certificates(PLAIN).context(), "x")
    thread = threading.Thread(target=server.handshake, args=(None,))
    thread.start()
    client.handshake(None)
    thread.join(10)
    return client, server, pair[1]


def test_what_stands_before_a_broken_record_is_read_before_the_error(secured: Any) -> None:
    """C36: though both came together."""
    client, server, raw = secured
    server._tls.write(b"a")
    server._tls.write(b"b")
    raw.sendall(server._outgoing.read() + b"\x17\x03\x03\x00\x20" + b"x" * 32)
    assert client.recv(None) == b"ab"
    for _ in range(2):
        with pytest.raises(ssl.SSLError):
            client.recv(None)


def test_the_end_of_tls_is_the_end_with_close_notify_or_without(secured: Any) -> None:
    """C37: it proves nothing about the body, either way."""
    client, server, raw = secured
    server.send(b"a", None)
    assert client.recv(None) == b"a"
    assert not client.has_more()
    with pytest.raises(ssl.SSLWantReadError):
        server._tls.unwrap()
    server._flush(None)
    assert client.recv(None) == b""
    raw.shutdown(socket.SHUT_RDWR)
    assert client.recv(None) == b""


def in_thread(function: Any, *arguments: Any) -> None:
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    thread.join(10)


async def connected(pair: Any) -> AsyncioSocket:
    loop = asyncio.get_running_loop()
    pair[0].setblocking(False)
    made = AsyncioSocket(loop, pair[0])
    await loop.create_connection(lambda: made, sock=pair[0])
    return made


def test_an_asyncio_socket_stops_a_loop_that_hands_over_many_pieces_in_one_turn(pair: Any) -> None:
    """uvloop does, before the task that waits for the first can run: what it has is bounded all the same."""

    async def main() -> None:
        mine = await connected(pair)
        reading = asyncio.create_task(mine.read(None))
        await asyncio.sleep(0)
        pieces = 0
        while not mine._paused:
            mine.data_received(bytes(64 * 1024))
            pieces += 1
        assert pieces == BUFFER // (64 * 1024) + 1
        assert len(await reading) == pieces * 64 * 1024
        mine.abort()

    asyncio.run(main())


def test_an_asyncio_socket_can_be_aborted_by_any_thread(pair: Any) -> None:
    async def main() -> None:
        mine = await connected(pair)
        in_thread(mine.abort)
        with pytest.raises(ConnectionAbortedError):
            await mine.read(None)
        with pytest.raises(ConnectionAbortedError):
            await mine.write(b"x", None)
        assert not mine.is_quiet()

    asyncio.run(main())


def test_an_asyncio_socket_has_one_reader_and_keeps_deadlines(pair: Any) -> None:
    """The timer is armed again only when it fires, or when an earlier deadline comes."""

    async def main() -> None:
        mine = await connected(pair)
        reading = asyncio.create_task(mine.read(time.monotonic() + 60))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task reads"):
            await mine.read(None)
        pair[1].sendall(b"a")
        assert await reading == b"a"
        with pytest.raises(TimeoutError):
            await mine.read(time.monotonic() + 0.01)
        reading = asyncio.create_task(mine.read(time.monotonic() + 60))
        await asyncio.sleep(0)
        mine._tick()
        pair[1].sendall(b"b")
        assert await reading == b"b"
        mine._tick()
        with pytest.raises(TimeoutError):
            await mine.read(time.monotonic())
        mine.abort()
        mine.abort()

    asyncio.run(main())


def test_an_asyncio_socket_collects_what_comes_while_nobody_reads(pair: Any) -> None:
    """Then it stops reading, and goes on when it is asked."""

    async def main() -> None:
        mine = await connected(pair)
        mine.data_received(b"a")
        mine.data_received(b"b" * 300_000)
        mine.data_received(b"c")
        assert mine._paused
        assert len(await mine.read(None)) == 300_002
        pair[1].sendall(b"d")
        assert await mine.read(None) == b"d"
        assert not mine._paused
        mine.connection_lost(ConnectionResetError("lost"))
        with pytest.raises(ConnectionResetError):
            await mine.read(None)
        mine.abort()

    asyncio.run(main())


def test_an_inherited_asyncio_socket_is_left_to_the_parent(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """G73: the selector is shared."""

    async def main() -> None:
        mine = await connected(pair)
        with monkeypatch.context() as forked:
            forked.setattr(process, "current", object())
            raw, mine._raw = mine._raw, socket.socket()
            for use in (mine.read(None), mine.write(b"x", None)):
                with pytest.raises(ConnectionAbortedError):
                    await use
            assert not mine.is_quiet()
            mine.abort()
            assert mine._raw.fileno() == -1
            mine._raw = raw
        assert not mine._transport.is_closing()
        mine.abort()

    asyncio.run(main())


def test_an_asyncio_gate_is_opened_by_any_thread_and_outlives_its_loop() -> None:
    async def main() -> AsyncioGate:
        loop = asyncio.get_running_loop()
        gate = AsyncioNetwork(loop).gate()
        in_thread(gate.release)
        await gate.wait(time.monotonic() + 30)
        gate.release()
        gate = AsyncioGate(loop)
        with pytest.raises(TimeoutError):
            await gate.wait(time.monotonic())
        return AsyncioGate(loop)

    gate = asyncio.run(main())
    in_thread(gate.release)
    gate.release()


def test_an_asyncio_attempt_can_be_aborted_by_any_thread() -> None:
    async def main() -> AsyncioAttempt:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as server:
            for abort in (lambda each: each.abort(), lambda each: in_thread(each.abort)):
                attempt = AsyncioAttempt(loop, socket.socket(), server.getsockname())
                abort(attempt)
                await AsyncioNetwork(loop).wait([attempt], None)  # type: ignore[list-item]
                assert isinstance(attempt.error, ConnectionAbortedError)
                attempt.abandon()
            attempt = AsyncioAttempt(loop, socket.socket(), server.getsockname())
            attempt.abandon()
            await AsyncioNetwork(loop).wait([attempt], None)  # type: ignore[list-item]
            await asyncio.sleep(0)
            assert attempt.raw.fileno() == -1
        return attempt

    attempt = asyncio.run(main())
    in_thread(attempt.abort)


def test_a_handshake_of_a_connection_that_is_lost_is_an_error(pair: Any) -> None:
    """The loop may notice the loss in the moment when the handshake is complete."""

    async def main() -> None:
        mine = await connected(pair)
        mine._ended = True

        class Loop:
            async def start_tls(self, *_: Any, **__: Any) -> None:
                return None

        mine._loop = Loop()  # type: ignore[assignment]
        with pytest.raises(ConnectionAbortedError):
            await mine.start_tls(Certificates(PLAIN).context(), "x", None)
        mine._transport.abort()

    asyncio.run(main())


def test_a_trio_socket_has_one_reader_and_any_thread_may_abort_it(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from unbroken._wire.sockets.with_trio import TrioGate, TrioSocket, _cause

    async def main() -> tuple[Any, Any]:
        pair[0].setblocking(False)
        mine = TrioSocket(pair[0])
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(OSError, match=r".*"):
                    await mine.read(None)

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(RuntimeError, match="another task reads"):
                await mine.read(None)
            in_thread(mine.abort)
        for use in (mine.read, lambda deadline: mine.write(b"x", deadline)):
            with pytest.raises(ConnectionAbortedError):
                await use(None)
        with pytest.raises(TimeoutError):
            await mine.read(time.monotonic())
        gate = TrioGate(trio.lowlevel.current_trio_token())
        with pytest.raises(TimeoutError):
            await gate.wait(time.monotonic())
        left = TrioSocket(pair[1].dup())
        with monkeypatch.context() as forked:
            forked.setattr(process, "current", object())
            inherited = TrioSocket.__new__(TrioSocket)
            inherited._dead, inherited._process, inherited._raw = False, None, socket.socket()
            inherited.abort()
            assert inherited._raw.fileno() == -1
        return gate, left

    import trio.testing

    gate, left = trio.run(main)
    gate.release()
    left.abort()
    assert left._raw.fileno() == -1
    assert isinstance(_cause(trio.BrokenResourceError("x")), ConnectionError)


def test_a_trio_attempt_that_is_closed_is_over() -> None:
    from unbroken._wire.sockets.with_trio import TrioNetwork

    async def main() -> Any:
        network = TrioNetwork(trio.lowlevel.current_trio_token())
        assert not network.is_over()
        return network

    network = trio.run(main)
    assert network.is_over()
    with pytest.raises(RuntimeError):
        network.call(int)


# Exchanges.


class Scripted:
    """A socket that says what it is told to."""

    def __init__(self, *reads: Any, write: Exception | None = None) -> None:
        self._reads = list(reads)
        self._write = write
        self.aborted = False

    async def read(self, deadline: float | None) -> bytes:
        return self.recv(deadline)

    def recv(self, deadline: float | None) -> bytes:
        answer = self._reads.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return bytes(answer)

    async def write(self, data: bytes, deadline: float | None) -> None:
        if self._write is not None:
            raise self._write

    def is_quiet(self) -> bool:
        return True

    def abort(self) -> None:
        self.aborted = True


ANSWER = b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno"


def scripted(*reads: Any, write: Exception | None = None) -> Connection:
    return Connection(Scripted(*reads, write=write), ("http", "x", 80, ""))  # type: ignore[arg-type]


def test_an_answer_to_a_part_of_the_request_is_heard() -> None:
    """The server has closed before it took the body; the connection serves nobody else."""
    made = scripted(ANSWER, write=BrokenPipeError())
    assert run(made.send, b"x", None).status == 413
    assert not made.parser.reusable
    failed = scripted(ConnectionResetError(), write=BrokenPipeError("not sent"))
    with pytest.raises(BrokenPipeError, match="not sent"):
        run(failed.send, b"x", None)
    with pytest.raises(TimeoutError):
        run(scripted(write=TimeoutError()).send, b"x", None)


class Ended:
    """A pool as far as an exchange knows it."""

    process = process.current

    def __init__(self) -> None:
        self.places = Places(1, SyncGate)
        self.idle = self
        self.kept: list[Connection] = []
        self.closes = 0

    def put(self, each: Connection) -> None:
        self.kept.append(each)
        self.places.closed = True

    def close(self) -> None:
        self.closes += 1


def opened(*reads: Any) -> Opened:
    made = scripted(*reads)
    head = run(made.send, b"", None)
    pool = Ended()
    place = Place(pool.places)
    run(pool.places.take, place, None)
    place.hold(made)
    return Opened(pool, place, made, head)  # type: ignore[arg-type]


@pytest.mark.parametrize("sync", [True, False])
def test_an_exchange_that_has_ended_reads_nothing(sync: bool) -> None:
    """Ending it again changes nothing, and a connection that it gave back is not its own any more."""
    made = opened(ANSWER)
    exchange: Any = (WireExchange if sync else AsyncWireExchange)(made)
    for _ in range(2):
        exchange.close(reusable=True) if sync else run(exchange.aclose)
    made.leave(reusable=False)
    assert made.pool.kept == [made.connection]  # type: ignore[attr-defined]
    assert not made.connection.socket.aborted  # type: ignore[attr-defined]
    made.pool.places.closed = False
    with pytest.raises(unbroken.NetworkError, match="closed on this side"):
        exchange.read(None) if sync else run(exchange.read, None)


def test_a_connection_that_is_kept_as_the_client_closes_is_closed() -> None:
    made = opened(ANSWER)
    made.leave(reusable=True)
    assert made.pool.closes == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("sync", [True, False])
def test_an_interrupt_while_the_end_is_looked_for_closes_the_connection(sync: bool) -> None:
    made = opened(ANSWER[:-2], KeyboardInterrupt())
    exchange: Any = (WireExchange if sync else AsyncWireExchange)(made)
    with pytest.raises(KeyboardInterrupt):
        exchange.close(reusable=True) if sync else run(exchange.aclose)
    assert made.connection.socket.aborted  # type: ignore[attr-defined]
    assert made.place.left


@pytest.mark.parametrize("sync", [True, False])
def test_what_stands_before_a_malformed_chunk_is_read_before_the_error(sync: bool) -> None:
    """Without another look at the socket."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    exchange: Any = (WireExchange if sync else AsyncWireExchange)(opened(head, b"1\r\na\r\nx\r\n"))
    assert (exchange.read(None) if sync else run(exchange.read, None)) == b"a"
    with pytest.raises(unbroken.NetworkError, match="malformed size"):
        exchange.read(None) if sync else run(exchange.read, None)


@pytest.mark.parametrize("sync", [True, False])
def test_a_bug_of_ours_stays_a_bug(sync: bool) -> None:
    exchange: Any = (WireExchange if sync else AsyncWireExchange)(opened(ANSWER[:-2], AttributeError("bug")))
    with pytest.raises(AttributeError):
        exchange.read(None) if sync else run(exchange.read, None)


def test_a_closed_transport_sends_nothing() -> None:
    request = Request.build("GET", "http://127.0.0.1:9/")
    transport = WireTransport(PLAIN)
    transport.close()
    with pytest.raises(unbroken.NetworkError, match="the client is closed"):
        transport.open(request, Opening())

    async def main() -> None:
        transport = AsyncWireTransport(PLAIN)
        await transport.aclose()
        with pytest.raises(unbroken.NetworkError, match="the client is closed"):
            await transport.open(request, Opening())

    asyncio.run(main())


def test_a_request_that_cannot_be_sent_is_not_retryable() -> None:
    request = Request.build("GET", "http://x/", headers={"Transfer-Encoding": "chunked"})
    with pytest.raises(unbroken.NetworkError) as caught:
        WireTransport(PLAIN).open(request, Opening())
    assert not caught.value.retryable


def test_a_request_that_says_so_is_the_last_on_its_connection() -> None:
    """Whatever the server answers."""
    made = opened(ANSWER)
    place = Place(Places(1, SyncGate))
    pool = Pool(SyncNetwork(), 1, Certificates(PLAIN))
    last = scripted(ANSWER)
    run(pool._send, place, last, sent(headers={"Connection": "close"}), Opening())
    assert not last.parser.reusable
    made.leave(reusable=False)


def test_a_proxy_that_says_more_than_it_was_asked_is_not_trusted() -> None:
    """What follows would be taken for the server's handshake."""
    proxy = parsed("http://proxy")
    with pytest.raises(Malformed, match="more than was asked for"):
        run(proxy.tunnel, scripted(b"HTTP/1.0 200 OK\r\n\r\nmore"), route("https://x/"), None)
    run(proxy.tunnel, scripted(b"HTTP/1.0 200 OK\r\n\r\n"), route("https://x/"), None)


def test_a_closed_socket_is_not_quiet() -> None:
    raw = socket.socket()
    mine = SyncSocket(raw)
    raw.close()
    assert not mine.is_quiet()


def test_a_socket_waits_until_it_can_write(pair: Any) -> None:
    """And no longer than its deadline."""
    mine = SyncSocket(pair[0])
    with pytest.raises(TimeoutError):
        run(mine.write, b"x" * 10_000_000, time.monotonic() + 0.01)
    thread = threading.Thread(target=lambda: pair[1].recv(50_000_000, socket.MSG_WAITALL))
    thread.start()
    with pytest.raises(TimeoutError):
        run(mine.write, b"x" * 60_000_000, time.monotonic() + 1)
    pair[1].shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_a_child_has_a_pool_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """G73: it closes its copies of the idle connections, and nothing more."""
    transport = WireTransport(PLAIN)
    inherited = transport._pool
    inherited.idle.put(scripted())
    assert transport.idle_connections() == transport.open_connections() == 1
    monkeypatch.setattr(process, "current", object())
    assert transport.open_connections() == 0
    assert transport._pool is not inherited


@pytest.mark.parametrize("sync", [True, False])
def test_an_exchange_can_be_aborted_and_then_reads_nothing(sync: bool) -> None:
    made = opened(ANSWER)
    exchange: Any = (WireExchange if sync else AsyncWireExchange)(made)
    exchange.close(reusable=False) if sync else exchange.abort()
    assert made.connection.socket.aborted  # type: ignore[attr-defined]
