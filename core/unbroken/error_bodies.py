"""From a failed response to an error: its class, and its message in one line, without credentials."""

import re
from typing import Any, Final, cast

from .errors import (
    AuthenticationError,
    Error,
    OverloadedError,
    RateLimitError,
    ServerError,
    StreamError,
    ValidationError,
)
from .messages import Event, Response
from .retry_after import retry_after, should_retry
from .secrets import redact_keys

MAX_MESSAGE: Final = 200
"""The most characters of the server's message that an error repeats."""

_CLASSES: Final[dict[int, type[Error]]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    429: RateLimitError,
    529: OverloadedError,
}
# 4xx where another attempt can help: the request arrived too slowly (RFC 9110 §15.5.9), met a conflict (§15.5.10) or
# arrived too early (RFC 8470 §5.2).
_CURABLE: Final = frozenset({408, 409, 425})

# How much of a body is searched for its first line.
_LOOKED_AT: Final = 4096
_TITLE = re.compile(r"<title>([^<]{1,200})", re.IGNORECASE)


def error_class(status_code: int) -> type[Error]:
    """Return the error class for an HTTP status (RFC 9110 §15; 529 is used by vendors for "overloaded")."""
    if status_code in _CLASSES:
        return _CLASSES[status_code]
    if status_code >= 500:
        return ServerError
    return ValidationError if status_code >= 400 else StreamError


def error_for(status_code: int, message: str) -> Error:
    """Return the error for an HTTP status, with its class and with `retryable` set."""
    error = error_class(status_code)(message)
    error.retryable = error.retryable or status_code in _CURABLE
    return error


def stamped(error: Error, response: Response, response_id_header: str = "x-request-id") -> Error:
    """Copy the status, the response id and the retry hints of the response's head to `error`, and return it.

    A status below 400 is left out, because it says nothing about the failure.
    """
    headers = response.headers
    error.status_code = response.status_code if response.status_code >= 400 else None
    error.response_id = one_line(headers.get(response_id_header, "")) or error.response_id
    error.retry_after = retry_after(headers, response.received_at)
    error.should_retry = should_retry(headers)
    return error


def error_message(body: bytes) -> str:
    """Return the error message in `body` as one line of at most `MAX_MESSAGE` characters; empty if there is none.

    From JSON it takes ``error.message``, ``error``, ``message`` or ``detail``, from HTML the title, from anything else
    the first line that is not blank. Anything that looks like a credential is replaced. Never raises.
    """
    document = load_json_object(body)
    text = (None if document is None else _said(document)) or _first_line(body[:_LOOKED_AT])
    return one_line(redact_keys(one_line(text, _LOOKED_AT)))


def _said(document: dict[str, Any]) -> str | None:
    error = document.get("error")
    said = [as_object(error).get("message"), error, document.get("message"), document.get("detail")]
    return next((text for text in said if isinstance(text, str) and text), None)


def _first_line(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    title = _TITLE.search(text)
    return title[1] if title is not None else next((line for line in text.splitlines() if line.strip()), "")


def one_line(text: str, limit: int = MAX_MESSAGE) -> str:
    """Return at most `limit` characters of `text`; white space and unprintable characters become single spaces."""
    kept = "".join(character if character.isprintable() else " " for character in text[: 4 * limit])
    return " ".join(kept.split())[:limit]


def load_json_object(body: bytes) -> dict[str, Any] | None:
    """Return `body` decoded as a JSON object, None if it is anything else."""
    try:
        value = Event("", body).json()
    except StreamError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_object(value: Any) -> dict[str, Any]:
    """Return `value` if it is a JSON object, otherwise an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
