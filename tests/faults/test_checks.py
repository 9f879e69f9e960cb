"""Failures above the engine are failures of the call: breaker, metrics and history see them, whoever finds them."""

from collections.abc import Callable
from typing import Any

import pytest

from unbroken import AsyncClient, Client, Error, StreamError
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse
from unbroken_anthropic import MessageBuilder
from unbroken_chat import AsyncContentGenerator, ContentGenerator
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_metrics import Metrics
from unbroken_retry import Retry

URL = "https://api.example.org/v1/messages"


def begin(id: str = "msg_1") -> tuple[str, Any]:
    message = {"id": id, "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    return "message_start", {"type": "message_start", "message": {**message, "usage": {"input_tokens": 1}}}


def text(text: str, index: int = 0) -> tuple[str, Any]:
    delta = {"type": "text_delta", "text": text}
    return "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}


def ended(reason: Any = "end_turn") -> tuple[str, Any]:
    fields = {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 3}}
    return "message_delta", {"type": "message_delta", **fields}


OPENED = (
    "content_block_start",
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
)
CLOSED = ("content_block_stop", {"type": "content_block_stop", "index": 0})
STOP = ("message_stop", {"type": "message_stop"})
UNOPENED = sse(begin(), OPENED, text("One"), text("two", index=7), CLOSED, ended(), STOP)
NO_REASON = sse(begin(), OPENED, text("One"), CLOSED, STOP)
NULL_REASON = sse(begin(), OPENED, text("One"), CLOSED, ended(None), STOP)
TWO = sse(begin(), OPENED, text("One"), CLOSED, begin("msg_2"), OPENED, text("Two"), CLOSED, ended(), STOP)

Use = Callable[[Any, Any], Any]
"""Reads a stream of one of the clients or generators. The pieces that it iterates go to the other argument."""


async def _each(items: Any, take: Any) -> None:
    if hasattr(items, "__aiter__"):
        async for item in items:
            take(item)
    else:
        for item in items:
            take(item)


async def client_text(stream: Any, seen: list[str]) -> None:
    await _each(stream.text(), seen.append)


async def client_events(stream: Any, seen: list[str]) -> None:
    await _each(stream, lambda event: seen.append(stream.text_of(event) or ""))


async def client_typed(stream: Any, seen: list[str]) -> None:
    await _each(stream, lambda event: (event.typed(), seen.append(stream.text_of(event) or "")))


async def builder(stream: Any, seen: list[str]) -> None:
    """As the page on dialects shows it: the message is asked for when all events are there."""
    builder = MessageBuilder()

    def take(event: Any) -> None:
        builder.add(event)
        seen.append(stream.text_of(event) or "")

    await _each(stream, take)
    builder.message()


async def generator_text(stream: Any, seen: list[str]) -> None:
    await _each(stream.text(), seen.append)


async def generator_reply(stream: Any, seen: list[str]) -> None:
    reply = stream.reply()
    seen.append((await reply if hasattr(reply, "__await__") else reply).text)


CLIENT = [client_text, client_events, client_typed, builder]
GENERATOR = [generator_text, generator_reply]
ASSEMBLING = [builder, *GENERATOR]


class Calls:
    """Calls of one consumer, one after the other, with the same plugins."""

    def __init__(self, backend: Any, use: Use, script: list[Any], plugins: list[Any]) -> None:
        self.sync, self.backend, self.use = backend == "sync", backend, use
        self.clock = FakeClock()
        self.transport: Any = (ScriptedTransport if self.sync else AsyncScriptedTransport)(script, self.clock)
        self.options: dict[str, Any] = {"plugins": plugins, "transport": self.transport, "clock": self.clock}
        self.seen: list[str] = []
        self.outcomes: list[Any] = []

    def make(self, count: int) -> list[Any]:
        """Make calls. Returns their errors, None for a success."""
        if self.sync:
            made = self._made(ContentGenerator, Client)
            with made:
                return [self._call(made) for _ in range(count)]
        return run(lambda: self._acalls(count), clock=self.clock, backend=self.backend)

    def _made(self, generator: Any, client: Any) -> Any:
        if self.use in GENERATOR:
            return generator(api_key="k", model="m", **self.options)
        return client(dialect="anthropic", **self.options)

    def _stream(self, made: Any) -> Any:
        return made.stream_request("Hello") if self.use in GENERATOR else made.stream("POST", URL, json={})

    def _call(self, made: Any) -> Any:
        self.seen.clear()
        stream = self._stream(made)
        try:
            with stream, pytest.raises(StopIteration):  # nothing in it awaits
                self.use(stream, self.seen).send(None)
        except Error as error:
            return error
        finally:
            self.outcomes.append(stream.outcome.status)
        return None

    async def _acalls(self, count: int) -> list[Any]:
        async with self._made(AsyncContentGenerator, AsyncClient) as made:
            return [await self._acall(made) for _ in range(count)]

    async def _acall(self, made: Any) -> Any:
        self.seen.clear()
        stream = self._stream(made)
        try:
            async with stream:
                await self.use(stream, self.seen)
        except Error as error:
            return error
        finally:
            self.outcomes.append(stream.outcome.status)
        return None


