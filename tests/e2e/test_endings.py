"""FAULTS C36, C37, C43, C44: how a stream ends, what becomes of its connection, and what was sent."""

import socket
import threading
import time
from typing import Any

import pytest

import unbroken
from unbroken.headers import user_agent
from unbroken.messages import Timeouts
from unbroken_faults import Fault, FaultServer, faults

pytestmark = pytest.mark.over_httpx

PATH = "/v1/messages"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(faults.truncate(), unbroken.NetworkError, id="C36-inside-a-chunk"),
        pytest.param(faults.bad_chunk(), unbroken.NetworkError, id="C36-bad-chunk-size"),
        pytest.param(faults.cut(how="close"), unbroken.NetworkError, id="C36-no-last-chunk"),
        pytest.param(
            Fault(after=5, then="close", framing="content-length"),
            unbroken.NetworkError,
            id="C36-short-content-length",
        ),
        pytest.param(faults.cut(), unbroken.TruncatedStreamError, id="C37-chunked"),
        pytest.param(
            Fault(after=5, then="end", framing="content-length"),
            unbroken.TruncatedStreamError,
            id="C37-content-length",
        ),
        pytest.param(Fault(after=5, then="end", framing="close"), unbroken.TruncatedStreamError, id="C37-no-length"),
        pytest.param(faults.omit_terminal(), unbroken.TruncatedStreamError, id="C37-all-but-the-terminal-event"),
    ],
)
def test_a_stream_that_ends_too_early_is_an_error(caller: Any, fault: Fault, kind: type[unbroken.Error]) -> None:
    """What was delivered stands; that the stream is complete is never assumed."""
    with FaultServer([fault]) as server:
        seen = caller.call(server.url + PATH)
        error = seen.failed(kind)
        assert len(seen.events) >= 5
        assert (error.phase, error.retryable, error.delivered) == ("streaming", True, True)
        caller.call(server.url + PATH).succeeded()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.keep_open(), id="C44-kept-open"),
        pytest.param(faults.keep_open("data: garbage\n\n"), id="C44-garbage-event"),
        pytest.param(faults.keep_open(b"\x00\xff" * 200), id="C44-garbage-bytes"),
        pytest.param(faults.keep_open(b"x" * 300_000), id="C44-much-garbage"),
        pytest.param(faults.reset_after_end(), id="C44-reset"),
        pytest.param(Fault(then="truncate"), id="C44-truncated-behind-the-end"),
        pytest.param(Fault(then="bad-chunk"), id="C44-bad-chunk-behind-the-end"),
        pytest.param(Fault(insert=b": x\n\n", times=None, interval=0.01), id="C44-comments-for-ever"),
        pytest.param(Fault(connection="close"), id="C44-close-announced"),
    ],
)
def test_what_follows_the_terminal_event_is_of_no_concern(caller: Any, fault: Fault) -> None:
    """C44: success at once, and a connection in such a state serves nobody else."""
    with FaultServer([fault]) as server:
        seen = caller.call(server.url + PATH).succeeded()
        assert seen.types[-1] == "message_stop"
        server.wait_idle()
        caller.call(server.url + PATH).succeeded()
        assert [request.connection for request in server.requests] == [1, 2]


def test_a_polite_connection_is_used_again(caller: Any) -> None:
    """C44: one connection serves call after call."""
    with FaultServer() as server:
        for _ in range(20):
            caller.call(server.url + PATH).succeeded()
        assert {request.connection for request in server.requests} == {1}
        assert server.connections == 1


def test_an_end_that_comes_a_little_late_saves_the_connection(caller: Any, raw: Any) -> None:
    """C44: the last chunk may come in a packet of its own."""

    def serve(client: socket.socket, number: int) -> None:
        while raw.request(client):
            client.sendall(raw.HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + raw.chunk(raw.EVENT + raw.STOP))
            time.sleep(0.01)
            client.sendall(b"0\r\n\r\n")

    server = raw.server(serve)
    for _ in range(3):
        caller.call(server.url).succeeded()
    assert server.connections == 1


def test_a_second_response_behind_the_first_is_never_read(caller: Any, raw: Any) -> None:
    """C44: what comes behind the end of a body is not the answer to the next request."""

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        wrong = raw.whole(raw.EVENT.replace(b'_delta"', b'_delta","smuggled":1'), raw.STOP)
        client.sendall(raw.whole() + wrong if number == 1 else raw.whole())
        raw.some(client)

    server = raw.server(serve)
    caller.call(server.url).succeeded()
    seen = caller.call(server.url).succeeded()
    assert not any("smuggled" in event.data for event in seen.events)
    assert server.connections == 2


def test_an_error_answer_gives_its_connection_back(caller: Any) -> None:
    """A short error body is read to its end."""
    with FaultServer([faults.status(500), faults.status(400)]) as server:
        for _ in range(2):
            assert caller.call(server.url + PATH).error is not None
        caller.call(server.url + PATH).succeeded()
        assert {request.connection for request in server.requests} == {1}


