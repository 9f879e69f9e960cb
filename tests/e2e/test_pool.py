"""FAULTS G74, G82, G83, G84 and the pool: stale connections, closing, two consumers, many of everything."""

import contextlib
import itertools
import os
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

import unbroken
from unbroken.messages import Timeouts
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_faults import Fault, FaultServer, faults

PATH = "/v1/messages"
JSON = {"stream": True}
PATIENT = Timeouts(connect=30, first_event=30, idle=30)


class Dropping:
    """Answers on each connection until it is told to drop all that are open."""

    def __init__(self, raw: Any, reset: bool) -> None:
        self._raw, self._reset = raw, reset
        self._open: list[socket.socket] = []
        self.server = raw.server(self._serve, backlog=512)
        self.gate = threading.Event()
        self.waiting = threading.Semaphore(0)

    def _serve(self, client: socket.socket, number: int) -> None:
        self._open.append(client)
        while True:
            self._raw.request(client)
            self.waiting.release()
            self.gate.wait(30)
            client.sendall(self._raw.whole())

    def together(self, caller: Any, count: int) -> None:
        """Make so many calls at once, so that there are so many connections."""
        self.gate.clear()
        calls = [caller.start(self.server.url, timeouts=PATIENT) for _ in range(count)]
        for _ in calls:
            assert self.waiting.acquire(timeout=30)
        self.gate.set()
        for each in calls:
            each.result(60).succeeded()

    def drop(self) -> None:
        for each in self._open:
            if self._reset:
                self._raw.reset(each)
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._open.clear()


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("count", [1, 2, 12, 40])
def test_idle_connections_that_the_peer_has_dropped_fail_no_call(
    connect: Any, raw: Any, count: int, reset: bool
) -> None:
    """G74: each call succeeds as one attempt, and a circuit breaker sees nothing of it."""
    caller = connect(plugins=[CircuitBreaker(failure_threshold=1)])
    dropping = Dropping(raw, reset)
    dropping.together(caller, count)
    assert caller.transport.idle_connections() == count
    dropping.drop()
    for _ in range(count + 1):
        seen = caller.call(dropping.server.url, timeouts=PATIENT).succeeded()
        assert (seen.stream.attempts, seen.stream.history) == (1, ())
    dropping.together(caller, count)


def test_a_kept_connection_that_fails_takes_the_others_of_its_origin_along(caller: Any, raw: Any) -> None:
    """G74: those that died without a word are found by the first request, and the second try is on a new one."""

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        together.wait(30)
        client.sendall(raw.whole())
        if number <= 3:
            raw.request(client)
            raw.reset(client)  # at the request, not before: it looks alive
            return
        raw.request(client)

    together = threading.Barrier(3)
    server = raw.server(serve)
    for each in [caller.start(server.url) for _ in range(3)]:
        each.result(30).succeeded()
    together = threading.Barrier(1)
    assert caller.transport.idle_connections() == 3
    assert caller.call(server.url).succeeded().stream.attempts == 1
    assert server.connections == 4
    assert caller.transport.idle_connections() == 1


def test_a_server_that_closes_behind_any_answer_fails_no_call(caller: Any, raw: Any) -> None:
    """G74, the race: the end may arrive before, while or after the next request is sent."""
    chance = random.Random(3)
    calls = int(os.environ.get("UNBROKEN_RACES", "150"))

    def serve(client: socket.socket, number: int) -> None:
        while True:
            raw.request(client)
            client.sendall(raw.whole())
            if chance.random() < 0.3:
                if chance.random() < 0.5:
                    raw.reset(client)
                return

    server = raw.server(serve)
    for _ in range(calls):
        seen = caller.call(server.url, timeouts=PATIENT)
        if isinstance(seen.error, unbroken.NetworkError) and "reset" in str(seen.error).lower():
            continue  # an RST overtakes bytes that were not read yet: then the answer itself was lost
        assert seen.succeeded().stream.attempts == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_many_tasks_make_no_more_connections_than_there_are_tasks(connect: Any) -> None:
    """Connections are handed on, also above a hundred: 500 tasks with 10 requests each make at most 501."""
    tasks, requests = 200, int(os.environ.get("UNBROKEN_REQUESTS", "3"))
    caller = connect()
    with FaultServer(default=Fault(framing="content-length")) as server:

        async def task() -> None:
            for _ in range(requests):
                async with caller.client.stream("POST", server.url + PATH, json=JSON, timeouts=PATIENT) as stream:
                    async for _ in stream:
                        pass

        async def all_tasks() -> None:
            async with anyio.create_task_group() as group:
                for _ in range(tasks):
                    group.start_soon(task)

        caller.run(all_tasks)
        assert len(server.requests) == tasks * requests
        assert len({request.connection for request in server.requests}) <= tasks + 1


def test_the_oldest_idle_connection_makes_room_for_another_origin(connect: Any) -> None:
    """max_connections counts what is idle as well."""
    caller = connect(max_connections=2)
    with FaultServer() as one, FaultServer() as two, FaultServer() as three:
        for server in (one, two, three, two):
            caller.call(server.url + PATH, timeouts=PATIENT).succeeded()
        assert caller.transport.idle_connections() == 2
        one.wait_idle()
        assert {request.connection for request in two.requests} == {1}


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


