"""FAULTS E57, E66, E72: the consumer leaves, in every way and at every moment, and nothing is left behind."""

import asyncio
import contextlib
import itertools
import os
import random
import select
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio
import trustme

import unbroken
from unbroken.messages import Timeouts
from unbroken_faults import Fault, FaultServer, ReceivedRequest, faults

pytestmark = pytest.mark.in_matrix

PATH = "/v1/messages"
JSON = {"stream": True}
TIMEOUTS = Timeouts(connect=10, first_event=10, idle=10)


class Boom(Exception):
    """Raised by a consumer."""


def settled(caller: Any, server: FaultServer) -> None:
    """The server has no connection but those that are kept, and the next request works."""
    caller.expect_nothing_held()
    end = time.monotonic() + 3
    while server.connections != caller.transport.open_connections():
        assert time.monotonic() < end, (server.connections, caller.transport.open_connections())
        time.sleep(0.005)
    server.push(Fault())
    caller.call(server.url + PATH, headers={"x-unbroken-fault": "ok"}).succeeded()


@pytest.fixture
def rule() -> Callable[[ReceivedRequest], Fault]:
    """A bit of everything, in turn."""
    kinds = itertools.cycle(
        [
            faults.silence(),
            faults.stall(after=0),
            faults.stall(after=5),
            faults.sliced(20, 60, delay=0.0005),
            faults.keep_open(),
            faults.ok(),
            faults.pings(after=5, interval=0.001),
        ]
    )
    return lambda _: next(kinds)


@pytest.mark.parametrize("events", [1, 4, 5])
@pytest.mark.parametrize("fault", [faults.stall(after=5), faults.ok(), faults.sliced(1, 9, delay=0.0005)])
def test_breaking_out(caller: Any, fault: Fault, events: int) -> None:
    """E66: cancelled, no error, the connection closed."""
    with FaultServer([fault]) as server:
        count = itertools.count(1)
        seen = caller.call(server.url + PATH, lambda _: next(count) < events)
        assert (seen.error, seen.status, len(seen.events)) == (None, "cancelled", events)
        assert caller.transport.open_connections() == 0
        settled(caller, server)


def test_breaking_out_at_the_terminal_event_is_success(caller: Any) -> None:
    """E66: nothing was missed, so the connection is kept too."""
    with FaultServer() as server:
        seen = caller.call(server.url + PATH, lambda event: event.type != "message_stop")
        assert seen.status == "success"
        settled(caller, server)
        assert {request.connection for request in server.requests} == {1}


def test_a_consumer_that_raises(caller: Any) -> None:
    """E66: its exception comes out as it is."""

    def consume(_: unbroken.Event) -> None:
        raise Boom

    with FaultServer([faults.stall(after=5)]) as server:
        seen = caller.call(server.url + PATH, consume)
        assert isinstance(seen.error, Boom)
        assert seen.status == "cancelled"
        settled(caller, server)


def test_a_stream_that_is_dropped_is_closed_with_a_warning(caller: Any) -> None:
    """E66: whoever never leaves the block is told, and holds nothing."""
    with FaultServer([faults.stall(after=5)]) as server:

        def drop() -> None:
            stream = caller.client.stream("POST", server.url + PATH, json=JSON)
            stream.__enter__()
            next(stream)

        async def adrop() -> None:
            stream = caller.client.stream("POST", server.url + PATH, json=JSON)
            await stream.__aenter__()
            await stream.__anext__()

        with pytest.warns(ResourceWarning, match="dropped"):
            drop() if caller.backend == "sync" else caller.run(adrop)
        settled(caller, server)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_stream_that_is_dropped_outside_of_any_task_is_closed(caller: Any) -> None:
    """E66: the garbage collector runs whenever it likes, also where no task is."""
    with FaultServer([faults.stall(after=5)]) as server:

        async def drop() -> None:
            streams = [caller.client.stream("POST", server.url + PATH, json=JSON)]
            await streams[0].__aenter__()
            await streams[0].__anext__()
            if caller.backend == "asyncio":
                asyncio.get_running_loop().call_soon(streams.clear)
            else:
                trio.lowlevel.current_trio_token().run_sync_soon(streams.clear)
            await anyio.sleep(0.01)
            assert streams == []

        with pytest.warns(ResourceWarning, match="dropped"):
            caller.run(drop)
        settled(caller, server)


