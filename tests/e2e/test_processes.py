"""FAULTS G73, G75, G77: forks, event loops, and names that do not resolve."""

import asyncio
import gc
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

import unbroken
from unbroken._wire import AsyncWireTransport, WireTransport
from unbroken._wire.resolve import THREADS
from unbroken.messages import Timeouts
from unbroken.transport import Connections
from unbroken_faults import FaultServer, faults

PATH = "/v1/messages"
SCRIPT = Path(__file__).parent / "forking.py"
PATIENT = Timeouts(connect=20, first_event=20, idle=20)


def echo(raw: Any, context: ssl.SSLContext | None = None) -> Any:
    """A server that says to each who he is, and keeps ``/slow`` waiting until somebody is called ``go``."""
    go = threading.Event()

    def serve(client: socket.socket, number: int) -> None:
        wire = client if context is None else context.wrap_socket(client.dup(), server_side=True)
        with wire:
            while True:
                request = raw.request(wire)
                name = re.search(rb"x-name: (\S+)", request.lower())[1]  # type: ignore[index]
                if name == b"go":
                    go.set()
                event = raw.EVENT.replace(b'_delta","', b'_delta","name":"%b","' % name)
                if b" /slow " in request:
                    wire.sendall(raw.HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + raw.chunk(event))
                    assert go.wait(30)
                    wire.sendall(raw.chunk(raw.STOP.replace(b"{", b'{"name":"-",')) + b"0\r\n\r\n")
                else:
                    wire.sendall(raw.whole(event, raw.STOP.replace(b"{", b'{"name":"-",')))

    return raw.server(serve)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("backend", ["sync", "asyncio"])
def test_a_fork_gets_no_answer_of_others_and_harms_no_stream(raw: Any, tmp_path: Path, backend: str, tls: bool) -> None:
    """G73: with idle connections and an open stream; the children call, leave and close."""
    context = file = None
    if tls:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        file = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(file))
    server = echo(raw, context)
    url = f"{'https' if tls else 'http'}://localhost:{server.url.rpartition(':')[2].partition('/')[0]}"
    command = [sys.executable, "-W", "error", str(SCRIPT), backend, url, str(file or "")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def acall(client: unbroken.AsyncClient, url: str) -> str:
    async with client.stream("POST", url, json={"stream": True}, timeouts=PATIENT) as stream:
        return [event.type async for event in stream][-1]


RUNS: dict[str, Callable[..., Any]] = {"asyncio": lambda function: asyncio.run(function()), "trio": trio.run}


@pytest.mark.parametrize("backend", RUNS)
def test_one_event_loop_after_the_other(backend: str) -> None:
    """G75: the connections of a loop end with it, without a warning; the next loop makes its own."""
    transport = AsyncWireTransport(Connections(verify=False))
    client = unbroken.AsyncClient([], dialect="anthropic", transport=transport)
    with FaultServer() as server:

        async def twice() -> None:
            assert await acall(client, server.url + PATH) == "message_stop"
            assert await acall(client, server.url + PATH) == "message_stop"
            assert transport.idle_connections() == 1

        for _ in range(3):
            RUNS[backend](twice)
            assert transport.open_connections() == 0
        server.wait_idle(20)
        assert {request.connection for request in server.requests} == {1, 2, 3}
        RUNS[backend](client.aclose)
    gc.collect()


def test_event_loops_in_several_threads_at_once() -> None:
    """G75: each has its own connections; closing the client in one closes those of the others."""
    transport = AsyncWireTransport(Connections(verify=False))
    client = unbroken.AsyncClient([], dialect="anthropic", transport=transport)
    together, closing = threading.Barrier(4), threading.Barrier(4)
    with FaultServer() as server:

        async def many(number: int) -> None:
            await acall(client, server.url + PATH)
            await asyncio.to_thread(together.wait, 20)
            await asyncio.gather(*(acall(client, server.url + PATH) for _ in range(5)))
            await asyncio.to_thread(closing.wait, 20)
            if number == 0:
                await client.aclose()
            await asyncio.to_thread(together.wait, 20)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: RUNS["asyncio"](lambda: many(number)), range(4)))
        assert transport.open_connections() == transport.requests_under_way() == 0
        server.wait_idle(20)
        assert len(server.requests) == 4 + 20


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_that_is_left_after_its_loop_was_closed_leaves_no_socket() -> None:
    """G75: a loop that was closed by hand, without its generators."""
    transport = AsyncWireTransport(Connections(verify=False))
    client = unbroken.AsyncClient([], dialect="anthropic", transport=transport)
    with FaultServer([faults.stall(after=5), faults.ok()]) as server:
        loop = asyncio.new_event_loop()
        stream = client.stream("POST", server.url + PATH, json={"stream": True})
        loop.run_until_complete(stream.__aenter__())
        loop.run_until_complete(acall(client, server.url + PATH))
        loop.close()
        asyncio.run(stream.__aexit__(None, None, None))  # type: ignore[arg-type]
        assert transport.requests_under_way() == 0
        RUNS["asyncio"](lambda: acall(client, server.url + PATH))
        assert transport.open_connections() == 0
        server.wait_idle(20)
    gc.collect()


