"""The server's own life: its two forms, its connections, its requests, its end."""

import asyncio
import gc
import http.client
import json
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import trio
import trustme

from unbroken_faults import Fault, FaultServer, faults


async def fetch(server: FaultServer) -> bytes:
    reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
    writer.write(b"POST /v1/messages HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return data


def test_in_a_thread(ask):
    with FaultServer() as server:
        assert "unbroken-faults" in [thread.name for thread in threading.enumerate()]
        assert ask(server).status == 200


def test_in_the_running_loop():
    async def main():
        async with FaultServer([faults.overloaded()]) as server:
            assert (await fetch(server)).startswith(b"HTTP/1.1 529 Overloaded\r\n")
            await server.await_idle()
            with pytest.raises(RuntimeError, match="use await_idle"):
                server.wait_idle()

    asyncio.run(main())


def test_from_trio():
    async def main():
        with FaultServer() as server:
            host, port = server.url.removeprefix("http://").split(":")
            async with await trio.open_tcp_stream(host, int(port)) as stream:
                await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 404 Not Found\r\n")
            await server.await_idle()

    trio.run(main)


def test_the_url_is_known_while_it_runs():
    server = FaultServer()
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url
    with server:
        assert server.url.startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url


def test_its_repr_says_where_it_is_and_what_it_has_seen(ask):
    server = FaultServer()
    assert repr(server) == "<FaultServer not running requests=0 connections=0>"
    with server:
        ask(server)
        server.wait_idle()
        assert repr(server) == f"<FaultServer {server.url} requests=1 connections=0>"


def test_it_can_be_entered_again(ask):
    server = FaultServer()
    for _ in range(2):
        with server:
            assert ask(server).status == 200
    assert [request.number for request in server.requests] == [1, 2]


def test_leaving_twice_or_without_having_entered_does_nothing():
    FaultServer().__exit__(None, None, None)
    with FaultServer() as server:
        server.__exit__(None, None, None)
    asyncio.run(FaultServer().__aexit__(None, None, None))


def test_a_port_in_use_is_an_error():
    with FaultServer() as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), FaultServer(port=port):
            pass


def test_a_port_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match=r"'port' must be 0 .* to 65535, not 70000"):
        FaultServer(port=70_000)


def test_ipv6(ask):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with FaultServer(host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert ask(server).status == 200


# The script.


def test_faults_come_in_order_then_the_default(ask):
    with FaultServer([faults.status(500), faults.status(503)], default=faults.status(418)) as server:
        assert [ask(server).status for _ in range(4)] == [500, 503, 418, 418]
        server.push(faults.status(404), Fault())
        assert [ask(server).status for _ in range(3)] == [404, 200, 418]


def test_a_callable_is_asked_for_each_request(ask):
    with FaultServer(lambda request: faults.status(500 + request.number)) as server:
        assert [ask(server).status for _ in range(2)] == [501, 502]
        server.push(Fault())
        assert [ask(server).status for _ in range(2)] == [200, 504]


def test_a_callable_that_raises_is_told_to_the_client(ask):
    def rule(request):
        raise LookupError("no such thing")

    with FaultServer(rule) as server:
        error = json.loads(ask(server).body)["error"]
    assert error["message"] == "the script raised LookupError: no such thing"


def test_a_request_can_choose_and_leaves_the_script_alone(ask):
    with FaultServer([faults.status(503)]) as server:
        assert ask(server, extra="X-Unbroken-Fault: 429:retry_after=3\r\n").header("retry-after") == "3"
        assert ask(server, path="/v1/messages?fault=captive_portal").body.startswith(b"<!doctype")
        assert ask(server).status == 503


def test_a_request_that_chooses_badly_is_told_so(ask):
    with FaultServer() as server:
        seen = ask(server, extra="x-unbroken-fault: stal\r\n")
    assert seen.status == 400
    assert "did you mean 'stall'?" in json.loads(seen.body)["error"]["message"]


def test_reset_begins_anew(ask):
    with FaultServer([Fault(), faults.status(500)]) as server:
        first = ask(server).raw
        server.reset()
        assert (server.requests, server.replies) == ([], [])
        assert ask(server).raw == first


def test_many_threads_get_one_fault_each(ask):
    with FaultServer([faults.status(400 + number) for number in range(40)]) as server:
        with ThreadPoolExecutor(8) as pool:
            seen = list(pool.map(lambda _: ask(server).status, range(40)))
        assert sorted(seen) == [400 + number for number in range(40)]
        assert sorted(request.number for request in server.requests) == list(range(1, 41))


# Requests.


def test_a_request_is_kept_as_it_came(ask):
    with FaultServer() as server:
        ask(
            server,
            body={"a": 1},
            path="/v1/messages?beta=true",
            extra="X-One: 1\r\nx-one: 2\r\nX-Api-Key: k\r\n",
        )
        (request,) = server.requests
    assert (request.method, request.path, request.query) == ("POST", "/v1/messages", "beta=true")
    assert (request.number, request.connection) == (1, 1)
    assert request.headers["x-one"] == "1, 2"
    assert (b"X-One", b"1") in request.raw_headers
    assert (request.body, request.json()) == (b'{"a": 1}', {"a": 1})
    assert "k" not in repr(request).replace("ReceivedRequest", "")


def test_a_chunked_request_with_trailers(connect):
    with FaultServer() as server:
        client = connect(server)
        client.socket.sendall(
            b"POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'6;x=y\r\n{"stre\r\na\r\nam": true}\r\n0\r\nTrailer: 1\r\n\r\n'
        )
        assert client.receive().events[-1] == "message_stop"
        assert server.requests[0].json() == {"stream": True}


def test_expect_100_continue(connect):
    with FaultServer() as server:
        client = connect(server)
        client.socket.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert client.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.socket.sendall(b"x")
        assert client.receive().status == 404


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO example.org\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: some\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 1_100_000,
    ],
    ids=["smtp", "http-2", "length", "negative-length", "chunk", "endless-head"],
)
def test_nonsense_is_refused_and_leaves_the_script_alone(connect, ask, data):
    with FaultServer([faults.status(503)]) as server:
        client = connect(server)
        client.socket.sendall(data)
        assert client.receive().status == 400
        assert ask(server).status == 503