def closed(seen: Any, status: str = "failure") -> None:
    error = seen.failed(unbroken.NetworkError, status=status)
    assert (error.message, error.is_local, error.retryable) == ("the client is closed", True, False)


def begun(caller: Any, count: int) -> None:
    """Wait until so many exchanges are under way."""
    while caller.transport.requests_under_way() < count:
        threading.Event().wait(0.001)


def test_closing_ends_a_call_that_connects(caller: Any, full_port: int) -> None:
    """G82: a server that accepts nothing."""
    waiting = caller.start(f"http://127.0.0.1:{full_port}/", timeouts=PATIENT)
    begun(caller, 1)
    caller.shut()
    closed(waiting.result(30))


@pytest.mark.parametrize("tls", [False, True], ids=["head", "handshake"])
def test_closing_ends_a_call_that_waits_for_its_answer(connect: Any, raw: Any, tls: bool) -> None:
    """G82: the request, or the first word of the handshake, was sent."""
    arrived = threading.Event()

    def serve(client: socket.socket, number: int) -> None:
        raw.some(client)
        arrived.set()
        raw.some(client)

    caller = connect()
    url = raw.server(serve).url
    waiting = caller.start(url.replace("http:", "https:") if tls else url, timeouts=PATIENT)
    assert arrived.wait(30)
    caller.shut()
    closed(waiting.result(30))


def test_closing_ends_streams_and_waiters_and_says_so(connect: Any) -> None:
    """G82: a stalled stream, one that waits for its first event, one that waits for a connection."""
    caller = connect(max_connections=2)
    stalled = threading.Event()
    with FaultServer([faults.stall(after=5), faults.stall(after=0)]) as server:
        calls = [caller.start(server.url + PATH, lambda _: stalled.set(), timeouts=PATIENT)]
        assert stalled.wait(30)
        for count in (2, 3):
            calls.append(caller.start(server.url + PATH, timeouts=PATIENT))
            begun(caller, count)
        while len(server.requests) < 2:
            threading.Event().wait(0.001)
        caller.shut()
        for each in calls:
            closed(each.result(30))
        closed(caller.call(server.url + PATH), status="rejected")
        server.wait_idle()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_second_task_that_reads_a_stream_is_told_and_the_first_is_unharmed(caller: Any, raw: Any) -> None:
    """G83."""
    go = threading.Event()

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.sendall(raw.HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + raw.chunk(raw.EVENT))
        assert go.wait(30)
        client.sendall(raw.chunk(raw.EVENT) + raw.chunk(raw.STOP) + b"0\r\n\r\n")

    url = raw.server(serve).url

    async def two() -> list[str]:
        async with caller.client.stream("POST", url, json=JSON, timeouts=PATIENT) as stream:
            seen = [(await anext(stream)).type]

            async def first() -> None:
                seen.extend([event.type async for event in stream])

            async with anyio.create_task_group() as group:
                group.start_soon(first)
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(RuntimeError, match="another task or thread"):
                    await anext(stream)
                go.set()
            return seen

    assert caller.run(two) == ["content_block_delta"] * 2 + ["message_stop"]


@pytest.mark.parametrize("backend", ["sync"])
def test_a_second_thread_that_reads_a_stream_is_told_and_the_first_is_unharmed(caller: Any, raw: Any) -> None:
    """G83."""
    go, reading = threading.Event(), threading.Event()

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.sendall(raw.HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + raw.chunk(raw.EVENT))
        assert go.wait(30)
        client.sendall(raw.chunk(raw.EVENT) + raw.chunk(raw.STOP) + b"0\r\n\r\n")

    with caller.client.stream("POST", raw.server(serve).url, json=JSON, timeouts=PATIENT) as stream:
        seen = [next(stream).type]

        def first() -> None:
            reading.set()
            seen.extend(event.type for event in stream)

        thread = threading.Thread(target=first)
        thread.start()
        assert reading.wait(30)
        while not stream._driver._performing:
            threading.Event().wait(0.001)
        with pytest.raises(RuntimeError, match="another task or thread"):
            next(stream)
        go.set()
        thread.join(30)
    assert seen == ["content_block_delta"] * 2 + ["message_stop"]


def test_a_consumer_that_reads_nothing_holds_the_server_up(caller: Any, raw: Any) -> None:
    """Back-pressure: what waits, waits in one bounded buffer and in the kernel, not in memory."""
    sent = itertools.count()
    stuck = threading.Event()

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        client.sendall(raw.HEAD + b"Content-Length: 100000000\r\n\r\n" + raw.EVENT)
        client.settimeout(1)
        try:
            for _ in range(1500):
                client.sendall(b":" * 65535 + b"\n")
                next(sent)
        except TimeoutError:
            stuck.set()

    def consume(_: unbroken.Event) -> bool:
        assert stuck.wait(30)
        return False

    async def aconsume(url: str) -> None:
        async with caller.client.stream("POST", url, json=JSON, timeouts=PATIENT) as stream:
            await anext(stream)
            assert await anyio.to_thread.run_sync(stuck.wait, 30)

    url = raw.server(serve).url
    if caller.backend == "sync":
        caller.call(url, consume, timeouts=PATIENT)
    else:
        caller.run(aconsume, url)
    assert next(sent) < 400  # of 1500