def test_a_client_that_is_dropped_takes_its_connections_with_it() -> None:
    """G75: nobody closed it, and the loop goes on."""
    with FaultServer() as server:

        async def dropped() -> None:
            client = unbroken.AsyncClient([], dialect="anthropic", verify=False)
            await acall(client, server.url + PATH)
            del client
            gc.collect()
            await asyncio.to_thread(server.wait_idle, 20)

        asyncio.run(dropped())


class Names:
    """A resolver that knows ``*.good`` and hangs on ``*.dead``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = socket.getaddrinfo
        self.over = threading.Event()
        self.asked: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if options.get("flags", 0) & socket.AI_NUMERICHOST or not str(host).endswith((".dead", ".good")):
            return self._real(host, port, *arguments, **options)
        self.asked.append(host)
        if host.endswith(".dead"):
            self.over.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self._real("127.0.0.1", port, *arguments, **options)


def resolvers() -> int:
    return sum(thread.name == "unbroken-resolver" for thread in threading.enumerate())


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Names(monkeypatch)
    yield made
    made.over.set()
    for thread in threading.enumerate():
        if thread.name == "unbroken-resolver":
            thread.join(10)


def test_a_dead_name_holds_up_nobody_else(connect: Any, names: Names) -> None:
    """G77: one look-up for all who ask for it; healthy names are not affected, and cancelled waiters cost nothing."""
    caller = connect()
    with FaultServer() as server:
        port = server.url.rpartition(":")[2]
        quick = Timeouts(connect=0.1, first_event=20, idle=20)
        dead = [caller.start(f"http://a.dead:{port}{PATH}", timeouts=quick) for _ in range(100)]
        for _ in range(3):
            caller.call(f"http://b.good:{port}{PATH}").succeeded()
        for each in dead:
            each.result(60).failed(unbroken.TimeoutError)
        assert names.asked.count("a.dead") == 1
        assert resolvers() <= 2 < THREADS


def test_a_name_that_hangs_does_not_keep_asyncio_from_ending(names: Names) -> None:
    """G77: its look-up runs in no executor that the loop waits for."""

    async def impatient() -> None:
        async with unbroken.AsyncClient([], verify=False) as client:
            with pytest.raises(unbroken.TimeoutError):
                async with client.stream("GET", "http://c.dead:9/", timeouts=Timeouts(connect=0.01)):
                    pass

    asyncio.run(impatient())
    assert not names.over.is_set()
    assert resolvers() == 1


def test_closing_wakes_who_waits_for_a_name(connect: Any, names: Names) -> None:
    """G82: the client is closed while a name is looked up."""
    caller = connect()
    waiting = caller.start("http://d.dead:9/")
    while not names.asked:
        pass
    caller.shut()
    error = waiting.result(10).failed(unbroken.NetworkError)
    assert (error.message, error.is_local, error.retryable) == ("the client is closed", True, False)


def test_the_sync_transport_says_what_it_holds() -> None:
    transport = WireTransport(Connections(verify=False))
    assert transport.open_connections() == transport.idle_connections() == transport.requests_under_way() == 0
