"""What the APIs of Anthropic have in common: their errors and headers.

According to the vendor's pages *errors* and *rate limits* as of 2026.
"""

from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, ClassVar, Final

from ._conversation import Exchange, Voice
from ._fields import compact

ERRORS: Final = {
    400: ("invalid_request_error", "Bad request"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Payment required"),
    403: ("permission_error", "Your API key may not do this"),
    404: ("not_found_error", "Not found"),
    408: ("timeout_error", "Request timeout"),
    409: ("conflict_error", "Conflict"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your rate limit"),
    500: ("api_error", "Internal server error"),
    503: ("api_error", "Service unavailable"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
"""Type and message of the error object, by status."""

SPENT: Final = "enforced_spend_limit_reached"
"""The ``error_code`` of a spend limit, against which waiting does not help."""
_LIMITS: Final = {"requests": 4_000, "tokens": 480_000, "input-tokens": 400_000, "output-tokens": 80_000}


class Anthropic(Voice):
    """An API of Anthropic."""

    model: ClassVar[str] = "claude-unbroken"
    id_prefix: ClassVar[str] = "msg_01"
    request_id_prefix: ClassVar[str] = "req_01"
    stop_reason: ClassVar[str] = "end_turn"
    tools_reason: ClassVar[str] = "tool_use"

    def error_body(self, exchange: Exchange, status: int) -> bytes:
        """Return ``{"type": "error", "error": {...}}``."""
        fault = exchange.fault
        type, words = ERRORS.get(status) or ERRORS[400 if status < 500 else 500]
        error: dict[str, Any] = {"type": fault.error or type, "message": fault.message or words}
        if fault.error_code is not None:
            error["details"] = {"error_code": fault.error_code}
        return compact({"type": "error", "error": error, "request_id": exchange.reply.request_id})

    def headers(self, exchange: Exchange) -> list[tuple[str, str]]:
        """Return ``Date``, ``request-id`` and the twelve ``anthropic-ratelimit-*`` headers."""
        reset = datetime.fromtimestamp(exchange.now + 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines = [("Date", formatdate(exchange.now, usegmt=True)), ("request-id", exchange.reply.request_id)]
        for kind, limit in _LIMITS.items():
            remaining = max(0, limit - exchange.request.number) if kind == "requests" else limit - 1_000
            values = {"limit": str(limit), "remaining": str(remaining), "reset": reset}
            lines += [(f"anthropic-ratelimit-{kind}-{name}", value) for name, value in values.items()]
        return lines


def twin_of(error: str | None) -> int | None:
    """Return the HTTP status of an error type, None if there is no such type."""
    return next((status for status, (type, _) in ERRORS.items() if type == error), None)
