"""The rows of the table of errors that a failed authentication uses. Each has one shape, whatever the cause was."""

from ..errors import Problem


def no_credential() -> Problem:
    """Return the answer to a missing or bad credential. It never says which, nor why."""
    return Problem(
        name="no_credential",
        status=401,
        anthropic="authentication_error",
        openai="invalid_api_key",
        message="The credential is missing or not valid.",
        should_retry=False,
        headers=(("www-authenticate", "Bearer"),),  # RFC 9110 §11.6.1
    )


def too_many_bad_credentials(retry_after: float) -> Problem:
    """Return the answer to an address that has sent too many bad credentials; `retry_after` is in seconds."""
    return Problem(
        name="too_many_bad_credentials",
        status=429,
        anthropic="rate_limit_error",
        openai="rate_limit_exceeded",
        message="Too many requests with bad credentials came from this address.",
        retry_after=retry_after,
    )


def unavailable(retry_after: float | None = None) -> Problem:
    """Return the answer while credentials cannot be checked; `retry_after` is in seconds."""
    return Problem(
        name="unavailable",
        status=503,
        anthropic="overloaded_error",
        openai="unavailable",
        message="The service is not available at the moment.",
        retry_after=retry_after,
        should_retry=True,
    )
