"""FAULTS C34, C35, C39 and the pool: getting to a server, and to the head of its response."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

import unbroken
from unbroken.messages import Timeouts
from unbroken_faults import FaultServer, faults
from unbroken_retry import Retry

pytestmark = pytest.mark.in_matrix

PATH = "/v1/messages"
EAGER = {"initial_delay": 0.0, "jitter": 0.0}
QUICK = Timeouts(connect=0.2, first_event=5, idle=5)
_HOLES = itertools.count()


def retrying(connect: Any, **arguments: Any) -> Any:
    return connect(plugins=[Retry(max_retries=2, initial_delay=0.001)], **arguments)


@pytest.fixture
def dead_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose backlog is full: the kernel answers no SYN."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = int(server.getsockname()[1])
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


@pytest.fixture
def black_hole(connect: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A host whose name is looked up for ever; until before the clients are closed: asyncio waits for its threads.

    It is another in each test, as calls share the look-up of a name, also one that an earlier test has left behind.
    """
    name = f"black-{next(_HOLES)}.hole"
    real, over = socket.getaddrinfo, threading.Event()

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        flags = arguments[4] if len(arguments) > 4 else options.get("flags", 0)
        if host in {name, name.encode()} and not flags & socket.AI_NUMERICHOST:
            over.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield f"http://{name}/"
    over.set()


def test_a_refused_connection_is_retried(connect: Any, dead_port: int) -> None:
    """C34 refused: NetworkError, each try of its own."""
    error = retrying(connect).call(f"http://127.0.0.1:{dead_port}/").failed(unbroken.NetworkError)
    assert error.retryable
    assert error.phase == "connect"
    assert len(error.history) == 3


def test_a_name_that_nobody_knows_is_retried(connect: Any) -> None:
    """C34 DNS failure."""
    error = retrying(connect).call("http://nobody.invalid/").failed(unbroken.NetworkError)
    assert error.phase == "connect"
    assert len(error.history) == 3


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".invalid", "xn--a", "-", "[::1%nope]", "[v1.x]", "\u2024"])
def test_a_name_that_cannot_be_one_is_a_typed_error(caller: Any, host: str) -> None:
    """C34: what the resolver cannot even encode hangs nobody and is nobody's bug."""
    try:
        seen = caller.call(f"http://{host}:9/")
    except unbroken.ConfigurationError:
        return
    assert isinstance(seen.error, unbroken.NetworkError | unbroken.ConfigurationError), repr(seen.error)