async def cancelled_twice_asyncio(caller: Any, url: str, chance: random.Random, **call: Any) -> None:
    async def consume() -> None:
        async with caller.client.stream("POST", url, json=JSON, timeouts=TIMEOUTS, **call) as stream:
            async for _ in stream:
                pass

    task = asyncio.create_task(consume())
    if chance.random() < 0.5:
        for _ in range(chance.randrange(60)):
            await asyncio.sleep(0)
    else:
        await asyncio.sleep(chance.random() * chance.choice([0.002, 0.02, 0.06]))
    for _ in range(chance.choice([1, 2, 2, 2, 3, 5])):
        task.cancel()
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def cancelled_twice_trio(caller: Any, url: str, chance: random.Random, **call: Any) -> None:
    async def consume(outer: trio.CancelScope, inner: trio.CancelScope) -> None:
        with outer, inner:
            async with caller.client.stream("POST", url, json=JSON, timeouts=TIMEOUTS, **call) as stream:
                async for _ in stream:
                    pass

    scopes = trio.CancelScope(), trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume, *scopes)
        if chance.random() < 0.5:
            for _ in range(chance.randrange(30)):
                await trio.lowlevel.checkpoint()
        else:
            await trio.sleep(chance.random() * chance.choice([0.002, 0.02, 0.06]))
        for scope in reversed(scopes):
            scope.cancel()
            for _ in range(chance.randrange(3)):
                await trio.lowlevel.checkpoint()


TIMES = int(os.environ.get("UNBROKEN_CANCELS", "1000"))
CANCELLED_TWICE = {"asyncio": cancelled_twice_asyncio, "trio": cancelled_twice_trio}


