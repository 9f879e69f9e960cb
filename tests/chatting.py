"""A chat with a script: its generators and handlers, and what the server replies. For conftests to import."""

import functools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from unbroken import Event
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse
from unbroken_chat import (
    AsyncContentGenerator,
    AsyncDirectModeHandler,
    AsyncProxyModeHandler,
    ContentGenerator,
    DirectModeHandler,
    ProxyModeHandler,
)

ENDPOINT = "https://backend.example.org/api/claude"
DIRECT = {"api_key": "sk-ant-canary", "model": "claude-sonnet-4-5"}
PROXY = {"endpoint": ENDPOINT, "auth_token": "jwt-canary"}


class Chat:
    """Generators and handlers of one backend, and the server that they talk to."""

    def __init__(self, backend: str, clock: FakeClock) -> None:
        self.sync = backend == "sync"
        self.clock = clock
        self._run = functools.partial(run, clock=clock, backend="trio" if backend == "trio" else "asyncio")
        self.transport: Any = None

    def _wired(self, script: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        self.transport = (ScriptedTransport if self.sync else AsyncScriptedTransport)(script, self.clock)
        return {**arguments, "transport": self.transport, "clock": self.clock}

    def generator(self, script: Any, *, proxy: bool = False, **arguments: Any) -> Any:
        """Make a content generator whose requests `script` answers."""
        kind = ContentGenerator if self.sync else AsyncContentGenerator
        make, defaults = (kind.proxy, PROXY) if proxy else (kind, DIRECT)
        if "token_provider" in arguments:
            defaults = {"endpoint": ENDPOINT}
        return make(**self._wired(script, {**defaults, **arguments}))

    def handler(self, script: Any, *, proxy: bool = False, **arguments: Any) -> Any:
        """Make a handler whose requests `script` answers."""
        kinds = (DirectModeHandler, AsyncDirectModeHandler), (ProxyModeHandler, AsyncProxyModeHandler)
        kind: Any = kinds[proxy][not self.sync]
        return kind(**self._wired(script, {**(PROXY if proxy else DIRECT), **arguments}))

    def send(self, generator: Any, *arguments: Any, **parameters: Any) -> Any:
        """Return the reply of `generator`."""
        call = functools.partial(generator.send_request, *arguments, **parameters)
        return call() if self.sync else self._run(call)

    def events(self, handler: Any, request: Any) -> list[Event]:
        """Return all events of a handler's stream."""
        return self.read(handler.create_stream(request), lambda stream: stream)

    def read(self, stream: Any, how: Callable[[Any], Any], then: Callable[[Any], Any] | None = None) -> Any:
        """Return all that `how` iterates of the entered `stream`, or what `then` makes of the stream at the end."""

        async def read() -> Any:
            async with stream:
                items = [item async for item in how(stream)]
                return items if then is None else (items, await then(stream))

        if not self.sync:
            return self._run(read)
        with stream:
            items = list(how(stream))
            return items if then is None else (items, then(stream))

    def close(self, thing: Any) -> None:
        """Close a generator or a handler."""
        thing.close() if self.sync else self._run(thing.aclose)

    @property
    def requests(self) -> list[Any]:
        """What the server got."""
        return self.transport.requests

    @property
    def bodies(self) -> list[Any]:
        """The bodies of what the server got."""
        return [request.json() for request in self.requests]


@pytest.fixture
def chat(backend: str, fake_clock: FakeClock) -> Chat:
    """A chat in each backend, on `fake_clock`."""
    return Chat(backend, fake_clock)


def _answer(text: str = "Hello there", *, stop_reason: str = "end_turn", blocks: list[Any] | None = None) -> bytes:
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    start |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 1}}
    pieces = [{"type": "text_delta", "text": piece} for piece in text.split(" ") if piece]
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, (block, deltas) in enumerate(blocks or [({"type": "text", "text": ""}, pieces)]):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": stop_reason, "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": 7}})
    return sse(*((event["type"], event) for event in [*events, {"type": "message_stop"}]))


@pytest.fixture
def answer() -> Callable[..., Answer]:
    """Makes the reply of a server that answers with a text, or with blocks and their deltas."""

    def make(text: str = "Hello there", *, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        fields = {"content-type": "text/event-stream", "request-id": "req_server", **(headers or {})}
        return Answer(headers=fields, body=_answer(text, **more))

    return make


@pytest.fixture
def failed() -> Callable[..., Answer]:
    """Makes the reply of a server that fails as the Messages API does."""

    def make(status: int, kind: str, message: str = "no", *, headers: dict[str, str] | None = None) -> Answer:
        fields = {"content-type": "application/json", "request-id": "req_server", **(headers or {})}
        return Answer(status=status, headers=fields, body=_json({"type": kind, "message": message}))

    return make


def _json(error: dict[str, str]) -> bytes:
    return msgspec.json.encode({"type": "error", "error": error})