def test_a_name_with_two_addresses_is_tried_at_both(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """C34: refused at the first address is no failure while there is a second."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host not in {"two.example", b"two.example"}:
            return real(host, port, *arguments, **options)
        found = [("127.0.0.2", port), ("127.0.0.1", port)]
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", each) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with FaultServer() as server:
        port = server.url.rpartition(":")[2]
        connect().call(f"http://two.example:{port}{PATH}").succeeded()


def test_a_full_backlog_is_a_connect_timeout(connect: Any, full_port: int) -> None:
    """C34 black hole: the connect clock, retried."""
    seen = retrying(connect).call(f"http://127.0.0.1:{full_port}/", timeouts=QUICK)
    error = seen.failed(unbroken.TimeoutError)
    assert (error.timeout, error.seconds, len(error.history)) == ("connect", 0.2, 3)


def test_a_hung_resolver_is_a_connect_timeout(caller: Any, black_hole: str) -> None:
    """C34 DNS black hole: getaddrinfo() knows no timeout, the connect clock does."""
    error = caller.call(black_hole, timeouts=QUICK).failed(unbroken.TimeoutError)
    assert error.timeout == "connect"
    assert error.phase == "connect"


def test_a_hung_resolver_is_a_total_timeout(caller: Any, black_hole: str) -> None:
    """C34: the total clock counts while connecting."""
    timeouts = Timeouts(connect=5, first_event=5, idle=5, total=0.2)
    error = caller.call(black_hole, timeouts=timeouts).failed(unbroken.TimeoutError)
    assert error.timeout == "total"


def test_a_full_pool_is_a_local_connect_timeout(connect: Any) -> None:
    """C34 pool exhaustion: said to be local, and over when a connection becomes free."""
    caller = connect(max_connections=1)
    arrived = threading.Event()
    with FaultServer([faults.stall(after=5)]) as server:
        long = caller.start(
            server.url + PATH, lambda _: arrived.set(), timeouts=Timeouts(connect=5, first_event=5, idle=0.6)
        )
        assert arrived.wait(5)
        error = caller.call(server.url + PATH, timeouts=QUICK).failed(unbroken.TimeoutError)
        assert (error.timeout, error.is_local) == ("connect", True)
        waiting = caller.start(server.url + PATH)
        assert long.result().failed(unbroken.TimeoutError).timeout == "idle"
        waiting.result().succeeded()


def test_who_waits_for_a_connection_keeps_his_own_clocks(connect: Any) -> None:
    """C34, C71: calls that wait for the same connection do not put their clocks on each other."""
    caller = connect(max_connections=1)
    arrived = threading.Event()

    def hold(_: Any) -> None:
        arrived.set()
        time.sleep(0.006)

    with FaultServer([faults.ok(words=8)], default=faults.drip(after=-1, interval=0.009)) as server:
        first = caller.start(server.url + PATH, hold)
        assert arrived.wait(5)
        patient = [caller.start(server.url + PATH) for _ in range(3)]
        hasty = [
            caller.start(server.url + PATH, timeouts=Timeouts(connect=0.3, first_event=0.3, idle=5)) for _ in range(3)
        ]
        first.result().succeeded()
        for each in hasty:
            seen = each.result()
            assert seen.error is None or (seen.error.timeout, seen.error.is_local) == ("connect", True)
        for each in patient:
            each.result().succeeded()


def test_many_calls_share_few_connections(connect: Any) -> None:
    """The pool hands its connections on, and opens no more than it may."""
    caller = connect(max_connections=3)
    with FaultServer() as server:
        for each in [caller.start(server.url + PATH) for _ in range(60)]:
            each.result().succeeded()
        assert len(server.requests) == 60
        assert len({request.connection for request in server.requests}) <= 3


@pytest.mark.parametrize("fault", [faults.reset(), faults.hang_up()], ids=["C35-reset", "C35-closed"])
def test_a_connection_lost_before_the_head_is_retried(connect: Any, fault: Any) -> None:
    """C35: nothing has come of it yet."""
    with FaultServer([fault]) as server:
        seen = retrying(connect).call(server.url + PATH).succeeded()
        assert seen.stream.attempts == 2
        assert seen.stream.history[0].error == "NetworkError"
        assert len(server.requests) == 2


def test_a_connection_lost_before_the_first_event_is_retried(connect: Any) -> None:
    """C35: preamble is not content."""
    with FaultServer([faults.reset(after=2)]) as server:
        assert retrying(connect).call(server.url + PATH).succeeded().stream.attempts == 2


def test_a_connection_lost_after_the_first_event_is_an_error(connect: Any) -> None:
    """C35: what has been delivered stands, and nothing begins again."""
    with FaultServer([faults.reset(after=5)]) as server:
        seen = retrying(connect).call(server.url + PATH)
        seen.failed(unbroken.NetworkError)
        assert len(seen.events) <= 5
        assert len(server.requests) == 1


def stale(raw: Any, after: bytes = b"", times: int = 1) -> Any:
    """A server that breaks off, after `after`, the second answer on each of the first `times` connections."""

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.sendall(raw.whole())
        raw.request(client)
        if number > times:
            client.sendall(raw.whole())
            raw.request(client)
        client.sendall(after)
        raw.reset(client) if number % 2 else client.close()

    return raw.server(serve)


def test_a_kept_connection_that_has_gone_is_replaced_unseen(caller: Any, raw: Any) -> None:
    """C39: a race that nobody is to blame for; it is one call and one attempt."""
    server = stale(raw)
    caller.call(server.url).succeeded()
    seen = caller.call(server.url).succeeded()
    assert (seen.stream.attempts, seen.stream.history) == (1, ())
    assert server.connections == 2


class Unrepeatable:
    """Marks every request as one with side effects."""

    @unbroken.hookimpl
    def before_request(self, call: unbroken.Call, request: unbroken.Request) -> unbroken.Request:
        return attrs.evolve(request, repeatable=False)


def test_a_request_that_is_not_repeatable_is_not_sent_on_a_second_connection(connect: Any, raw: Any) -> None:
    """The server may have acted upon it and then broken off. The next call finds a new connection."""
    server = stale(raw)
    caller = connect(plugins=[Unrepeatable()])
    caller.call(server.url).succeeded()
    caller.call(server.url).failed(unbroken.NetworkError)
    assert server.connections == 1
    caller.call(server.url).succeeded()
    assert server.connections == 2


def test_a_kept_connection_that_began_to_answer_is_not_replaced(caller: Any, raw: Any) -> None:
    """C39: after one byte the server may have acted upon the request."""
    server = stale(raw, after=b"H")
    caller.call(server.url).succeeded()
    caller.call(server.url).failed(unbroken.NetworkError)
    assert server.connections == 1


def test_a_new_connection_that_goes_is_not_replaced(caller: Any, raw: Any) -> None:
    """C39: that is a failure, which the policies decide about; and never twice."""

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        if number == 1:
            client.sendall(raw.whole())
            raw.request(client)

    server = raw.server(serve)
    caller.call(server.url).succeeded()
    caller.call(server.url).failed(unbroken.NetworkError)
    assert server.connections == 2


def test_a_connection_closed_while_idle_is_not_even_tried(caller: Any) -> None:
    """C39: a close that has arrived is seen beforehand."""
    with FaultServer([faults.close_idle(), faults.close_idle()]) as server:
        caller.call(server.url + PATH).succeeded()
        server.wait_idle()
        caller.call(server.url + PATH).succeeded()
        assert [request.connection for request in server.requests] == [1, 2]


def test_the_replacement_has_its_own_failures(caller: Any, raw: Any) -> None:
    """C39: the server that closed the kept connection may have gone altogether."""
    holder: list[Any] = []

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.sendall(raw.whole())
        raw.request(client)
        holder[0]._listener.shutdown(socket.SHUT_RDWR)
        holder[0]._listener.close()

    holder.append(raw.server(serve))
    caller.call(holder[0].url).succeeded()
    error = caller.call(holder[0].url).failed(unbroken.NetworkError)
    assert error.phase == "connect"


def test_an_unanswered_kept_connection_runs_into_the_clock(caller: Any, raw: Any) -> None:
    """C39: silence is no sign of a closed connection; the first-event clock decides."""

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.sendall(raw.whole())
        raw.request(client)
        raw.some(client)

    server = raw.server(serve)
    caller.call(server.url).succeeded()
    seen = caller.call(server.url, timeouts=Timeouts(connect=5, first_event=0.2, idle=5))
    assert seen.failed(unbroken.TimeoutError).timeout == "first_event"
    assert server.connections == 1
