"""Configuration Examples: Development Mode."""

from unbroken.testing import STALL, Answer
from unbroken_chat import AnthropicConfig, ChatMessage, TextPart


def test_a_key_and_a_model_are_all_that_it_takes(chat, answer) -> None:
    """The API itself is asked."""
    generator = chat.generator(
        [answer("Hello")],
        api_key="your-api-key",
        model="claude-sonnet-4-20250514",
        config=AnthropicConfig(max_tokens=4096, timeout=60, retry_attempts=3),
    )
    assert chat.send(generator, ChatMessage.user(TextPart("Hello"))).text == "Hello"
    (request,) = chat.requests
    assert request.url == "https://api.anthropic.com/v1/messages"
    assert request.headers["x-api-key"] == "your-api-key"
    assert {**request.json(), "messages": []} == {
        "model": "claude-sonnet-4-20250514",
        "max_tokens": 4096,
        "messages": [],
        "stream": True,
    }


def test_its_timeout_and_its_retries_are_those_configured(chat, answer) -> None:
    """60 seconds for each attempt, then the next."""
    config = AnthropicConfig(timeout=60, retry_attempts=1)
    generator = chat.generator([Answer(latency=STALL), answer()], config=config)
    assert chat.send(generator, "Hello").attempts == 2
    first, second = chat.transport.sent_at
    assert 60.0 <= second - first <= 61.0
