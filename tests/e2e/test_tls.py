"""FAULTS C37 and C38: TLS."""

import datetime
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

import unbroken
from unbroken.messages import Timeouts
from unbroken_faults import Fault, FaultServer, faults
from unbroken_retry import Retry

pytestmark = pytest.mark.over_httpx

PATH = "/v1/messages"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """The context of a client that trusts it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def serving(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Make the context of a server."""

    def make(*names: str, **options: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*(names or ("127.0.0.1", "localhost")), **options).configure_cert(context)
        return context

    return make


@pytest.fixture
def good(serving: Callable[..., ssl.SSLContext]) -> ssl.SSLContext:
    """The context of a good server."""
    return serving()


def test_a_stream_over_tls(connect: Any, trusting: ssl.SSLContext, good: ssl.SSLContext) -> None:
    """Connections are reused over TLS as well."""
    caller = connect(verify=trusting)
    with FaultServer(ssl_context=good) as server:
        for _ in range(3):
            caller.call(server.url + PATH).succeeded()
        assert {request.connection for request in server.requests} == {1}


def test_a_name_is_verified(connect: Any, trusting: ssl.SSLContext, good: ssl.SSLContext) -> None:
    """The sync client connects to an address, and still asks for the name."""
    with FaultServer(ssl_context=good) as server:
        connect(verify=trusting).call(server.url.replace("127.0.0.1", "localhost") + PATH).succeeded()


@pytest.mark.parametrize("how", ["file", "directory"])
def test_authorities_from_a_path(
    connect: Any, authority: trustme.CA, good: ssl.SSLContext, tmp_path: Path, how: str
) -> None:
    """`verify` takes a file or a directory of certificates."""
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.cert_pem.bytes())
    if how == "directory":
        from cryptography import x509

        digest = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
        (tmp_path / f"{_subject_hash(digest)}.0").write_bytes(file.read_bytes())
    with FaultServer(ssl_context=good) as server:
        connect(verify=str(file if how == "file" else tmp_path)).call(server.url + PATH).succeeded()


def _subject_hash(certificate: Any) -> str:
    """The name under which OpenSSL looks for a certificate: see c_rehash(1)."""
    import subprocess

    from cryptography.hazmat.primitives.serialization import Encoding

    pem = certificate.public_bytes(Encoding.PEM)
    return (
        subprocess.run(["openssl", "x509", "-hash", "-noout"], input=pem, capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_authorities_that_cannot_be_loaded_are_a_configuration_error(tmp_path: Path, content: bytes | None) -> None:
    """C38: said when the client is built."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(unbroken.ConfigurationError, match="verify: cannot load certificates"):
        unbroken.Client([], verify=str(file))


YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


@pytest.mark.parametrize("case", ["C38-untrusted", "C38-wrong-host", "C38-expired"])
def test_a_certificate_that_is_not_good_is_not_retried(
    connect: Any, trusting: ssl.SSLContext, serving: Callable[..., ssl.SSLContext], case: str
) -> None:
    """C38: asking again changes no certificate; nothing was sent."""
    names = ("other.example",) if case == "C38-wrong-host" else ("127.0.0.1",)
    options = {"not_after": YESTERDAY} if case == "C38-expired" else {}
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if case == "C38-untrusted" else trusting
    caller = connect(plugins=[Retry(initial_delay=0.001)], verify=verify)
    with FaultServer(ssl_context=serving(*names, **options)) as server:
        seen = caller.call(server.url + PATH)
        error = seen.failed(unbroken.NetworkError)
        assert (error.retryable, error.phase, seen.stream.attempts) == (False, "connect", 1)
        assert error.message.startswith("TLS: ")
        assert server.requests == []


def testplain_http_on_a_tls_port_is_not_retried(connect: Any, raw: Any, trusting: ssl.SSLContext) -> None:
    """C38: https:// to a server that speaks plain HTTP."""
    caller = connect(plugins=[Retry(initial_delay=0.001)], verify=trusting)

    def serve(client: socket.socket, number: int) -> None:
        raw.some(client)
        client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        raw.some(client)

    server = raw.server(serve)
    seen = caller.call(server.url.replace("http:", "https:"))
    assert not seen.failed(unbroken.NetworkError).retryable
    assert (seen.stream.attempts, server.connections) == (1, 1)


def test_tls_on_a_plain_port_is_an_error(connect: Any, good: ssl.SSLContext) -> None:
    """C38: http:// to a server that speaks TLS."""
    with FaultServer(ssl_context=good) as server:
        connect().call(server.url.replace("https:", "http:") + PATH).failed(unbroken.NetworkError)


def test_a_connection_lost_in_the_handshake_is_retried(connect: Any, raw: Any, trusting: ssl.SSLContext) -> None:
    """C38: that is no verdict of TLS."""

    def serve(client: socket.socket, number: int) -> None:
        raw.some(client)

    caller = connect(plugins=[Retry(max_retries=1, initial_delay=0.001)], verify=trusting)
    seen = caller.call(raw.server(serve).url.replace("http:", "https:"))
    assert seen.failed(unbroken.NetworkError).retryable
    assert seen.stream.attempts == 2


def test_a_handshake_that_hangs_is_a_connect_timeout(connect: Any, raw: Any, trusting: ssl.SSLContext) -> None:
    """C34: the connect clock includes TLS."""
    server = raw.server(lambda client, _: [raw.some(client), raw.some(client)])
    seen = connect(verify=trusting).call(
        server.url.replace("http:", "https:"), timeouts=Timeouts(connect=0.25, first_event=5, idle=5)
    )
    error = seen.failed(unbroken.TimeoutError)
    assert (error.timeout, error.phase) == ("connect", "connect")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault(after=5, then="end", framing="close"), unbroken.TruncatedStreamError, id="C37-close-notify"),
        pytest.param(
            Fault(after=5, then="close", framing="close"),
            unbroken.TruncatedStreamError,
            id="C37-no-close-notify",
        ),
        pytest.param(faults.cut(how="close"), unbroken.NetworkError, id="C36-chunked-no-close-notify"),
        pytest.param(faults.reset(after=5), unbroken.NetworkError, id="C35-reset"),
    ],
)
def test_a_stream_over_tls_that_ends_too_early(
    connect: Any,
    trusting: ssl.SSLContext,
    good: ssl.SSLContext,
    fault: Fault,
    kind: type[unbroken.Error],
) -> None:
    """C37: with and without close_notify, the end of the connection proves nothing."""
    with FaultServer([fault], ssl_context=good) as server:
        error = connect(verify=trusting).call(server.url + PATH).error
        assert isinstance(error, kind), repr(error)


