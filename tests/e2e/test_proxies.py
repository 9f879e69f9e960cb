"""FAULTS C42: proxies, asked for and not asked for."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trustme

import unbroken
from unbroken.headers import user_agent
from unbroken.messages import Timeouts
from unbroken_faults import FaultServer, faults

pytestmark = pytest.mark.over_httpx

PATH = "/v1/messages"
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set proxy variables; there are no others."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

    def put(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return put


class Proxy:
    """A forward proxy: absolute URLs and CONNECT."""

    def __init__(
        self, raw: Any, refuse: bytes = b"", hang: bool = False, context: ssl.SSLContext | None = None
    ) -> None:
        self._context = context
        self.lines: list[bytes] = []
        self.heads: list[bytes] = []
        self._refuse, self._hang = refuse, hang
        self._raw = raw
        self.server = raw.server(self._serve)
        self.url = self.server.url.removesuffix(PATH)

    def _serve(self, client: socket.socket, number: int) -> None:
        if self._context is None:
            self._forward(client)
            return
        with self._context.wrap_socket(client.dup(), server_side=True) as secure:
            self._forward(secure)

    def _forward(self, client: socket.socket) -> None:
        data = self._raw.request(client)
        line, _, rest = data.partition(b"\r\n")
        self.lines.append(line)
        self.heads.append(rest.lower())
        if self._hang:
            self._raw.some(client)
        if self._refuse:
            client.sendall(self._refuse)
            return
        method, target, version = line.split(b" ")
        if method == b"CONNECT":
            host, _, port = target.partition(b":")
            head = b""
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            address, _, path = target.removeprefix(b"http://").partition(b"/")
            host, _, port = address.partition(b":")
            head = b" ".join([method, b"/" + path, version]) + b"\r\n" + rest
        with socket.create_connection((host.decode(), int(port))) as upstream:
            upstream.sendall(head)
            self._pump(client, upstream)

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        while not self.server.stop.is_set():
            for each in select.select([one, other], [], [], 0.5)[0]:
                data = self._raw.some(each)
                while isinstance(each, ssl.SSLSocket) and each.pending():
                    data += each.recv(65536)
                (other if each is one else one).sendall(data)


@pytest.fixture
def dead_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_the_environment_is_not_trusted(connect: Any, environment: Callable[..., None], dead_port: int) -> None:
    """C42: whoever sets a variable does not get the prompts."""
    dead = f"http://127.0.0.1:{dead_port}"
    environment(HTTP_PROXY=dead, http_proxy=dead, ALL_PROXY=dead)
    with FaultServer() as server:
        connect().call(server.url + PATH).succeeded()


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_the_environment_is_trusted_when_asked(
    connect: Any, raw: Any, environment: Callable[..., None], variable: str, scheme: str
) -> None:
    """C42: with or without the scheme, as curl takes it."""
    proxy = Proxy(raw)
    environment(**{variable: scheme + proxy.url.removeprefix("http://")})
    with FaultServer() as server:
        connect(trust_env=True).call(server.url + PATH).succeeded()
        assert proxy.lines == [f"POST {server.url}{PATH} HTTP/1.1".encode()]


def test_a_dead_proxy_of_the_environment_is_used_when_asked(
    connect: Any, environment: Callable[..., None], dead_port: int
) -> None:
    """C42: the opposite, to be sure that the test above tests something."""
    environment(http_proxy=f"http://127.0.0.1:{dead_port}")
    with FaultServer() as server:
        connect(trust_env=True).call(server.url + PATH).failed(unbroken.NetworkError)
        assert server.requests == []


def test_the_environment_may_except_hosts(connect: Any, environment: Callable[..., None], dead_port: int) -> None:
    """C42: no_proxy."""
    environment(http_proxy=f"http://127.0.0.1:{dead_port}", no_proxy="127.0.0.1")
    with FaultServer() as server:
        connect(trust_env=True).call(server.url + PATH).succeeded()


def test_a_configured_proxy_is_used_whatever_the_environment_says(
    connect: Any, raw: Any, environment: Callable[..., None], dead_port: int
) -> None:
    """C42: arguments win; credentials go to the proxy."""
    environment(http_proxy=f"http://127.0.0.1:{dead_port}", no_proxy="*")
    proxy = Proxy(raw)
    with FaultServer() as server:
        for trust_env in (False, True):
            caller = connect(proxy=proxy.url.replace("http://", "http://me:pw@"), trust_env=trust_env)
            caller.call(server.url + PATH).succeeded()
    assert len(proxy.lines) == 2
    assert all(b"proxy-authorization: basic " in head for head in proxy.heads)


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Those of a server and of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


def test_a_tunnel_is_used_again(connect: Any, raw: Any, contexts: Any) -> None:
    """TLS through a proxy."""
    proxy = Proxy(raw)
    with FaultServer(ssl_context=contexts[0]) as server:
        caller = connect(proxy=proxy.url, verify=contexts[1])
        for _ in range(3):
            caller.call(server.url + PATH).succeeded()
        assert proxy.lines == [f"CONNECT {server.url.removeprefix('https://')} HTTP/1.1".encode()]


def test_a_proxy_learns_the_library_and_nothing_of_the_caller(connect: Any, raw: Any, contexts: Any) -> None:
    """What the caller sends is for the server, behind TLS."""
    proxy = Proxy(raw)
    with FaultServer(ssl_context=contexts[0]) as server:
        own = {"User-Agent": "tests", "Authorization": "Bearer hidden", "X-Api-Key": "hidden", "Cookie": "hidden"}
        connect(proxy=proxy.url, verify=contexts[1], headers=own).call(server.url + PATH).succeeded()
        assert server.requests[0].headers["user-agent"] == "tests"
    (head,) = proxy.heads
    assert head.count(b"user-agent:") == 1
    assert f"user-agent: {user_agent()}".encode() in head
    assert b"hidden" not in head


def test_a_proxy_for_http_passes_the_one_user_agent_on(connect: Any, raw: Any) -> None:
    """There the head is the request's own, with that of the caller where there is one."""
    proxy = Proxy(raw)
    with FaultServer() as server:
        connect(proxy=proxy.url).call(server.url + PATH).succeeded()
        connect(proxy=proxy.url, headers={"User-Agent": "tests"}).call(server.url + PATH).succeeded()
        assert [request.headers["user-agent"] for request in server.requests] == [user_agent(), "tests"]
    assert [head.count(b"user-agent:") for head in proxy.heads] == [1, 1]


