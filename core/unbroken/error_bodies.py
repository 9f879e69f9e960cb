"""From a failed response to an error: its class, and its message in one line, without credentials.

`ErrorReport` reads what else an error body says.
"""

import re
from collections.abc import Sequence
from typing import Any, Final, cast

from .errors import (
    AuthenticationError,
    Error,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamError,
    ValidationError,
)
from .messages import Event, Response
from .retry_after import retry_after, should_retry
from .secrets import redact_keys
from .sse import SSEDecoder, begins_stream

MAX_MESSAGE: Final = 200
"""The most characters of the server's message that an error repeats."""

_CLASSES: Final[dict[int, type[Error]]] = {
    401: AuthenticationError,
    402: QuotaExceededError,  # RFC 9110 reserves it; model APIs use it for an empty account
    403: AuthenticationError,
    429: RateLimitError,
    529: OverloadedError,
}
# 4xx where another attempt can help: the request arrived too slowly (RFC 9110 §15.5.9), met a conflict (§15.5.10) or
# arrived too early (RFC 8470 §5.2).
_CURABLE: Final = frozenset({408, 409, 425})

# How much of a body is searched for its first line.
_LOOKED_AT: Final = 4096
# Where errors have their words, and how deep one may be within another.
_WORDS: Final = ("message", "detail", "details", "error_message", "error_description", "msg", "title")
_DEPTH: Final = 4
_NOTHING: Final[dict[str, Any]] = {}
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

    A status that the body gave (`ErrorReport`) stays. A status below 400 is left out, because it says nothing about the
    failure. A hint of the head takes precedence over one of the body.
    """
    headers = response.headers
    if error.status_code is None and response.status_code >= 400:
        error.status_code = response.status_code
    error.response_id = one_line(headers.get(response_id_header, "")) or error.response_id
    hint = retry_after(headers, response.received_at)
    error.retry_after = error.retry_after if hint is None else hint
    error.should_retry = should_retry(headers)
    return error


def error_message(body: bytes) -> str:
    """Return the error message in `body` as one line of at most `MAX_MESSAGE` characters; empty if there is none.

    From JSON it takes the words of the error (`words_of`), from HTML the title, from anything else the first line that
    is not blank. `body` may be framed as SSE. Anything that looks like a credential is replaced. Never raises.
    """
    body = unframed(body)
    document = error_document(body)
    return safe_line((None if document is None else words_of(document)) or _first_line(body[:_LOOKED_AT]))


def headed(words: str, status_code: int | None = None, kind: str | None = None) -> str:
    """Return the message of an error: ``HTTP 429 rate_limit_error: words``, without what is None or empty.

    `kind` is what the server calls it. Without a status and a name the server just "reported an error".
    """
    head = " ".join(part for part in (status_code and f"HTTP {status_code}", kind) if part)
    head = head or "the server reported an error"
    return f"{head}: {words}" if words else head


def error_document(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in which `body` describes a failure, None if it has none.

    It is the body itself, the first object of a list, or either of them as the data of an event, whatever the content
    type says.
    """
    value = _load(unframed(body))
    return cast("dict[str, Any]", value) if isinstance(value, dict) else _first_object(value) or None


def sole_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that `body` is, or that is the only one in a list; otherwise an empty one."""
    value = _load(body)
    found = as_list(value)
    return as_object(found[0]) if len(found) == 1 else {}


def unframed(body: bytes) -> bytes:
    """Return the data of the event that describes a failure if `body` is framed as SSE, otherwise `body`.

    It is the event named ``error``, or the first whose data is an object or a list, or the first one.
    """
    if not begins_stream(body):
        return body
    events = SSEDecoder(len(body) + 1).feed(body + b"\n\n")
    named = [event for event in events if event.type == "error"]
    telling = named or [event for event in events if isinstance(_load(event.raw), dict | list)] or events
    return telling[0].raw if telling else body


def words_of(document: dict[str, Any]) -> str | None:
    """Return the message in `document`: of the error in it, of the error that is a text, or beside it. None without."""
    inner = described(document)
    said = [*map(inner.get, _WORDS), document.get("error"), *map(document.get, _WORDS)]
    return next((text for text in said if isinstance(text, str) and text.strip()), None)


def described(document: dict[str, Any]) -> dict[str, Any]:
    """Return the object that describes the error in `document`, empty if there is none.

    It is the innermost ``error``, also that of a ``response``, or the first of a list of ``errors``, or a ``detail``
    (which web frameworks put around it).
    """
    response = as_object(document.get("response"))
    found = (document.get("error"), response.get("error"), document.get("errors"), document.get("detail"))
    inner = next((each for each in map(_first_object, found) if each), _NOTHING)
    for _ in range(_DEPTH):
        inner = as_object(inner.get("error")) or inner
    return inner


def safe_line(text: str) -> str:
    """Return `text` as one line of at most `MAX_MESSAGE` characters, without anything that looks like a credential."""
    return one_line(redact_keys(one_line(text, _LOOKED_AT)))


def one_line(text: str, limit: int = MAX_MESSAGE) -> str:
    """Return at most `limit` characters of `text`; white space and unprintable characters become single spaces."""
    kept = "".join(character if character.isprintable() else " " for character in text[: 4 * limit])
    return " ".join(kept.split())[:limit]


def _first_line(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    title = _TITLE.search(text)
    return title[1] if title is not None else next((line for line in text.splitlines() if line.strip()), "")


def load_json_object(body: bytes) -> dict[str, Any] | None:
    """Return `body` decoded as a JSON object, None if it is anything else."""
    value = _load(body)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _load(body: bytes) -> Any:
    try:
        return Event("", body).json()
    except StreamError:
        return None


def as_object(value: Any) -> dict[str, Any]:
    """Return `value` if it is a JSON object, otherwise an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> Sequence[Any]:
    """Return `value` if it is a JSON list, otherwise a list with nothing but it."""
    return cast("Sequence[Any]", value) if isinstance(value, list) else [value]


def _first_object(value: Any) -> dict[str, Any]:
    return next((each for each in map(as_object, as_list(value)) if each), _NOTHING)