def name(use: Any) -> str:
    return use.__name__


@pytest.mark.parametrize("use", ASSEMBLING, ids=name)
def test_a_delta_without_a_block_is_a_failure_for_breaker_metrics_and_history(backend: Any, use: Use) -> None:
    """Ten of them leave a breaker with a threshold of 20 at ten failures."""
    breaker, metrics = CircuitBreaker(failure_threshold=20), Metrics()
    calls = Calls(backend, use, [Answer(body=UNOPENED)] * 10, [metrics, Retry(), breaker])
    errors = calls.make(10)
    [circuit] = breaker.snapshot().values()
    assert circuit.failure_count == 10
    total = metrics.snapshot().total
    assert (total.calls["failure"], total.attempt_errors, total.call_errors) == (
        10,
        {"StreamError": 10},
        {"StreamError": 10},
    )
    for error in errors:
        assert type(error) is StreamError
        assert [(each.number, each.error, each.decided_by) for each in error.history] == [(1, "StreamError", "engine")]
        assert (error.attempts, error.delivered, bool(error.request_id)) == (1, True, True)
    assert set(calls.outcomes) == {"failure"}
    assert len(calls.transport.requests) == 10


@pytest.mark.parametrize("body", [NO_REASON, NULL_REASON], ids=["no-message_delta", "null"])
@pytest.mark.parametrize("use", CLIENT + GENERATOR, ids=name)
def test_a_missing_stop_reason_is_a_failure_everywhere(backend: Any, use: Use, body: bytes) -> None:
    """For consumers that assemble nothing too: half an answer looks no different in text."""
    metrics = Metrics()
    calls = Calls(backend, use, [Answer(body=body)], [metrics, Retry()])
    [error] = calls.make(1)
    assert (type(error).__name__, "stop_reason" in error.message) == ("TruncatedStreamError", True)
    assert (len(error.history), calls.outcomes, metrics.snapshot().total.calls["failure"]) == (1, ["failure"], 1)
    assert metrics.snapshot().total.truncations == 1
    assert "".join(calls.seen) == ("" if use is generator_reply else "One")


@pytest.mark.parametrize("use", CLIENT + GENERATOR, ids=name)
def test_before_any_content_it_is_tried_again(backend: Any, use: Use) -> None:
    """As every truncated stream is."""
    script = [Answer(body=sse(begin(), STOP)), Answer(body=sse(begin(), OPENED, text("One"), CLOSED, ended(), STOP))]
    calls = Calls(backend, use, script, [Retry()])
    assert calls.make(1) == [None]
    assert ("".join(calls.seen), calls.outcomes, len(calls.transport.requests)) == ("One", ["success"], 2)


@pytest.mark.parametrize("use", CLIENT + GENERATOR, ids=name)
def test_a_second_message_in_the_stream_is_a_stream_error(backend: Any, use: Use) -> None:
    """Two answers glued together are none."""
    metrics = Metrics()
    calls = Calls(backend, use, [Answer(body=TWO)], [metrics, Retry()])
    [error] = calls.make(1)
    assert type(error) is StreamError
    assert "second message" in error.message
    assert (len(error.history), calls.outcomes, metrics.snapshot().total.calls["failure"]) == (1, ["failure"], 1)
    assert "".join(calls.seen) == ("" if use is generator_reply else "One")


@pytest.mark.parametrize("use", CLIENT + GENERATOR, ids=name)
def test_the_same_message_may_begin_twice(backend: Any, use: Use) -> None:
    """Some gateways repeat its start."""
    body = sse(begin(), begin(), OPENED, text("One"), CLOSED, ended(), STOP)
    calls = Calls(backend, use, [Answer(body=body)], [])
    assert (calls.make(1), "".join(calls.seen)) == ([None], "One")
