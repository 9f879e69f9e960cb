"""Map the errors of the API to error classes (https://developers.openai.com/api/docs/guides/error-codes)."""

from typing import Any, Final

from unbroken.error_bodies import as_object, error_for, error_message, one_line
from unbroken.errors import Error, QuotaExceededError, StreamError
from unbroken.messages import Event

from ._failures import EVENTS, Failure, failure_in, unwrapped
from ._responses import CANCELLED

# The HTTP status that belongs to each ``error.code`` and ``error.type``; 529 stands for "overloaded".
_TWINS: Final[dict[str, int]] = {
    name: status
    for status, names in {
        400: """
            invalid_request_error context_length_exceeded string_above_max_length content_filter
            content_policy_violation invalid_prompt bio_policy cyber_policy data_residency_mismatch
            misalignment_policy_violation invalid_image invalid_image_format invalid_base64_image invalid_image_url
            invalid_image_mode image_too_large image_too_small image_parse_error image_content_policy_violation
            image_file_too_large image_file_not_found unsupported_image_media_type empty_image_file
            failed_to_download_image unsupported_parameter unsupported_value missing_required_parameter
            invalid_value invalid_type exceed_context_size_error
        """,
        401: "invalid_api_key authentication_error invalid_authentication account_deactivated token_expired",
        402: "insufficient_credits",
        403: "permission_error permission_denied insufficient_permissions unsupported_country_region_territory",
        404: "not_found_error model_not_found DeploymentNotFound",
        409: "conflict_error",
        413: "request_too_large",
        422: "unprocessable_entity_error",
        429: "rate_limit_exceeded rate_limit_error slow_down requests tokens too_many_requests RateLimitReached",
        500: "server_error api_error internal_error internal_server_error InternalServerError",
        503: "service_unavailable service_unavailable_error unavailable_error",
        504: "timeout timeout_error vector_store_timeout",
        529: """
            overloaded overloaded_error server_overloaded server_is_overloaded engine_overloaded
            engine_overloaded_error model_overloaded
        """,
    }.items()
    for name in names.split()
}
# These also come with other statuses of the same class (4xx, 5xx); then the status is more precise.
_GENERIC: Final = frozenset(
    {"invalid_request_error", "server_error", "api_error", "internal_error", "service_unavailable_error"}
)
# The names of a spent account, with the numbers that some servers (1113: Zhipu) use for names.
_SPENT: Final = frozenset(
    {
        "1113",
        "Arrearage",
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "exceeded_current_quota_error",
        "insufficient_quota",
        "linked_organization_spend_limit_reached",
        "billing_hard_limit_reached",
        "billing_not_active",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "project_spend_limit_exceeded",
    }
)
_NUMBERS: Final = ("http_status_code", "status_code", "code", "status")
_PAYMENT_REQUIRED: Final = 402
_TOO_LARGE: Final = 413


def document_of(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`, or that in its list; an empty one for anything else."""
    try:
        return unwrapped(Event("", body).json())
    except StreamError:
        return {}


def error_of(body: bytes, status: int | None = None, name: str = "") -> Error:
    """Return the error that `body` describes. Never raises.

    `status` is None if the response had status 200, and `name` is that of an event.

    The code takes precedence over the type, and a known one over a number in the error, which compatible servers send,
    and over the status: a gateway may answer 500 for ``rate_limit_exceeded``. The `status_code` of the error is that
    number if it decided, otherwise None.
    """
    document = document_of(body)
    if name in EVENTS and (document or name in CANCELLED):
        document = {"type": name, **document}
    failure = failure_in(document) or Failure(error=document, around={}, message=error_message(body))
    names = [name for name in map(_name, _named(failure)) if name is not None and name not in EVENTS]
    if not names and failure.reason is not None:
        names = [failure.reason]
    kind = next(iter(names), None)
    message = _wording(status, kind, _said(failure))
    number = _number(failure)
    twin = _effective(names, number, status)
    spent = twin == _PAYMENT_REQUIRED or any(name in _SPENT for name in _all_named(failure))
    made = QuotaExceededError(message) if spent else error_for(twin, message)
    made.kind = kind
    made.status_code = number if number == twin else None
    if kind == "cancelled":
        made.retryable = False
    return made


def _named(failure: Failure) -> list[Any]:
    error, around = failure.error, failure.around
    # The whole error may be a text, and that a name.
    word = failure.message if failure.message in _TWINS or failure.message in _SPENT else None
    return [error.get("code"), error.get("type"), around.get("code"), word]


def _all_named(failure: Failure) -> set[str]:
    """Return all codes and types, as text."""
    details = as_object(failure.error.get("details"))
    others = (details.get("error_code"), failure.error.get("reason"), failure.around.get("type"), failure.reason)
    values = [*_named(failure), *others]
    return {str(value) for value in values if type(value) in {str, int}}


def _said(failure: Failure) -> str:
    # Without a message in the error, never fall back to the body: that may be the model's text.
    places = [failure.error.get(name) for name in ("message", "msg", "detail", "details")]
    message = next((text for text in (*places, failure.message) if isinstance(text, str) and text), "")
    return _words(message)


def _words(message: str) -> str:
    return error_message(Event.make("", {"message": message}).raw) if message else ""


def _effective(names: list[str], number: int | None, status: int | None) -> int:
    """Return the status that decides: that of the most precise name, else `number`, else `status`."""
    if _TOO_LARGE in {number, status}:  # some servers call this a rate limit, but the same request will never fit
        return _TOO_LARGE
    given = number or status
    twins = [(name, _TWINS[name]) for name in names if name in _TWINS]
    # A code is usually more precise than its type, but a generic name of either comes after one that is not.
    for name, twin in sorted(twins, key=lambda pair: pair[0] in _GENERIC):
        if given is None or name not in _GENERIC or given // 100 != twin // 100:
            return twin
    return given or 500


def _wording(status: int | None, kind: str | None, said: str) -> str:
    head = " ".join(part for part in (status and f"HTTP {status}", kind) if part) or "the server reported an error"
    return f"{head}: {said}" if said else head


def _name(value: Any) -> str | None:
    """Return a code or type if it is a name, not a number (also not a number written as text); else None."""
    return one_line(value, 100) or None if isinstance(value, str) and not value.isdecimal() else None


def _number(failure: Failure) -> int | None:
    """Return the HTTP error status that stands in the error or beside it, as a number or as text; else None."""
    values = [place.get(name) for place in (failure.error, failure.around) for name in _NUMBERS]
    return next((number for number in map(_status, values) if number is not None), None)


def _status(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) == 3:
        value = int(value)
    return value if type(value) is int and 400 <= value <= 599 else None
