"""Texts that tell the users of an application what to do about an error, without internals."""

import math
from typing import Final

from unbroken import (
    AuthenticationError,
    CircuitOpenError,
    Error,
    NetworkError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TimeoutError,
    TruncatedStreamError,
    ValidationError,
)

_UNAVAILABLE: Final = "The service is temporarily unavailable. Please try again in a moment."

# The first class that matches decides.
_WORDS: Final[tuple[tuple[type[Error], str], ...]] = (
    (AuthenticationError, "You are not signed in, or not allowed to do this. Please sign in again."),
    (QuotaExceededError, "The service has reached its usage limit. Please try again later."),
    (CircuitOpenError, _UNAVAILABLE),
    (ServerError, _UNAVAILABLE),
    (TimeoutError, "The answer took too long. Please try again."),
    (TruncatedStreamError, "The answer was cut off. Please try again."),
    (NetworkError, "The service cannot be reached. Please check the connection and try again."),
    (ValidationError, "This message cannot be answered. Please change it and try again."),
)
_OTHERWISE: Final = "Something went wrong. Please try again later."
_LONGEST_NAMED: Final = 3600.0


def user_message(error: BaseException) -> str:
    """Return a short text for the user of an application.

    The text contains nothing from the server or the error except the request id at its end, which support can look up.
    """
    if isinstance(error, RateLimitError) and not isinstance(error, QuotaExceededError):
        text = _wait(error.retry_after)
    else:
        text = next((words for kind, words in _WORDS if isinstance(error, kind)), _OTHERWISE)
    request_id = error.request_id if isinstance(error, Error) else None
    return f"{text} (request {request_id})" if request_id else text


def _wait(seconds: float | None) -> str:
    if seconds is None or seconds > _LONGEST_NAMED:
        return "Too many requests. Please wait a while and try again."
    return f"Too many requests. Please wait {math.ceil(max(1.0, seconds))} s and try again."