@pytest.mark.wire_only
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_may_speak_tls_itself(connect: Any, raw: Any, contexts: Any, scheme: str) -> None:
    """TLS to the proxy, and for https within it TLS to the server."""
    proxy = Proxy(raw, context=contexts[0])
    body = b"x" * 300_000
    with FaultServer(ssl_context=contexts[0] if scheme == "https" else None) as server:
        caller = connect(proxy=proxy.url.replace("http:", "https:"), verify=contexts[1])
        for _ in range(3):
            caller.call(server.url + PATH, json={"stream": True, "more": body.decode()}).succeeded()
        assert len(server.requests[0].body) > len(body)
        assert len(proxy.lines) == 1


@pytest.mark.wire_only
def test_silence_behind_two_layers_of_tls_is_a_first_event_timeout(connect: Any, raw: Any, contexts: Any) -> None:
    """C40: and closing the client ends it as well."""
    proxy = Proxy(raw, context=contexts[0])
    caller = connect(proxy=proxy.url.replace("http:", "https:"), verify=contexts[1])
    with FaultServer(default=faults.silence(), ssl_context=contexts[0]) as server:
        timeouts = Timeouts(connect=20, first_event=0.2, idle=20)
        assert caller.call(server.url + PATH, timeouts=timeouts).failed(unbroken.TimeoutError).timeout == "first_event"
    with FaultServer(default=faults.stall(after=5), ssl_context=contexts[0]) as server:
        arrived = threading.Event()
        stalled = caller.start(server.url + PATH, lambda _: arrived.set())
        assert arrived.wait(20)
        caller.shut()
        stalled.result(20).failed(unbroken.NetworkError)


def test_a_tunnel_that_does_not_open_is_a_connect_timeout(connect: Any, raw: Any, contexts: Any) -> None:
    """C34: the way to the server includes the tunnel."""
    proxy = Proxy(raw, hang=True)
    seen = connect(proxy=proxy.url, verify=contexts[1]).call(
        "https://127.0.0.1:9/", timeouts=Timeouts(connect=0.25, first_event=5, idle=5)
    )
    error = seen.failed(unbroken.TimeoutError)
    assert (error.timeout, error.phase) == ("connect", "connect")


def test_silence_behind_a_tunnel_is_a_first_event_timeout(connect: Any, raw: Any, contexts: Any) -> None:
    """C40: from the handshake on, the clocks are the usual ones."""
    proxy = Proxy(raw)
    with FaultServer([faults.silence()], ssl_context=contexts[0]) as server:
        seen = connect(proxy=proxy.url, verify=contexts[1]).call(
            server.url + PATH, timeouts=Timeouts(connect=0.3, first_event=0.5, idle=5)
        )
        error = seen.failed(unbroken.TimeoutError)
        assert (error.timeout, error.phase) == ("first_event", "headers")


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n\r\n"],
)
def test_a_proxy_that_refuses_is_a_network_error(connect: Any, raw: Any, contexts: Any, answer: bytes) -> None:
    """C34: what it says is in the message."""
    proxy = Proxy(raw, refuse=answer)
    connect(proxy=proxy.url, verify=contexts[1]).call("https://127.0.0.1:9/").failed(unbroken.NetworkError)


@pytest.mark.parametrize(
    "proxy", ["nonsense", "ftp://127.0.0.1", "socks5://me:secret@127.0.0.1", "http://", "http://[::1"]
)
def test_a_proxy_that_cannot_be_one_is_a_configuration_error(proxy: str) -> None:
    """C42: said when the client is built, without the password."""
    for client in (unbroken.Client, unbroken.AsyncClient):
        with pytest.raises(unbroken.ConfigurationError, match="proxy: must be") as caught:
            client([], proxy=proxy)
        assert "secret" not in str(caught.value)


def test_a_bad_proxy_in_the_environment_is_a_configuration_error(
    connect: Any, environment: Callable[..., None]
) -> None:
    """C42: found when the first request asks for it."""
    environment(http_proxy="ftp://127.0.0.1")
    seen = connect(trust_env=True).call("http://127.0.0.1:9/")
    with contextlib.suppress(KeyError):
        seen.failed(unbroken.ConfigurationError)
