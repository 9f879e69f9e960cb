"""What the events and errors of an API mean. `Dialect` speaks plain SSE; the others override parts of it."""

import re
from enum import IntFlag
from typing import Any, ClassVar, Final, Self, cast

from attrs import frozen

from .errors import (
    AuthenticationError,
    Error,
    OverloadedError,
    RateLimitError,
    ServerError,
    StreamError,
    ValidationError,
)
from .headers import Headers
from .messages import Event, Response, Usage
from .retry_after import _date, retry_after, should_retry


class Kind(IntFlag):
    """What an event is to the engine: one of the first five, with `USAGE` added when it carries token counts.

    The five are numbers, not bits: ``int(kind) & 7`` is which. Flags are slow to combine, so do that once, at
    import: ``PREAMBLE | USAGE``.
    """

    KEEPALIVE = 1
    """No progress: delivered, but it feeds no clock."""
    PREAMBLE = 2
    """Before the first content: held until the commit, so that a failure can still be retried unseen."""
    CONTENT = 3
    TERMINAL = 4
    """Proves that the stream is complete."""
    ERROR = 5
    """The server reports a failure within the stream."""
    USAGE = 8


KEEPALIVE: Final = Kind.KEEPALIVE
PREAMBLE: Final = Kind.PREAMBLE
CONTENT: Final = Kind.CONTENT
TERMINAL: Final = Kind.TERMINAL
ERROR: Final = Kind.ERROR
USAGE: Final = Kind.USAGE

MAX_MESSAGE: Final = 200
"""The most characters of a server's own words that an error repeats."""

_CLASSES: Final[dict[int, type[Error]]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    429: RateLimitError,
    529: OverloadedError,
}
# 4xx where another try can help: the request came too slowly (RFC 9110 §15.5.9), met a conflict (§15.5.10) or
# came too early (RFC 8470 §5.2).
_CURABLE: Final = frozenset({408, 409, 425})

# How much of a text is looked at for its first line.
_LOOKED_AT: Final = 4096
_TITLE = re.compile(r"<title>([^<]{1,200})", re.IGNORECASE)
# An answer may repeat what it was sent: keys of the usual form, JSON web tokens, bearer tokens.
_SECRET = re.compile(r"\b[srp]k-[\w-]{6,}|\beyJ[\w.-]{8,}|(?<=\bBearer )\S+", re.IGNORECASE)


@frozen(kw_only=True)
class RateLimitStatus:
    """What the server says of one of its limits."""

    kind: str
    """``requests``, ``tokens``, ``input_tokens`` or ``output_tokens``."""
    limit: int | None = None
    remaining: int | None = None
    reset_after: float | None = None
    """Seconds from the response until the limit is whole again."""


class Dialect:
    """Plain server-sent events: every event is content and the end of the body is the end of the stream."""

    name: ClassVar[str] = "sse"
    has_terminal_event: ClassVar[bool] = False
    """Whether a stream without a terminal event is a truncated one."""
    response_id_header: ClassVar[str] = "x-request-id"

    def classify(self, event: Event) -> Kind:
        """Say what `event` is. Called for every event: make it a look-up."""
        return CONTENT

    def error_from_event(self, event: Event) -> Error:
        """Make the error that an event of kind ERROR reports: the class of its HTTP twin.

        It has no `status_code`, which is for a response that failed: the status of this one was 200.
        """
        said = error_message(event.raw)
        return ServerError(f"the server reported an error: {said}" if said else "the server reported an error")

    def error_from_response(self, response: Response, body: bytes) -> Error:
        """Make the error for a status that is not a stream. `body` is what was read of it, 64 KiB at most."""
        status, said = response.status_code, error_message(body)
        error = error_for(status, f"HTTP {status}: {said}" if said else f"HTTP {status}")
        return stamped(error, response, self.response_id_header)

    def error_from_body(self, response: Response, body: bytes) -> Error | None:
        """Make the error that a JSON body under status 200 reports, None when it reports none."""
        return None

    def rate_limits(self, headers: Headers, received_at: float) -> tuple[RateLimitStatus, ...]:
        """Read the rate-limit headers; `received_at` is in Unix seconds."""
        return ()

    def usage(self, event: Event) -> Usage | None:
        """Read the token counts of an event that `classify` marked with USAGE."""
        return None

    def text(self, event: Event) -> str | None:
        """Return the piece of text that `event` carries, None when it carries none."""
        return event.data

    def typed(self, event: Event) -> Any:
        """Return `event` as an object of a class of this API, the event itself when there is none for it.

        Raises StreamError when the data does not fit its class.
        """
        return event

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Every event refers to its dialect, which may hold what cannot be copied.
        return self


def error_class(status_code: int) -> type[Error]:
    """Return the class for an HTTP status (RFC 9110 §15; 529 is in use for "overloaded")."""
    if status_code in _CLASSES:
        return _CLASSES[status_code]
    if status_code >= 500:
        return ServerError
    return ValidationError if status_code >= 400 else StreamError


def error_for(status_code: int, message: str) -> Error:
    """Make the error for an HTTP status: its class, and whether another try can help."""
    error = error_class(status_code)(message)
    error.retryable = error.retryable or status_code in _CURABLE
    return error


def stamped(error: Error, response: Response, response_id_header: str = "x-request-id") -> Error:
    """Put what the head of the response says on `error`: status, response id, the hints about trying again.

    A status of success stays off it: it says nothing about the failure.
    """
    headers = response.headers
    error.status_code = response.status_code if response.status_code >= 400 else None
    error.response_id = one_line(headers.get(response_id_header, "")) or error.response_id
    error.retry_after = retry_after(headers, response.received_at)
    error.should_retry = should_retry(headers)
    return error


def error_message(body: bytes) -> str:
    """Return in one line what an answer says is wrong, at most `MAX_MESSAGE` characters, empty if nothing.

    Of JSON that is ``error.message``, ``error``, ``message`` or ``detail``, of HTML the title, of all else
    the first line. What looks like a credential is replaced. Never raises.
    """
    document = load_json_object(body)
    text = (None if document is None else _said(document)) or _first_line(body[:_LOOKED_AT])
    return one_line(_SECRET.sub("***", one_line(text, _LOOKED_AT)))


def _said(document: dict[str, Any]) -> str | None:
    error = document.get("error")
    said = [as_object(error).get("message"), error, document.get("message"), document.get("detail")]
    return next((text for text in said if isinstance(text, str) and text), None)


def _first_line(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    title = _TITLE.search(text)
    return title[1] if title is not None else next((line for line in text.splitlines() if line.strip()), "")


def one_line(text: str, limit: int = MAX_MESSAGE) -> str:
    """Return at most `limit` characters of `text`, single spaces for white space and the unprintable."""
    kept = "".join(character if character.isprintable() else " " for character in text[: 4 * limit])
    return " ".join(kept.split())[:limit]


def load_json_object(body: bytes) -> dict[str, Any] | None:
    """Read `body` as a JSON object, None when it is anything else."""
    try:
        value = Event("", body).json()
    except StreamError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_object(value: Any) -> dict[str, Any]:
    """Return `value` if it is a JSON object, an empty one otherwise."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def sent_at(headers: Headers, received_at: float) -> float:
    """Return the ``Date`` of a response in Unix seconds, `received_at` when there is no valid one."""
    date = _date(headers.get("date", "").strip(" \t"), received_at)
    return received_at if date is None else date
