"""Handlers: the two modes, without a generator around them."""

import pytest

from unbroken import ConfigurationError
from unbroken.testing import AsyncScriptedTransport, FakeClock, ScriptedTransport, run
from unbroken_chat import AnthropicConfig, AsyncDirectModeHandler, DirectModeHandler, ProxyConfig
from unbroken_circuit_breaker import CircuitBreaker

REQUEST = {"messages": [{"role": "user", "content": "Hello"}]}


def pipeline(handler) -> str:
    return next(line for line in handler.describe().splitlines() if line.startswith("plugins:"))


@pytest.mark.parametrize(
    ("proxy", "arguments", "plugins"),
    [
        pytest.param(False, {}, "timeout, retry, rate-limit, credentials", id="direct"),
        pytest.param(True, {}, "request-id, timeout, retry, rate-limit, credentials", id="proxy"),
        pytest.param(
            True,
            {"circuit_breaker": CircuitBreaker()},
            "request-id, timeout, retry, circuit-breaker, rate-limit, credentials",
            id="breaker",
        ),
        pytest.param(True, {"auth_token": None}, "request-id, timeout, retry, rate-limit", id="no-token"),
        pytest.param(False, {"plugins": ["retry"]}, "retry, credentials", id="by-name"),
        pytest.param(False, {"plugins": []}, "credentials", id="none"),
    ],
)
def test_the_arguments_stand_for_plugins(chat, proxy, arguments, plugins) -> None:
    """In an order that makes sense; a list replaces them."""
    assert pipeline(chat.handler([], proxy=proxy, **arguments)) == f"plugins: {plugins}"


def test_a_handler_knows_its_settings(chat) -> None:
    """As they were given, or the defaults."""
    config = AnthropicConfig(max_tokens=7)
    assert chat.handler([], config=config).config is config
    assert chat.handler([], proxy=True).config == ProxyConfig()


def test_what_a_request_says_goes_before_what_is_configured(chat, answer) -> None:
    """But it is streamed in any case."""
    handler = chat.handler([answer()], config=AnthropicConfig(max_tokens=7, temperature=0.5))
    chat.events(handler, {**REQUEST, "max_tokens": 9, "stream": False})
    assert chat.bodies == [
        {**REQUEST, "model": "claude-sonnet-4-5", "max_tokens": 9, "temperature": 0.5, "stream": True}
    ]


def test_what_cannot_be_written_as_json_is_refused_before_it_is_sent(chat) -> None:
    """With the reason."""
    with pytest.raises(ConfigurationError, match="JSON"):
        chat.handler([]).create_stream({"messages": object()})


def test_a_handler_closes_its_connections(answer) -> None:
    """At the end of its block, in both backends."""
    clock = FakeClock()
    transport = ScriptedTransport([answer()], clock)
    direct = DirectModeHandler("key", "claude", transport=transport, clock=clock)
    with direct as handler, handler.create_stream(REQUEST) as stream:
        assert [event["type"] for event in stream][-1] == "message_stop"
    async_transport = AsyncScriptedTransport([answer()], clock)

    async def main() -> None:
        direct = AsyncDirectModeHandler("key", "claude", transport=async_transport, clock=clock)
        async with direct as handler, handler.create_stream(REQUEST) as stream:
            assert [event["type"] async for event in stream][-1] == "message_stop"

    run(main, clock=clock)
    assert transport.closed
    assert async_transport.closed
