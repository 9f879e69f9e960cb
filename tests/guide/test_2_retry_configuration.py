"""Production Features, 2: Retry Configuration."""

import pytest

from unbroken import ServerError
from unbroken_retry import RetryConfig

CONFIG = RetryConfig(
    max_retries=3,
    initial_delay=1,
    max_delay=30,
    multiplier=2.0,
    jitter=0.1,
    retry_statuses={429, 500, 502, 503, 504},
)


def test_a_handler_retries_as_it_is_configured(chat, failed, answer) -> None:
    """Up to three times, after 1, 2 and 4 seconds, each a tenth more or less."""
    handler = chat.handler([*[failed(503, "api_error")] * 3, answer()], proxy=True, retry_config=CONFIG)
    assert chat.events(handler, {"messages": []})[-1].type == "message_stop"
    assert len(chat.requests) == 4
    assert chat.clock.slept == pytest.approx([1, 2, 4], rel=0.1)
    assert chat.clock.slept != pytest.approx([1, 2, 4])


def test_a_status_that_is_not_listed_is_not_retried(chat, failed) -> None:
    """529 is not in the guide's list."""
    handler = chat.handler([failed(529, "overloaded_error")], proxy=True, retry_config=CONFIG)
    with pytest.raises(ServerError):
        chat.events(handler, {"messages": []})
    assert len(chat.requests) == 1


@pytest.mark.parametrize(
    ("preset", "requests"),
    [
        pytest.param(RetryConfig.DEFAULT, 4, id="defaults"),
        pytest.param(RetryConfig.NONE, 1, id="noRetry"),
        pytest.param(RetryConfig.AGGRESSIVE, 6, id="aggressive"),
    ],
)
def test_there_are_presets(chat, failed, preset, requests) -> None:
    """Standard, none, more with shorter delays."""
    handler = chat.handler([failed(500, "api_error")] * 6, proxy=True, retry_config=preset)
    with pytest.raises(ServerError):
        chat.events(handler, {"messages": []})
    assert len(chat.requests) == requests