def test_the_request_arrives_as_it_was_given(connect: Any) -> None:
    """C43: nothing is added but what HTTP needs; a megabyte of body arrives unchanged."""
    caller = connect(headers={"X-Api-Key": "key", "User-Agent": "tests"})
    body = bytes(range(256)) * 4096
    with FaultServer(default=Fault(events=[{"type": "message_stop"}])) as server:
        caller.call(
            server.url + PATH + "?beta=true&x=%20y", json=None, content=body, headers={"X-Two": "a, b"}
        ).succeeded()
        (request,) = server.requests
        assert request.body == body
        assert (request.method, request.path, request.query) == ("POST", PATH, "beta=true&x=%20y")
        sent = {name: value for name, value in request.headers.items() if name != "idempotency-key"}
        assert sent == {
            "host": server.url.removeprefix("http://"),
            "accept": "text/event-stream",
            "accept-encoding": "identity",
            "cache-control": "no-store",
            "x-api-key": "key",
            "user-agent": "tests",
            "x-two": "a, b",
            "content-length": str(len(body)),
        }


def test_the_library_names_itself_once(caller: Any) -> None:
    """Whatever name the HTTP library below has."""
    with FaultServer(default=Fault(events=[{"type": "message_stop"}])) as server:
        caller.call(server.url + PATH).succeeded()
        assert server.requests[0].headers["user-agent"] == user_agent()


def test_no_body_is_a_length_of_zero(caller: Any) -> None:
    """A POST without content says so; a GET says nothing."""
    with FaultServer(default=Fault(events=[{"type": "message_stop"}])) as server:
        caller.call(server.url + "/any", json=None).succeeded()
        caller.call(server.url + "/any", json=None, method="GET").succeeded()
        lengths = [request.headers.get("content-length") for request in server.requests]
        assert lengths == ["0", None]


def test_no_cookies_are_kept(caller: Any) -> None:
    """One call tells the server nothing about another."""
    with FaultServer(default=Fault(headers=(("Set-Cookie", "id=1; Path=/"),))) as server:
        caller.call(server.url + PATH).succeeded()
        caller.call(server.url + PATH).succeeded()
        assert all("cookie" not in request.headers for request in server.requests)


def test_repeated_headers_of_the_response_are_kept_apart(caller: Any, raw: Any) -> None:
    """Field values are latin-1 on the wire, names keep their case."""

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.sendall(raw.whole(extra=b"X-Two: a\r\nx-two: \xe4\r\n"))
        raw.some(client)

    response = caller.call(raw.server(serve).url).succeeded().stream.response
    assert response.headers["x-two"] == "a, \xe4"
    assert [pair for pair in response.headers.items_raw if pair[0].lower() == "x-two"] == [
        ("X-Two", "a"),
        ("x-two", "\xe4"),
    ]


@pytest.mark.parametrize("headers", [{"Content-Length": "5"}, {"Content-Length": "x"}, {"Host": ""}])
def test_headers_that_contradict_the_request_are_typed_errors(caller: Any, headers: dict[str, str]) -> None:
    """C43: what h11 refuses to send is not retried and no bug of ours."""
    with FaultServer() as server:
        seen = caller.call(server.url + PATH, headers=headers, json={"stream": True, "more": "x" * 100})
        if seen.error is not None and not isinstance(seen.error, unbroken.ValidationError):
            assert not seen.failed(unbroken.NetworkError).retryable


def test_an_early_refusal_of_an_upload_is_heard(caller: Any, raw: Any) -> None:
    """A server may answer and close before it has taken the body."""

    def serve(client: socket.socket, number: int) -> None:
        client.recv(1000)
        client.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        while client.recv(1 << 20):
            pass

    caller.call(raw.server(serve).url, json=None, content=b"x" * 4_000_000).failed(unbroken.ValidationError)


def test_closing_the_client_ends_what_is_open(connect: Any) -> None:
    """Streams under way fail at once, and nothing more can be sent."""
    caller = connect()
    arrived = threading.Event()
    with FaultServer([faults.stall(after=5), faults.silence()]) as server:
        stalled = caller.start(server.url + PATH, lambda _: arrived.set())
        assert arrived.wait(5)
        silent = caller.start(server.url + PATH)
        while len(server.requests) < 2:
            time.sleep(0.001)
        caller.shut()
        stalled.result(30).failed(unbroken.NetworkError)
        silent.result(30).failed(unbroken.NetworkError)
        error = caller.call(server.url + PATH).failed(unbroken.NetworkError, status="rejected")
        assert (error.retryable, error.is_local) == (False, True)
        server.wait_idle()


def test_a_call_that_waits_for_a_connection_of_a_closed_client_fails(connect: Any) -> None:
    """It may not open a connection that nobody would close."""
    caller = connect(max_connections=1)
    arrived = threading.Event()
    with FaultServer([faults.stall(after=5)]) as server:
        stalled = caller.start(server.url + PATH, lambda _: arrived.set())
        assert arrived.wait(5)
        waiting = caller.start(server.url + PATH)
        while caller.transport.requests_under_way() < 2:
            time.sleep(0.001)
        caller.shut()
        stalled.result(30).failed(unbroken.NetworkError)
        waiting.result(30).failed(unbroken.NetworkError)
        server.wait_idle()
        assert len(server.requests) == 1


def test_the_idle_clock_does_not_run_against_the_drain(caller: Any) -> None:
    """C44: the look for the end is bounded by its own 50 ms."""
    with FaultServer([faults.keep_open()]) as server:
        timeouts = Timeouts(connect=5, first_event=5, idle=0.01 + 5, total=5)
        caller.call(server.url + PATH, timeouts=timeouts).succeeded()
