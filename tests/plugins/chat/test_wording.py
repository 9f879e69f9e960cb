"""What the user of an application is told about a failure."""

import pytest

import unbroken
from unbroken_chat import user_message

UNAVAILABLE = "The service is temporarily unavailable. Please try again in a moment."
WORDS = [
    (unbroken.AuthenticationError, "You are not signed in, or not allowed to do this. Please sign in again."),
    (unbroken.QuotaExceededError, "The service has reached its usage limit. Please try again later."),
    (unbroken.CircuitOpenError, UNAVAILABLE),
    (unbroken.ServerError, UNAVAILABLE),
    (unbroken.OverloadedError, UNAVAILABLE),
    (unbroken.TimeoutError, "The answer took too long. Please try again."),
    (unbroken.TruncatedStreamError, "The answer was cut off. Please try again."),
    (unbroken.NetworkError, "The service cannot be reached. Please check the connection and try again."),
    (unbroken.ValidationError, "This message cannot be answered. Please change it and try again."),
    (unbroken.PluginError, "Something went wrong. Please try again later."),
]


@pytest.mark.parametrize(("kind", "words"), WORDS, ids=lambda value: getattr(value, "__name__", ""))
def test_each_failure_has_words_of_its_own(kind: type[unbroken.Error], words: str) -> None:
    """Nothing that the server said is in them, but the id of the call is behind them."""
    assert user_message(kind("canary")) == words
    assert user_message(kind("canary", request_id="req_1")) == f"{words} (request req_1)"


@pytest.mark.parametrize(
    ("seconds", "wait"),
    [(None, "a while"), (0.0, "1 s"), (1.0, "1 s"), (2.1, "3 s"), (3600.0, "3600 s"), (3600.1, "a while")],
)
def test_a_rate_limit_says_how_long_to_wait(seconds: float | None, wait: str) -> None:
    """In whole seconds, up to an hour. An account that is spent is no matter of waiting."""
    error = unbroken.RateLimitError("canary", retry_after=seconds)
    assert user_message(error) == f"Too many requests. Please wait {wait} and try again."
    spent = unbroken.QuotaExceededError("canary", retry_after=seconds)
    assert user_message(spent) == "The service has reached its usage limit. Please try again later."
