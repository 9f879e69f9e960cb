"""Calls over real sockets on a system that lacks what Unix has: made up here, by taking it away."""

import asyncio
import os
import select
import socket
from typing import Any

import pytest

import unbroken
from unbroken._wire import sockets
from unbroken._wire.errors import translated
from unbroken._wire.sockets import layers, sync
from unbroken_faults import Fault, FaultServer, faults
from unbroken_retry import Retry
from unbroken_timeout import Timeout

BODY = {"model": "m", "max_tokens": 8, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no `select.poll`, as few builds for macOS have none."""
    monkeypatch.delattr(select, "poll")
    monkeypatch.setattr(sockets, "HAS_POLL", False)
    monkeypatch.setattr(layers, "HAS_POLL", False)


def asked(server: FaultServer, script: list[Fault], calls: int = 1) -> list[str]:
    """Return the texts of so many calls of one client."""
    server.push(*script)
    plugins: list[Any] = [Timeout(first_event=0.5, idle=0.5), Retry(initial_delay=0.01)]
    texts: list[str] = []
    with unbroken.Client(plugins, dialect="anthropic") as client:
        for _ in range(calls):
            with client.stream("POST", f"{server.url}/v1/messages", json=BODY) as stream:
                texts.append("".join(stream.text()))
    return texts


@pytest.mark.usefixtures("without_poll")
def test_sync_calls_need_no_poll() -> None:
    """They wait by `select.select`: until they are connected, for bytes, and to see whether an idle one is closed."""
    with FaultServer() as server:
        assert asked(server, [faults.ok(text="Hello there.")] * 3, calls=3) == ["Hello there."] * 3
        assert server.requests[-1].connection == server.requests[0].connection


@pytest.mark.usefixtures("without_poll")
def test_timeouts_and_retries_need_no_poll() -> None:
    """A server that is silent, and one that resets the connection."""
    with FaultServer() as server:
        assert asked(server, [faults.silence(), faults.reset(), faults.ok(text="At last.")]) == ["At last."]
        assert len(server.requests) == 3


@pytest.mark.usefixtures("without_poll")
def test_a_closed_port_is_an_error_without_poll() -> None:
    """Also where a failed attempt is an exceptional condition, not a writable socket."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with unbroken.Client([], dialect="sse") as client, pytest.raises(unbroken.NetworkError):
        client.stream("GET", f"http://127.0.0.1:{port}/").__enter__()


def test_a_socket_error_of_windows_has_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """`os.strerror` does not know them there, `socket.errorTab` does."""
    monkeypatch.setattr(socket, "errorTab", {10061: "Connection refused."}, raising=False)
    assert sync.reason(10061) == "Connection refused."
    assert sync.reason(2) == os.strerror(2)


@pytest.mark.parametrize("number", [10053, 10054, 10060])
def test_a_reset_of_windows_is_a_network_error(number: int) -> None:
    """An error that has its number alone is the failure of an attempt like any other, and may be retried."""
    error = translated(OSError(number, "An existing connection was forcibly closed"))
    assert isinstance(error, unbroken.NetworkError)
    assert error.retryable


def test_async_calls_run_in_the_selector_loop() -> None:
    """Without the extensions that uvloop and other loops have."""

    async def main(url: str) -> str:
        client = unbroken.AsyncClient([], dialect="anthropic")
        async with client, client.stream("POST", f"{url}/v1/messages", json=BODY) as stream:
            return "".join([piece async for piece in stream.text()])

    with (
        FaultServer([faults.ok(text="Hello.")]) as server,
        asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as it,
    ):
        assert it.run(main(server.url)) == "Hello."
