"""FAULTS B over real sockets: answers that are not the stream that was asked for."""

import gc
import resource
import socket
import threading
import time
from typing import Any

import pytest

import unbroken
from unbroken.messages import Timeouts
from unbroken_faults import Fault, FaultServer, faults

pytestmark = pytest.mark.over_httpx

PATH = "/v1/messages"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(faults.captive_portal(), unbroken.ContentTypeError, id="B16-captive-portal"),
        pytest.param(faults.json_error(), unbroken.OverloadedError, id="B17-json-error-under-200"),
        pytest.param(faults.no_content(), unbroken.StreamError, id="B19-204"),
        pytest.param(Fault(status=205), unbroken.StreamError, id="B19-205"),
        pytest.param(faults.status(400), unbroken.ValidationError, id="B21-400"),
        pytest.param(faults.status(401), unbroken.AuthenticationError, id="B21-401"),
        pytest.param(faults.status(403), unbroken.AuthenticationError, id="B21-403"),
        pytest.param(faults.status(404), unbroken.ValidationError, id="B21-404"),
        pytest.param(faults.status(413), unbroken.ValidationError, id="B21-413"),
        pytest.param(faults.status(422), unbroken.ValidationError, id="B21-422"),
        pytest.param(faults.rate_limited(), unbroken.RateLimitError, id="B22-429"),
        pytest.param(faults.server_error(), unbroken.ServerError, id="B22-500"),
        pytest.param(faults.overloaded(), unbroken.OverloadedError, id="B22-529"),
        pytest.param(Fault(status=500, body=b"\xff\xfe\x00<"), unbroken.ServerError, id="B25-not-utf8"),
        pytest.param(Fault(status=500, body=b"[" * 100_000), unbroken.ServerError, id="B25-nested"),
        pytest.param(faults.gzip(), unbroken.StreamError, id="B26-gzip"),
        pytest.param(faults.many_headers(), unbroken.StreamError, id="B28-5000-headers"),
        pytest.param(faults.huge_header(), unbroken.NetworkError, id="B28-200kB-header"),
        pytest.param(faults.both_lengths(), unbroken.StreamError, id="B29-both-lengths"),
        pytest.param(faults.not_http(), unbroken.NetworkError, id="C36-not-http"),
    ],
)
def test_an_answer_that_is_no_stream_is_one_typed_error_after_one_request(
    caller: Any, fault: Fault, kind: type[unbroken.Error]
) -> None:
    """Whatever the server says, the caller gets one error of the right class, and the next call works."""
    with FaultServer([fault]) as server:
        caller.call(server.url + PATH).failed(kind)
        assert len(server.requests) == 1
        caller.call(server.url + PATH).succeeded()


@pytest.mark.parametrize("content_type", ["text/event-stream; charset=latin-1", "Text/Event-Stream"])
def test_the_parameters_of_the_content_type_do_not_matter(caller: Any, content_type: str) -> None:
    """B18: a stream is a stream in any charset, and decoded as UTF-8."""
    with FaultServer([Fault(content_type=content_type, text="grün")]) as server:
        seen = caller.call(server.url + PATH).succeeded()
        assert any("grün" in event.data for event in seen.events)


def test_without_a_content_type_the_first_bytes_decide(caller: Any) -> None:
    """B18: those of an event stream make it one, those of a page do not."""
    page = Fault(content_type=None, events=(b"<html>no</html>",))
    with FaultServer([faults.no_content_type(), page]) as server:
        caller.call(server.url + PATH).succeeded()
        caller.call(server.url + PATH).failed(unbroken.ContentTypeError)


@pytest.mark.parametrize(
    ("status", "location"),
    [
        pytest.param(301, "/v1/messages", id="B20-301-same-origin"),
        pytest.param(302, "http://127.0.0.1:9/elsewhere", id="B20-302-other-origin"),
        pytest.param(303, "", id="B20-303-empty"),
        pytest.param(307, "/v1/messages", id="B20-307-loop"),
        pytest.param(308, "http://127.0.0.1:9/elsewhere", id="B20-308-other-origin"),
    ],
)
def test_no_redirect_is_followed(caller: Any, status: int, location: str) -> None:
    """B20: the prompt and the credentials go to nobody else: zero second requests."""
    with FaultServer(default=faults.redirect(location, status)) as server:
        error = caller.call(server.url + PATH, headers={"x-api-key": "secret"}).failed(unbroken.StreamError)
        assert not error.retryable
        assert len(server.requests) == 1


