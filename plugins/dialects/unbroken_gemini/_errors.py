"""Map the errors of Google's APIs to error classes (https://google.aip.dev/193, google/rpc/code.proto)."""

from collections.abc import Iterable
from typing import Any, Final

from unbroken.error_bodies import as_object, error_for, error_message, headed, one_line, safe_line
from unbroken.error_report import ErrorReport
from unbroken.errors import (
    AuthenticationError,
    CircuitOpenError,
    Error,
    NetworkError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TimeoutError,
    ValidationError,
)
from unbroken.messages import Event

from ._documents import objects_in

# The HTTP status that belongs to each ``error.status`` (google/rpc/code.proto). 499 is nginx's for a closed request.
_TWINS: Final = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
_CANCELLED: Final = 499
_OVERLOADED: Final = 529
# The reasons of an ``ErrorInfo`` that say more than the status (google/api/error_reason.proto): an invalid key is an
# INVALID_ARGUMENT, and a model without capacity a RESOURCE_EXHAUSTED.
_REASONS: Final = {
    **dict.fromkeys(
        (
            "ACCESS_TOKEN_EXPIRED",
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "ACCESS_TOKEN_TYPE_UNSUPPORTED",
            "ACCOUNT_STATE_INVALID",
            "API_KEY_ANDROID_APP_BLOCKED",
            "API_KEY_HTTP_REFERRER_BLOCKED",
            "API_KEY_INVALID",
            "API_KEY_IOS_APP_BLOCKED",
            "API_KEY_IP_ADDRESS_BLOCKED",
            "API_KEY_SERVICE_BLOCKED",
            "CONSUMER_INVALID",
            "CONSUMER_SUSPENDED",
            "CREDENTIALS_MISSING",
        ),
        401,
    ),
    "MODEL_CAPACITY_EXHAUSTED": _OVERLOADED,
}
_SPENT: Final = frozenset({"BILLING_DISABLED", "QUOTA_EXHAUSTED", "INSUFFICIENT_G1_CREDITS_BALANCE"})
# In the name of a quota, such as GenerateRequestsPerDayPerProjectPerModel-FreeTier.
_DAILY: Final = ("PerDay", "Daily")
# What a 500 or 503 says when the model has no capacity; "spikes in demand" are the words of later models.
_NO_CAPACITY: Final = ("overloaded", "high demand")
_TYPES: Final = "type.googleapis.com/google.rpc."
_TOLD: Final[tuple[tuple[type[Error], int], ...]] = (
    (AuthenticationError, 401),
    (RateLimitError, 429),
    (ValidationError, 400),
    (OverloadedError, 503),
    (TimeoutError, 504),
    (NetworkError, 503),
    (CircuitOpenError, 503),
)
# Of several names for a status, the first.
_NAMES: Final = {status: name for name, status in reversed(_TWINS.items())}


def error_of(body: bytes, status: int | None = None) -> Error:
    """Return the error that `body` describes. Never raises.

    `status` is None if the response had status 200. A known reason takes precedence over ``error.status``, that over a
    number in the body, and that over the status of the response.
    """
    report = ErrorReport.of(body)
    details = objects_in(report.described.get("details"))
    reasons = _reasons(report.described, details)
    name = _name(report.described.get("status"))
    decided = next((reason for reason in reasons if reason in _REASONS or reason in _SPENT), None)
    said = safe_line(report.words or "") if report.words or report.described else error_message(body)
    message = headed(said, status, decided or name)
    twin = _REASONS.get(decided or "") or _TWINS.get(name or "") or report.status_code or status or 500
    spent = report.is_spent or decided in _SPENT or (twin == _TWINS["RESOURCE_EXHAUSTED"] and _is_daily(details))
    made = report.on(QuotaExceededError(message) if spent else _made(twin, message, report.words or ""))
    made.kind = decided or name
    made.response_id = _request_id(details)
    return made


def error_event(error: Error) -> Event:
    """Return the event in which the API reports a failure within a stream.

    Google's SDK knows it only if ``error`` is the first field of the data and its ``code`` is a number.
    """
    usual = next((code for kind, code in _TOLD if isinstance(error, kind)), 500)
    code = error.status_code if error.status_code in range(400, 600) else _TWINS.get(error.kind or "", usual)
    told: dict[str, Any] = {"code": code, "message": str(error), "status": _status_name(error.kind, code, usual)}
    if error.retry_after is not None:
        told["details"] = [{"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{error.retry_after:.3f}s"}]
    return Event.make("message", {"error": told})


def _made(twin: int, message: str, words: str) -> Error:
    if twin == _CANCELLED:
        # The client waits, so the server cancelled: it does so under load, and the next attempt succeeds.
        return ServerError(message)
    if twin in {500, 503} and any(phrase in words.lower() for phrase in _NO_CAPACITY):
        twin = _OVERLOADED
    return error_for(twin, message)


def _reasons(described: dict[str, Any], details: Iterable[dict[str, Any]]) -> list[str]:
    """Return the reasons of each ``ErrorInfo`` and of the older form ``errors``."""
    found = [each.get("reason") for each in (*details, *objects_in(described.get("errors")))]
    return [reason for reason in found if isinstance(reason, str)]


def _is_daily(details: Iterable[dict[str, Any]]) -> bool:
    """Return whether a quota for a day is used up, which no wait that a call can afford cures.

    The ``RetryInfo`` beside it is that of a shorter quota.
    """
    violations = [violation for detail in details for violation in objects_in(detail.get("violations"))]
    limits = [as_object(detail.get("metadata")).get("quota_limit") for detail in details]
    quotas = [*(violation.get("quotaId") for violation in violations), *limits]
    return any(mark in quota for quota in quotas if isinstance(quota, str) for mark in _DAILY)


def _request_id(details: Iterable[dict[str, Any]]) -> str | None:
    """Return the id of a ``RequestInfo``."""
    ids = (detail.get("requestId") for detail in details)
    return next((one_line(id) or None for id in ids if isinstance(id, str)), None)


def _name(value: Any) -> str | None:
    return one_line(value, 100) or None if isinstance(value, str) and not value.isdecimal() else None


def _status_name(kind: str | None, code: int | None, usual: int) -> str:
    return kind if kind in _TWINS else _NAMES.get(code or usual, _NAMES[usual])
