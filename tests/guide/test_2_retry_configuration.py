"""Production Features, 2: Retry Configuration."""

import pytest

import unbroken_retry
from unbroken import ConfigurationError, ServerError
from unbroken_chat import RetryConfig

CONFIG = RetryConfig(
    max_attempts=3,
    initial_delay=1,
    max_delay=30,
    backoff_multiplier=2.0,
    jitter_factor=0.1,
    retryable_status_codes={429, 500, 502, 503, 504},
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
        pytest.param(RetryConfig.defaults, 4, id="defaults"),
        pytest.param(RetryConfig.no_retry, 1, id="noRetry"),
        pytest.param(RetryConfig.aggressive, 6, id="aggressive"),
    ],
)
def test_there_are_presets(chat, failed, preset, requests) -> None:
    """Standard retries, none, more retries with shorter delays."""
    handler = chat.handler([failed(500, "api_error")] * 6, proxy=True, retry_config=preset)
    with pytest.raises(ServerError):
        chat.events(handler, {"messages": []})
    assert len(chat.requests) == requests


@pytest.mark.parametrize(
    ("preset", "policy"),
    [
        pytest.param(RetryConfig.defaults, unbroken_retry.RetryConfig.DEFAULT, id="defaults"),
        pytest.param(RetryConfig.no_retry, unbroken_retry.RetryConfig.NONE, id="noRetry"),
        pytest.param(RetryConfig.aggressive, unbroken_retry.RetryConfig.AGGRESSIVE, id="aggressive"),
    ],
)
def test_the_presets_are_those_of_the_policy(preset, policy) -> None:
    """Under the names of the guide."""
    assert preset.policy() == policy


def test_every_setting_reaches_the_policy() -> None:
    """Under the policy's own name."""
    config = RetryConfig(
        max_attempts=7,
        initial_delay=0.25,
        max_delay=9,
        backoff_multiplier=3,
        jitter_factor=0.5,
        retryable_status_codes=[418],
    )
    assert config.policy() == unbroken_retry.RetryConfig(
        max_retries=7, initial_delay=0.25, max_delay=9, multiplier=3, jitter=0.5, retry_statuses={418}
    )


def test_the_settings_of_the_policy_are_accepted_as_well(chat, failed) -> None:
    """It has more of them."""
    config = unbroken_retry.RetryConfig(max_retries=1, jitter_kind="full")
    handler = chat.handler([failed(500, "api_error")] * 2, proxy=True, retry_config=config)
    with pytest.raises(ServerError):
        chat.events(handler, {"messages": []})
    assert len(chat.requests) == 2


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"max_atempts": 3}, r"^max_atempts: is not a setting of RetryConfig \(did you mean 'max_attempts'\?\)"),
        ({"jitter": 0.1}, r"^jitter: .*did you mean 'jitter_factor'\?"),
        ({"max_retries": 3}, "^max_retries: .*did you mean 'max_attempts'"),
        ({"max_attempts": -1}, "^max_attempts: must be a whole number of at least 0, not -1"),
        ({"max_attempts": True}, "^max_attempts: "),
        ({"initial_delay": -1}, "^initial_delay: "),
        ({"max_delay": "30"}, "^max_delay: "),
        ({"backoff_multiplier": 0.5}, "^backoff_multiplier: "),
        ({"jitter_factor": 2}, "^jitter_factor: "),
        ({"retryable_status_codes": {200}}, "^retryable_status_codes: "),
        ({"retryable_status_codes": 429}, "^retryable_status_codes: "),
    ],
    ids=str,
)
def test_a_setting_that_is_wrong_is_named_as_in_the_guide(values, words) -> None:
    """A misspelt name gets the nearest right one."""
    with pytest.raises(ConfigurationError, match=words):
        RetryConfig(**values)
