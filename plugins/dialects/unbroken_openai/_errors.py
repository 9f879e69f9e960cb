"""Map the errors of the API to error classes (https://developers.openai.com/api/docs/guides/error-codes)."""

from typing import Any, Final

from unbroken.error_bodies import error_document, error_for, error_message, headed, one_line, safe_line
from unbroken.error_report import ErrorReport
from unbroken.errors import Error, QuotaExceededError
from unbroken.messages import Event

from ._failures import failure_in
from ._responses import CANCELLED, KINDS

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
_TOO_LARGE: Final = 413


def error_of(body: bytes, status: int | None = None, name: str = "") -> Error:
    """Return the error that `body` describes. Never raises.

    `status` is None if the response had status 200, and `name` is that of an event. The code takes precedence over the
    type, a known one over the status, and a status in the body over that of the response: a gateway may answer 500 for
    ``rate_limit_exceeded``.
    """
    report = ErrorReport.of(_told(body, name))
    names = [_name(report.described.get("code")), _name(report.described.get("type"))]
    kind = next((name for name in names if name is not None), None)
    # Without words in the error, never fall back to a body that is JSON: that may be the model's text.
    said = safe_line(report.words or "") if report.words or report.described else error_message(body)
    message = headed(said, status, kind)
    twin = _effective(names, report.status_code, status)
    made = report.on(QuotaExceededError(message) if report.is_spent else error_for(twin, message))
    made.kind = kind
    if kind == "cancelled":
        made.retryable = False
    return made


def _told(body: bytes, name: str) -> bytes:
    """Return `body`, or the failure in it in the form that every API uses."""
    document = error_document(body) or {}
    named = {"type": name, **document} if name in KINDS and (document or name in CANCELLED) else document
    failure = failure_in(named)
    return body if failure is None or failure is named else Event.make("", failure).raw


def _effective(names: list[str | None], number: int | None, status: int | None) -> int:
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


def _name(value: Any) -> str | None:
    """Return a code or type if it is a name, not a number (also not a number written as text); else None."""
    return one_line(value, 100) or None if isinstance(value, str) and not value.isdecimal() else None