# Raw bytes.


def mutated(chance: random.Random, raw: Any) -> tuple[bytes, bool]:
    """Return an answer of some framing, with or without bytes behind its end, and whether it was damaged."""
    body = (raw.EVENT * chance.randrange(3)) + (raw.STOP if chance.random() < 0.8 else b"")
    kind = chance.choice(["length", "chunked", "close", "both"])
    if kind == "length":
        whole = raw.HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    elif kind == "close":
        whole = raw.HEAD + b"\r\n" + body
    else:
        pieces = [body[start : start + 40] for start in range(0, len(body), 40)]
        both = b"Content-Length: 5\r\n" if kind == "both" else b""
        chunks = b"".join(map(raw.chunk, pieces)) + b"0\r\n\r\n"
        whole = raw.HEAD + both + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    damaged = bytearray(whole)
    damages = chance.choice([0, 0, 1, 1, 2, 5])
    for _ in range(damages):
        at = chance.randrange(len(damaged) + 1)
        damaged[at : at + chance.choice([0, 1, 1, 4])] = chance.choice(
            [b"", b"\x00", b"\r\n", b"\n", b":", b" ", b"\xff", b"0", b"HTTP/1.1 200 OK\r\n\r\n", b"A" * 300]
        )
    return bytes(damaged) + chance.choice([b"", b"", b"", b"garbage", raw.whole()]), damages > 0 or kind == "close"


def test_whatever_bytes_come_a_call_ends_with_a_typed_error_or_success(caller: Any, raw: Any) -> None:
    """B, C36: with a pool that is whole afterwards, and with no answer that belongs to another request."""
    chance = random.Random(int(os.environ.get("UNBROKEN_SEED", "11")))
    times = int(os.environ.get("UNBROKEN_FUZZ", "7000"))

    def serve(client: socket.socket, number: int) -> None:
        damaged = False
        while not damaged:  # behind a damaged length the client would wait
            raw.request(client)
            answer, damaged = mutated(chance, raw)
            client.sendall(answer)

    url = raw.server(serve).url
    ends: dict[str, int] = {}
    for _ in range(times):
        error = caller.call(url, timeouts=PATIENT).error
        assert error is None or isinstance(error, unbroken.Error), repr(error)
        assert not isinstance(error, unbroken.PluginError), repr(error)
        ends[type(error).__name__] = ends.get(type(error).__name__, 0) + 1
        caller.expect_nothing_held()
    assert ends["NoneType"] > times / 10
    assert ends["NetworkError"] > times / 10


def test_a_body_that_is_cut_at_any_byte_is_an_error(caller: Any, raw: Any) -> None:
    """C36, C37: of every framing."""
    body = raw.EVENT + raw.STOP
    chunks = raw.chunk(raw.EVENT) + raw.chunk(raw.STOP)
    wholes = [
        (raw.HEAD + b"Content-Length: %d\r\n\r\n" % len(body), body, len(body)),
        (raw.HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunks, len(chunks) - 2),
    ]
    script = [(head, data[:cut]) for head, data, stop in wholes for cut in range(0, stop, 3)]
    left = iter(script)

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.sendall(b"".join(next(left)))

    url = raw.server(serve).url
    for _ in script:
        error = caller.call(url, timeouts=PATIENT).error
        assert isinstance(error, unbroken.NetworkError), repr(error)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_in_the_handshake(connect: Any, raw: Any) -> None:
    """E57: nothing stays open of a handshake that was cancelled."""
    arrived = threading.Event()

    def serve(client: socket.socket, number: int) -> None:
        raw.some(client)
        arrived.set()
        with pytest.raises(EOFError):
            raw.some(client)
        gone.set()

    gone = threading.Event()
    caller = connect()
    url = raw.server(serve).url.replace("http:", "https:")

    async def cancelled() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(caller.client.stream("POST", url, json=JSON, timeouts=PATIENT).__aenter__)
            assert await anyio.to_thread.run_sync(arrived.wait, 30)
            group.cancel_scope.cancel()

    caller.run(cancelled)
    assert gone.wait(30)


def test_thousands_of_failures_leave_nothing(caller: Any, raw: Any) -> None:
    """G84: threads and descriptors are as before."""
    chance = random.Random(5)

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        client.sendall(raw.whole()[: chance.randrange(200)])
        if chance.random() < 0.5:
            raw.reset(client)

    url = raw.server(serve).url
    caller.call(url, timeouts=PATIENT)
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(int(os.environ.get("UNBROKEN_FAILURES", "200"))):
        caller.call(url, timeouts=PATIENT)
    assert caller.transport.open_connections() <= 1
    assert len(list(Path("/dev/fd").iterdir())) <= before + 20
