"""Production Features, 4: Rate Limit Handling."""

import pytest

from unbroken import RateLimitError
from unbroken_chat import RetryConfig


def test_retry_after_is_parsed_and_respected(chat, failed, answer) -> None:
    """The next attempt is not earlier than the server asked."""
    limited = failed(429, "rate_limit_error", headers={"retry-after": "7"})
    chat.events(chat.handler([limited, answer()], proxy=True), {"messages": []})
    first, second = chat.transport.sent_at
    assert 7.0 <= second - first <= 7.0 * 1.1


def test_without_the_header_it_backs_off_exponentially(chat, failed, answer) -> None:
    """1, 2, 4 seconds."""
    chat.events(chat.handler([*[failed(429, "rate_limit_error")] * 3, answer()], proxy=True), {"messages": []})
    assert chat.clock.slept == pytest.approx([1, 2, 4], rel=0.1)


def test_the_error_says_how_long_to_wait(chat, failed, capsys) -> None:
    """For the application, when the retries are used up."""
    limited = failed(429, "rate_limit_error", headers={"retry-after": "42"})
    handler = chat.handler([limited], proxy=True, retry_config=RetryConfig.no_retry)
    try:
        chat.events(handler, {"messages": []})
    except RateLimitError as error:
        print(f"Rate limited, retry after: {error.retry_after}")
    assert capsys.readouterr().out == "Rate limited, retry after: 42.0\n"
