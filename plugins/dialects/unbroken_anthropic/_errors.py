"""Map the errors of the API to error classes (https://platform.claude.com/docs/en/api/errors)."""

from typing import Any, Final

from unbroken.error_bodies import as_object, error_document, error_for, error_message, headed, one_line
from unbroken.error_report import ErrorReport
from unbroken.errors import (
    AuthenticationError,
    Error,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    StreamError,
    TimeoutError,
    TruncatedStreamError,
    ValidationError,
)
from unbroken.messages import Event

from ._documents import UNNAMED

_TWINS: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "memory_path_conflict_error": 409,
    "memory_precondition_failed_error": 412,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The HTTP status that belongs to each ``error.type``."""

_TYPES: Final[tuple[tuple[type[Error], str], ...]] = (
    (OverloadedError, "overloaded_error"),
    (RateLimitError, "rate_limit_error"),
    (AuthenticationError, "authentication_error"),
    (ValidationError, "invalid_request_error"),
    (TimeoutError, "timeout_error"),
)

# "We may also use this error type for other 4XX status codes": then the status is more precise.
_GENERIC: Final = frozenset({"invalid_request_error", "api_error"})

# A limit set by the user and an empty account are reported as a plain 400 without a code.
_SPENT_WORDS: Final = (
    "You have reached your specified API usage limits",
    "Your credit balance is too low to access the",
)


def error_of(body: bytes, status: int | None = None, *, reason: str | None = None) -> Error:
    """Return the error that `body` describes. `status` is None if the response had status 200. Never raises.

    `reason` is the stop reason by which the stream reports the failure; the words are then those of an error beside it.

    A known type takes precedence over the status, and a status in the body over that of the response: a gateway may
    answer 500 for ``overloaded_error``.
    """
    report, document = ErrorReport.of(body), error_document(body) or {}
    told = reason is None or bool(document.get("error"))
    error = report.described if told else {}
    kind = _word(error.get("type"))
    code = _word(as_object(error.get("details")).get("error_code"))
    said = error_message(body) if told else f"the model stopped with {reason!r}"
    message = headed(said, status, " ".join(part for part in (kind, code and f"({code})") if part))
    # ramp_limit_exceeded is not among the spent: it limits how fast usage may grow, so waiting helps.
    spent = report.is_spent or said.startswith(_SPENT_WORDS)
    twin = _effective(kind, report.status_code or status)
    made = report.on(QuotaExceededError(message) if spent else error_for(twin, message))
    made.kind = kind
    made.response_id = _word(document.get("request_id"))
    return made


def contradiction(event: Event, document: dict[str, Any]) -> Error | None:
    """Return the error for an event that is wrong because of the events before it; None if it is not of such a type."""
    name = document.get("type") if event.type == UNNAMED else event.type
    if name == "message_start":
        message = "a second message begins, with another id, in the stream of the first"
        return StreamError(message, retryable=True)  # a mistake of the server, which it may not make again
    if name == "message_stop":
        return TruncatedStreamError("the message is not complete: there was no stop_reason")
    return None


def _effective(kind: str | None, status: int | None) -> int:
    twin = _TWINS.get(kind or "")
    if status is None:
        return twin or 500
    if twin is None or (kind in _GENERIC and status // 100 == twin // 100):
        return status
    return twin


def _word(value: Any) -> str | None:
    return one_line(value, 100) or None if isinstance(value, str) else None


def type_of(error: Error) -> str:
    """Return the ``error.type`` that says the same as `error`; ``api_error`` if none does."""
    if isinstance(error, QuotaExceededError):  # whose own type may be that of a limit for which waiting helps
        return "billing_error"
    if error.kind in _TWINS:
        return error.kind
    for kind, name in _TYPES:
        if isinstance(error, kind):
            return name
    return "api_error"