@pytest.mark.parametrize(
    ("fault", "clock"),
    [
        pytest.param(faults.stall(after=5), "idle", id="C40-stall"),
        pytest.param(faults.silence(), "first_event", id="C40-silence"),
        pytest.param(faults.pings(after=5, interval=0.02), "idle", id="C40-pings"),
    ],
)
def test_the_clocks_run_over_tls(
    connect: Any, trusting: ssl.SSLContext, good: ssl.SSLContext, fault: Fault, clock: str
) -> None:
    """C40 over TLS."""
    timeouts = Timeouts(**{"connect": 5, "first_event": 5, "idle": 5, clock: 0.25})
    with FaultServer([fault], ssl_context=good) as server:
        seen = connect(verify=trusting).call(server.url + PATH, timeouts=timeouts)
        assert seen.failed(unbroken.TimeoutError).timeout == clock
        server.wait_idle()


def test_success_over_tls_although_the_server_keeps_the_socket(
    connect: Any, trusting: ssl.SSLContext, good: ssl.SSLContext
) -> None:
    """C44 over TLS: nobody waits for a close_notify."""
    with FaultServer([faults.keep_open(), faults.reset_after_end()], ssl_context=good) as server:
        caller = connect(verify=trusting)
        for _ in range(2):
            caller.call(server.url + PATH).succeeded()
        server.wait_idle()


@pytest.mark.parametrize("when", ["head", "body"])
def test_a_broken_record_is_a_network_error(
    connect: Any, raw: Any, trusting: ssl.SSLContext, good: ssl.SSLContext, when: str
) -> None:
    """C36 over TLS: what comes is no TLS any more."""

    def serve(client: socket.socket, number: int) -> None:
        secure = good.wrap_socket(client.dup(), server_side=True)
        raw.request(secure)
        if when == "body":
            secure.sendall(raw.HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + raw.chunk(raw.EVENT))
        with socket.socket(fileno=secure.detach()) as plain:
            plain.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            plain.settimeout(2)
            raw.some(plain)

    caller = connect(verify=trusting)
    seen = caller.call(raw.server(serve).url.replace("http:", "https:"))
    assert isinstance(seen.error, unbroken.NetworkError), repr(seen.error)
    # asyncio's TLS drops the good record that it reads together with a bad one.
    assert len(seen.events) in ({0, 1} if caller.backend == "asyncio" else {1}) if when == "body" else not seen.events


def test_closing_the_client_wakes_a_reader_over_tls(
    connect: Any, trusting: ssl.SSLContext, good: ssl.SSLContext
) -> None:
    """The stream fails; what was left of it is not read as if it were plain text."""
    import threading

    arrived = threading.Event()
    caller = connect(verify=trusting)
    with FaultServer([faults.stall(after=5)], ssl_context=good) as server:
        stalled = caller.start(server.url + PATH, lambda _: arrived.set())
        assert arrived.wait(5)
        caller.shut()
        assert isinstance(stalled.result(30).error, unbroken.NetworkError)
        server.wait_idle()