# Connections.


def test_keep_alive(connect):
    with FaultServer() as server:
        client = connect(server)
        for _ in range(3):
            client.send()
            assert client.receive().ending == "complete"
        assert [request.connection for request in server.requests] == [1, 1, 1]
        assert server.connections == 1
        with pytest.raises(TimeoutError, match="1 connections still open after 0 s"):
            server.wait_idle(timeout=0)
        client.socket.close()
        server.wait_idle()
        assert server.connections == 0


@pytest.mark.parametrize("connection", ["close", "drop"])
def test_closing_as_announced_and_not(connect, connection):
    with FaultServer([Fault(connection=connection)]) as server:
        client = connect(server)
        client.send()
        seen = client.receive()
        assert seen.ending == "complete"
        assert seen.header("connection") == ("close" if connection == "close" else None)
        assert client.socket.recv(1) == b""
        server.wait_idle()


def test_the_client_may_close_after_the_answer(connect):
    with FaultServer() as server:
        client = connect(server)
        client.send(extra="Connection: close\r\n")
        client.receive()
        assert client.socket.recv(1) == b""


@pytest.mark.parametrize(
    "fault",
    [
        faults.silence(),
        faults.stall(),
        faults.pings(interval=60),
        faults.pings(interval=0.001),
        faults.drip(interval=60),
        Fault(latency=60),
        faults.endless_line(),
    ],
    ids=["silence", "stall", "rare-pings", "pings", "drip", "latency", "flood"],
)
@pytest.mark.parametrize("rude", [False, True], ids=["fin", "rst"])
def test_a_client_that_vanishes_leaves_nothing_behind(connect, fault, rude):
    arrived = threading.Event()

    def rule(request):
        arrived.set()
        return fault

    with FaultServer(rule) as server:
        client = connect(server)
        client.send()
        assert arrived.wait(5)
        if rude:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.socket.close()
        server.wait_idle()
        assert server.connections == 0


@pytest.mark.parametrize("data", [b"", b"POST / HT", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"])
def test_a_client_that_vanishes_inside_its_request(connect, data):
    with FaultServer() as server:
        client = connect(server)
        client.socket.sendall(data)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.socket.recv(1) == b""
        server.wait_idle()
        assert server.requests == []


@pytest.mark.parametrize(
    "fault", [faults.silence(), faults.endless_line(), Fault(latency=60)], ids=["silence", "flood", "latency"]
)
def test_the_server_ends_in_the_middle_of_answers(connect, fault):
    with FaultServer(default=fault) as server:
        clients = [connect(server) for _ in range(5)]
        for client in clients:
            client.send()
        if fault.times is None:
            assert clients[0].socket.recv(10)
    assert server.connections == 0
    gc.collect()  # whatever was left open would warn


def test_the_server_ends_while_a_finished_answer_waits_for_its_client(connect):
    with FaultServer([Fault(body=b"x" * 20_000_000, connection="close")]) as server:
        client = connect(server)
        client.send()
        assert client.socket.recv(10)
    assert server.connections == 0


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_over_tls_for_the_standard_library(secure, trusting):
    with FaultServer(ssl_context=secure) as server:
        assert server.url.startswith("https://")
        client = http.client.HTTPSConnection(server.url.removeprefix("https://"), context=trusting)
        client.request("POST", "/v1/messages", b'{"stream": true}')
        response = client.getresponse()
        assert (response.status, response.read().count(b"event: message_stop")) == (200, 1)
        client.close()
        server.wait_idle()


@pytest.mark.parametrize(
    ("then", "polite"), [("end", True), ("close", False), ("reset", False)], ids=["end", "close", "reset"]
)
def test_c37_the_end_of_tls_is_announced_or_not(secure, trusting, then, polite):
    with FaultServer([Fault(framing="close", after=4, then=then)], ssl_context=secure) as server:
        host, port = server.url.removeprefix("https://").split(":")
        raw = socket.create_connection((host, int(port)), timeout=5)
        with trusting.wrap_socket(raw, server_hostname=host, suppress_ragged_eofs=False) as client:
            client.sendall(b'POST /v1/messages HTTP/1.1\r\nContent-Length: 16\r\n\r\n{"stream": true}')
            received = b""
            clean = None
            while clean is None:
                try:
                    data = client.recv(65536)
                    received += data
                    clean = None if data else True
                except (ssl.SSLEOFError, ConnectionResetError):
                    clean = False
        assert (received.count(b"event: "), clean) == (4, polite)


def test_c38plain_http_on_the_tls_port_and_an_unknown_authority(secure):
    with FaultServer(ssl_context=secure) as server:
        host, port = server.url.removeprefix("https://").split(":")
        plain = http.client.HTTPConnection(host, int(port), timeout=5)
        plain.request("GET", "/")
        with pytest.raises((http.client.HTTPException, OSError)):
            plain.getresponse()
        plain.close()
        doubting = http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context())
        with pytest.raises(ssl.SSLCertVerificationError):
            doubting.request("GET", "/")
        doubting.close()


def test_the_server_ends_while_a_client_has_not_shaken_hands(secure, connect):
    with FaultServer(ssl_context=secure) as server:
        for data in (b"", b"\x16\x03\x01"):
            connect(server).socket.sendall(data)
    gc.collect()
    assert server.connections == 0
