"""What the user of an application is told of a failure."""

import pytest

from unbroken import QuotaExceededError, RateLimitError
from unbroken_chat.wording import user_message


def test_a_spent_quota_is_no_matter_of_seconds() -> None:
    """Whatever the server says about waiting: it is a RateLimitError that waiting does not cure."""
    for hint in (None, 5.0):
        said = user_message(QuotaExceededError("secret", retry_after=hint))
        assert said == "The service has reached its usage limit. Please try again later."
    said = user_message(QuotaExceededError("secret", request_id="req_1"))
    assert said == "The service has reached its usage limit. Please try again later. (request req_1)"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (4.2, "Too many requests. Please wait 5 s and try again."),
        (0.1, "Too many requests. Please wait 1 s and try again."),
        (3600.0, "Too many requests. Please wait 3600 s and try again."),
        (3601.0, "Too many requests. Please wait a while and try again."),
        (None, "Too many requests. Please wait a while and try again."),
    ],
)
def test_too_many_requests_say_how_long_to_wait(seconds: float | None, said: str) -> None:
    """In whole seconds, rounded up, unless it is very long."""
    assert user_message(RateLimitError("secret", retry_after=seconds)) == said