def test_a_gigabyte_of_error_is_not_read(caller: Any) -> None:
    """B24: at most 64 KiB of an error body are read, then the connection is closed."""
    with FaultServer([faults.huge_error()]) as server:
        caller.call(server.url + PATH).failed(unbroken.ServerError)
        server.wait_idle()


def test_a_dripping_error_body_is_read_for_a_few_seconds_only(caller: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """B24: what has come until then is the error."""
    monkeypatch.setattr("unbroken._engine.attempt.ERROR_BODY_SECONDS", 0.2)
    with FaultServer([Fault(status=500, after_bytes=10, then="drip", interval=0.05)]) as server:
        caller.call(server.url + PATH).failed(unbroken.ServerError)
        server.wait_idle()


def test_a_gzip_bomb_is_never_inflated(caller: Any) -> None:
    """B26: the body is refused by its head, so memory stays where it was."""
    with FaultServer([faults.ok(), faults.gzip_bomb()]) as server:
        caller.call(server.url + PATH).succeeded()
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        caller.call(server.url + PATH).failed(unbroken.StreamError)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB, of 200 000
        server.wait_idle()


@pytest.mark.parametrize("interval", [0.02, 0.0], ids=["B27-drip", "B27-flood"])
def test_early_hints_do_not_hold_up_the_first_event_clock(caller: Any, interval: float) -> None:
    """B27: each 103 is a sign of life, none is an event."""
    with FaultServer([faults.early_hints(interval=interval)]) as server:
        timeouts = Timeouts(connect=5, first_event=0.3, idle=5)
        error = caller.call(server.url + PATH, timeouts=timeouts).failed(unbroken.TimeoutError)
        assert error.timeout == "first_event"
        server.wait_idle()


def test_a_few_early_hints_are_skipped(caller: Any) -> None:
    """B27: informational responses are legal (RFC 9110 §15.2)."""
    with FaultServer([faults.early_hints(times=3, interval=0.0)]) as server:
        caller.call(server.url + PATH).succeeded()


def test_a_protocol_switch_is_refused(caller: Any, raw: Any) -> None:
    """Nobody asked for an upgrade."""

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        raw.some(client)

    server = raw.server(serve)
    seen = caller.call(server.url)
    assert isinstance(seen.error, unbroken.StreamError | unbroken.NetworkError)


def test_a_response_with_two_lengths_is_not_trusted_again(caller: Any, raw: Any) -> None:
    """B29: the connection of a smuggled response serves nothing else."""
    answer = raw.HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.sendall(answer if number == 1 else raw.whole())
        raw.some(client)

    server = raw.server(serve)
    caller.call(server.url).failed(unbroken.StreamError)
    caller.call(server.url).succeeded()
    assert server.connections == 2


def test_an_http_1_0_answer_ends_with_its_connection(caller: Any, raw: Any) -> None:
    """The version is kept; the end of the connection is the end of the body."""

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + raw.EVENT + raw.STOP)

    seen = caller.call(raw.server(serve).url).succeeded()
    assert seen.stream.response.http_version == "HTTP/1.0"
    assert time.time() - seen.stream.response.received_at < 10


def test_the_flood_of_hints_does_not_starve_other_calls(connect: Any) -> None:
    """A server that talks without pause keeps nobody else waiting."""
    caller = connect()
    with FaultServer([faults.early_hints(interval=0.0)]) as server, FaultServer() as polite:
        flooded = caller.start(server.url + PATH, timeouts=Timeouts(connect=5, first_event=0.5, idle=5))
        caller.call(polite.url + PATH).succeeded()
        flooded.result(30).failed(unbroken.TimeoutError)
    assert threading.active_count() < 200