async def many(caller: Any, url: str, times: int, **call: Any) -> int:
    """Returns how many tasks are left."""
    chance = random.Random(7)

    async def work() -> None:
        for _ in range(times // 20):
            await CANCELLED_TWICE[caller.backend](caller, url, chance, **call)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(work)
    await anyio.sleep(0.01)
    return len(asyncio.all_tasks()) if caller.backend == "asyncio" else 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(("limit", "times"), [(1000, TIMES), (5, TIMES // 5)], ids=["E66-free", "E66-crowded"])
def test_a_thousand_double_cancellations_leave_nothing(connect: Any, rule: Any, limit: int, times: int) -> None:
    """E66: while connecting, waiting for a connection, for the head or for the body, and while letting go."""
    caller = connect(max_connections=limit)
    with FaultServer(rule) as server:
        before = caller.run(many, caller, server.url + PATH, 0)
        assert caller.run(many, caller, server.url + PATH, times) == before
        settled(caller, server)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_double_cancellations_over_tls_leave_nothing(connect: Any, rule: Any) -> None:
    """E66: in the handshake as well."""
    authority = trustme.CA()
    server_side, client_side = (
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    caller = connect(verify=client_side)
    with FaultServer(rule, ssl_context=server_side) as server:
        caller.run(many, caller, server.url + PATH, 60)
        settled(caller, server)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancellations_in_the_look_up_leave_nothing(connect: Any, rule: Any) -> None:
    """E57: names take their time."""
    caller = connect()
    with FaultServer(rule) as server:
        caller.run(many, caller, server.url.replace("127.0.0.1", "localhost") + PATH, 60)
        settled(caller, server)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_upload_closes_the_socket_at_once(caller: Any, raw: Any) -> None:
    """E57: what could not be sent yet is not kept for a server that takes nothing."""
    begun, cancelled = threading.Event(), threading.Event()
    taken: Queue[int] = Queue()

    def serve(client: socket.socket, number: int) -> None:
        client.recv(1)
        begun.set()
        assert cancelled.wait(5)
        seen = 1
        with contextlib.suppress(ConnectionError):
            while piece := client.recv(1 << 20):
                seen += len(piece)
        taken.put(seen)

    server = raw.server(serve)

    async def leave() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(upload)
            assert await anyio.to_thread.run_sync(begun.wait, 5)
            await anyio.sleep(0.05)
            group.cancel_scope.cancel()

    async def upload() -> None:
        async with caller.client.stream("POST", server.url, content=b"x" * 16_000_000, timeouts=TIMEOUTS):
            pass

    caller.run(leave)
    cancelled.set()
    assert taken.get(timeout=5) < 16_000_000
    caller.expect_nothing_held()
    assert caller.transport.open_connections() == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancellation_while_letting_go_is_not_lost(caller: Any) -> None:
    """E66: it is raised once all is let go."""
    with FaultServer([faults.keep_open()] * 2) as server:

        async def consume(seen: list[str], complete: anyio.Event) -> None:
            async with caller.client.stream("POST", server.url + PATH, json=JSON) as stream:
                async for event in stream:
                    seen.append(event.type)
                    if event.type == "message_stop":
                        complete.set()
            seen.append("left")

        async def interrupted() -> list[str]:
            seen: list[str] = []
            complete = anyio.Event()
            async with anyio.create_task_group() as group:
                group.start_soon(consume, seen, complete)
                await complete.wait()
                group.cancel_scope.cancel()
            return seen

        assert caller.run(interrupted)[-1] == "message_stop"
        settled(caller, server)


@pytest.mark.parametrize("backend", ["asyncio"])
def test_a_cancellation_while_the_connection_is_given_back_is_not_lost(caller: Any, raw: Any) -> None:
    """E66: it is raised, and the pool's books are in order."""

    def serve(client: socket.socket, number: int) -> None:
        while raw.request(client):
            client.sendall(raw.whole())

    server = raw.server(serve)

    async def consume(stream: Any) -> None:
        async with stream:
            async for event in stream:
                if event.type == "message_stop":
                    task = asyncio.current_task()
                    assert task is not None
                    task.cancel()

    async def cancelled() -> Any:
        stream = caller.client.stream("POST", server.url, json=JSON)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(consume(stream))
        return stream

    assert caller.run(cancelled).outcome.status == "success"
    caller.expect_nothing_held()
    caller.call(server.url).succeeded()


def test_what_the_server_has_closed_meanwhile_is_not_used_again(caller: Any, raw: Any) -> None:
    """E66: the idle connection beside a stream that is left."""
    both, close, closed = threading.Barrier(2), threading.Event(), threading.Event()

    def serve(client: socket.socket, number: int) -> None:
        raw.request(client)
        if number > 2:
            client.sendall(raw.whole())
            return
        both.wait(5)
        client.sendall(raw.whole())
        while not close.is_set():
            if select.select([client], [], [], 0.01)[0]:
                raw.request(client)
                client.sendall(raw.HEAD + b"Content-Length: 999\r\n\r\n" + raw.EVENT)
                raw.some(client)
        client.close()
        closed.set()

    server = raw.server(serve)
    for each in [caller.start(server.url) for _ in range(2)]:
        each.result().succeeded()
    assert caller.transport.idle_connections() == 2

    def leave(_: unbroken.Event) -> bool:
        close.set()
        assert closed.wait(5)
        return False

    caller.call(server.url, leave)
    caller.expect_nothing_held()
    assert caller.transport.open_connections() <= 1
    assert caller.call(server.url).succeeded().stream.attempts == 1
    assert server.connections == 3


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_streams_of_a_task_group_that_is_cancelled(caller: Any) -> None:
    """E72: each is closed, and one of them is left within a `finally`."""
    with FaultServer(default=faults.stall(after=5)) as server:

        async def stream_in_finally() -> None:
            try:
                await anyio.sleep(10)
            finally:
                with anyio.CancelScope(shield=True):
                    async with caller.client.stream("POST", server.url + PATH, json=JSON) as stream:
                        async for _ in stream:
                            break

        async def stall(ready: anyio.Semaphore) -> None:
            async with contextlib.AsyncExitStack() as stack:
                stream = await stack.enter_async_context(caller.client.stream("POST", server.url + PATH, json=JSON))
                async for _ in stream:
                    ready.release()

        async def group_cancelled() -> None:
            ready = anyio.Semaphore(0)
            async with anyio.create_task_group() as group:
                group.start_soon(stream_in_finally)
                for _ in range(10):
                    group.start_soon(stall, ready)
                for _ in range(50):
                    await ready.acquire()
                group.cancel_scope.cancel()

        caller.run(group_cancelled)
        assert len(server.requests) == 11
        settled(caller, server)


@pytest.mark.parametrize("backend", ["sync"])
def test_leaving_within_finally_and_exit_stack(caller: Any) -> None:
    """E72: blocking."""
    with FaultServer(default=faults.stall(after=5)) as server:
        with contextlib.suppress(Boom), contextlib.ExitStack() as stack:
            outer = stack.enter_context(caller.client.stream("POST", server.url + PATH, json=JSON))
            next(outer)
            try:
                raise Boom
            finally:
                with caller.client.stream("POST", server.url + PATH, json=JSON) as stream:
                    for _ in stream:
                        break
        settled(caller, server)


def consume(stream: Any, each: Callable[[unbroken.Event], Any]) -> None:
    with stream:
        for event in stream:
            each(event)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C interrupts; a job in the background of a shell is started with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("backend", ["sync"])
def test_an_interrupt_in_the_consumer(caller: Any) -> None:
    """E57: Ctrl-C between two events."""
    with FaultServer([faults.stall(after=5)]) as server:
        stream = caller.client.stream("POST", server.url + PATH, json=JSON)
        with pytest.raises(KeyboardInterrupt):
            consume(stream, lambda _: signal.raise_signal(signal.SIGINT))
        assert stream.outcome.status == "cancelled"
        settled(caller, server)


@pytest.fixture
def alarm() -> Iterator[Callable[[float], None]]:
    """Interrupt the main thread after so many seconds."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds) and None
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("backend", ["sync"])
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param(faults.silence(), "cancelled", id="E57-head"),
        pytest.param(faults.stall(after=0), "cancelled", id="E57-first-event"),
        pytest.param(faults.stall(after=5), "cancelled", id="E57-body"),
    ],
)
def test_an_interrupt_while_waiting(caller: Any, alarm: Callable[[float], None], fault: Fault, status: str) -> None:
    """E57: Ctrl-C while the socket is silent."""
    with FaultServer([fault]) as server:
        stream = caller.client.stream("POST", server.url + PATH, json=JSON, timeouts=TIMEOUTS)
        alarm(0.1)
        with pytest.raises(KeyboardInterrupt):
            consume(stream, lambda _: None)
        assert stream.outcome.status == status
        settled(caller, server)


@pytest.mark.parametrize("backend", ["sync"])
def test_an_interrupt_while_letting_go(caller: Any, alarm: Callable[[float], None]) -> None:
    """E57: Ctrl-C while the end of the body is looked for; it comes out, and the connection is closed."""
    with FaultServer([faults.keep_open()]) as server:
        stream = caller.client.stream("POST", server.url + PATH, json=JSON, timeouts=TIMEOUTS)
        with pytest.raises(KeyboardInterrupt):
            consume(stream, lambda event: event.type == "message_stop" and alarm(0.02))
        settled(caller, server)


@pytest.mark.parametrize("backend", ["sync"])
def test_an_interrupt_while_waiting_for_a_connection(connect: Any, alarm: Callable[[float], None]) -> None:
    """E57: Ctrl-C in the queue of the pool."""
    caller = connect(max_connections=1)
    with FaultServer([faults.stall(after=5)]) as server:
        with caller.client.stream("POST", server.url + PATH, json=JSON) as first:
            next(first)
            stream = caller.client.stream("POST", server.url + PATH, json=JSON, timeouts=TIMEOUTS)
            alarm(0.05)
            with pytest.raises(KeyboardInterrupt), stream:
                pass
        settled(caller, server)
