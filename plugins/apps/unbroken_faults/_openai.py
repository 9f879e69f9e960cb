"""What the APIs of OpenAI have in common: their errors and headers.

According to the vendor's pages *error codes* and *rate limits* as of 2026. The catalogue of faults uses the error names
of the Messages API; here they are translated.
"""

from email.utils import formatdate
from typing import Any, ClassVar, Final

from . import _anthropic as anthropic
from ._conversation import Exchange, Speech, Voice, pieces_of
from ._fault import Fault
from ._fields import compact
from ._formats import Format, plain_sse
from ._requests import ReceivedRequest

ERRORS: Final = {
    400: ("invalid_request_error", None, "Bad request"),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided"),
    402: ("invalid_request_error", None, "Payment required"),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Country not supported"),
    404: ("invalid_request_error", "model_not_found", "The model does not exist"),
    408: ("invalid_request_error", None, "Request timeout"),
    409: ("invalid_request_error", None, "Conflict"),
    413: ("invalid_request_error", None, "Request too large"),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached"),
    500: ("server_error", None, "The server had an error while processing your request"),
    503: ("service_unavailable_error", None, "Service unavailable"),
    504: ("server_error", None, "Request timed out"),
    529: ("service_unavailable_error", "server_is_overloaded", "Our servers are currently overloaded"),
}
"""Type, code and message of the error object, by status."""

_QUOTA: Final = "insufficient_quota"
_LIMITS: Final = {"requests": (10_000, "1s"), "tokens": (200_000, "1m0.5s")}


class OpenAI(Voice):
    """An API of OpenAI."""

    model: ClassVar[str] = "gpt-unbroken"
    request_id_prefix: ClassVar[str] = "req_"
    not_json: ClassVar[bytes]
    """An event with invalid JSON."""

    def error_body(self, exchange: Exchange, status: int) -> bytes:
        """Return ``{"error": {...}}``."""
        return compact({"error": error_of(exchange.fault, status)})

    def headers(self, exchange: Exchange) -> list[tuple[str, str]]:
        """Return ``Date``, ``x-request-id`` and the six ``x-ratelimit-*`` headers."""
        lines = [("Date", formatdate(exchange.now, usegmt=True)), ("x-request-id", exchange.reply.request_id)]
        for kind, (limit, reset) in _LIMITS.items():
            remaining = max(0, limit - exchange.request.number) if kind == "requests" else limit - 1_000
            values = {"limit": str(limit), "remaining": str(remaining), "reset": reset}
            lines += [(f"x-ratelimit-{name}-{kind}", value) for name, value in values.items()]
        return lines

    def format_of(self, request: ReceivedRequest) -> Format:
        """Return the format of server-sent events without pings."""
        return plain_sse(self.not_json)


def error_of(fault: Fault, status: int = 500) -> dict[str, Any]:
    """Return the error object of `fault`, without an error of its own the usual one of `status`."""
    twin = anthropic.twin_of(fault.error)
    type, code, words = ERRORS.get(twin or status) or ERRORS[400 if status < 500 else 500]
    if fault.error is not None and twin is None:
        type, code = fault.error, None
    if fault.error_code is not None:
        type, code = (_QUOTA, _QUOTA) if fault.error_code == anthropic.SPENT else (type, fault.error_code)
    return {"message": fault.message or words, "type": type, "param": None, "code": code}


def reasoning_tokens(reply: Speech) -> int:
    """Return the output tokens that were spent on thinking."""
    return len(pieces_of(reply.thinking))
