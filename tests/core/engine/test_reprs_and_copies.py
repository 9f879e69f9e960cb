"""What a prompt and a debugger show of clients and streams, and that these exist once."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from unbroken import AsyncClient, Client, OverloadedError
from unbroken.relay import AsyncRelay, Relay
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, play, run, sse

from ..kit import Retry, Talk, Timeout

MAKERS = pytest.mark.parametrize("make", [Client, AsyncClient, Relay, AsyncRelay])
CANARY = "canary-secret"
URL = f"https://api.example.org/{CANARY}?key={CANARY}"


@MAKERS
def test_a_client_shows_its_dialect_plugins_and_transport(make: Any) -> None:
    """In one line, in the order of the list."""
    transport: Any = ScriptedTransport([], FakeClock())
    client = make([Timeout(), Retry()], dialect=Talk(), transport=transport)
    name = make.__name__
    assert repr(client) == f"<{name} dialect=talk plugins=[timeout, retry] transport=ScriptedTransport>"
    assert repr(make([])) == f"<{name} dialect=sse plugins=[] transport=wire>"


def test_a_closed_client_says_so() -> None:
    """A call on it would fail."""
    with Client([]) as client:
        pass
    assert repr(client) == "<Client closed dialect=sse plugins=[] transport=wire>"


def test_a_client_that_was_refused_has_a_repr() -> None:
    """A debugger shows the `self` of the constructor."""
    assert repr(Client.__new__(Client)) == "<Client>"


def test_no_repr_has_a_credential() -> None:
    """Neither of the headers nor of a proxy nor of an address."""
    client = Client([], headers={"Authorization": CANARY}, proxy=f"http://me:{CANARY}@proxy.example.org")
    assert CANARY not in repr(client)
    assert CANARY not in repr(client.stream("GET", URL))
    assert CANARY not in repr(play([Answer(body=sse(CANARY))], url="https://api.example.org", headers={"x": CANARY}))


def test_a_played_call_shows_what_came_of_it() -> None:
    """The status, the numbers and the class of the error."""
    clock = FakeClock()
    assert repr(play([Answer(body=sse("a", "b"))], clock=clock)) == "<Played success events=2 attempts=1 elapsed=0>"
    failed = play([Answer(status=529), Answer(status=529)], [Retry(max_retries=1)])
    assert isinstance(failed.error, OverloadedError)
    assert repr(failed).startswith("<Played failure events=0 attempts=2 elapsed=")
    assert repr(failed).endswith(" error=OverloadedError>")
    assert repr(type(failed)(clock=clock, transport=ScriptedTransport([], clock))).startswith("<Played not ended ")


WAYS = pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps], ids=["copy", "deepcopy", "pickle"])


@WAYS
@MAKERS
def test_a_client_is_neither_copied_nor_pickled(make: Any, way: Callable[[Any], Any]) -> None:
    """Two that own the same connections would close them for each other."""
    with pytest.raises(TypeError, match=f"^{make.__name__} cannot be copied or pickled: it owns connections; share"):
        way(make([]))


@WAYS
@pytest.mark.parametrize("kind", ["Stream", "AsyncStream"])
def test_a_stream_is_neither_copied_nor_pickled(kind: str, way: Callable[[Any], Any]) -> None:
    """Two readers of one body would each get half of it."""
    clock = FakeClock()
    client: Any = Client([], transport=ScriptedTransport([], clock), clock=clock)
    if kind == "AsyncStream":
        client = AsyncClient([], transport=AsyncScriptedTransport([], clock), clock=clock)
    with pytest.raises(TypeError, match=f"^{kind} cannot be copied or pickled: it is one call"):
        way(client.stream("GET", "https://api.example.org"))


def test_a_copy_that_was_refused_does_no_harm() -> None:
    """The client goes on."""
    clock = FakeClock()

    async def main() -> list[str]:
        client = AsyncClient([], transport=AsyncScriptedTransport([Answer(body=sse("a"))], clock), clock=clock)
        with pytest.raises(TypeError):
            copy.copy(client)
        async with client, client.stream("GET", "https://api.example.org") as stream:
            return [event.data async for event in stream]

    assert run(main, clock=clock) == ["a"]
