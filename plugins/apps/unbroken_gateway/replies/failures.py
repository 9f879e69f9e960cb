"""Find the row of the table for an error of a call."""

from typing import Final

from unbroken.error_bodies import MAX_MESSAGE, one_line
from unbroken.errors import (
    AuthenticationError,
    CircuitOpenError,
    Error,
    NetworkError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamError,
    TimeoutError,
    ValidationError,
)
from unbroken.secrets import redact

from . import errors
from .errors import Problem

_REFUSED: Final = frozenset({400, 412, 422})
# What an API calls them after the 200, where they have no status.
_STATUS: Final = {
    "not_found_error": 404,
    "model_not_found": 404,
    "conflict_error": 409,
    "request_too_large": 413,
}
_ROWS: Final = {
    404: errors.upstream_404,
    409: errors.upstream_409,
    413: errors.upstream_413,
}


def problem_of(error: Error, *, now: float, max_retry_after: float, show: bool) -> Problem:
    """Return what a client is told about `error`.

    `now` is the monotonic time of the client that raised it; waits that an upstream asks for are cut to
    `max_retry_after`. Both are in seconds. With `show`, what the upstream said about a request that it refused is told
    in one short line without anything that looks like a credential.
    """
    hint = _capped(error.retry_after, max_retry_after)
    match error:
        case AuthenticationError() | QuotaExceededError():
            return errors.upstream_unavailable()
        case CircuitOpenError():
            waits = error.retry_after if error.recovers_at is None else error.recovers_at - now
            return errors.unavailable(_capped(waits, max_retry_after))
        case RateLimitError():  # also of our own limiter in front of the upstream
            return errors.upstream_rate_limit(hint)
        case OverloadedError():
            return errors.overloaded(hint)
        case TimeoutError():
            return errors.timed_out()
        case NetworkError() if error.is_local and not error.retryable:  # our client was closed: a drain or a reload
            return errors.unavailable()
        case ValidationError() if not error.is_local:
            return _of_request(error, show)
        case NetworkError() | ServerError() | StreamError():
            return errors.upstream_error(hint)
        case _:
            return errors.internal()


def _of_request(error: ValidationError, show: bool) -> Problem:
    status = error.status_code or _STATUS.get(error.kind or "", 400)
    if status in _REFUSED:
        said = _said(error) if show else ""
        return errors.upstream_400(said) if said else errors.upstream_400()
    # Any other 4xx is about the request that the gateway made of the client's: its method, its headers, its speed.
    return _ROWS.get(status, errors.upstream_error)()


def _said(error: Error) -> str:
    """Return the words of the upstream without the status and the type that the dialect puts before them."""
    return one_line(redact(one_line(error.message.partition(": ")[2])), MAX_MESSAGE)


def _capped(seconds: float | None, most: float) -> float | None:
    return None if seconds is None else min(max(0.0, seconds), most)
