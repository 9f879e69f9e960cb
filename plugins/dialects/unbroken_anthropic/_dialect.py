"""The dialect of the Messages API (https://platform.claude.com/docs/en/build-with-claude/streaming)."""

from typing import Any, ClassVar, Final

from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, PREAMBLE, TERMINAL, USAGE, Dialect, Kind, RateLimitStatus
from unbroken.error_bodies import as_object, load_json_object, stamped
from unbroken.errors import Error, StreamError
from unbroken.headers import Headers
from unbroken.messages import Event, Response, Usage

from ._errors import error_of
from ._rate_limits import rate_limits
from ._tagged import TypedEvent
from ._typed import UNNAMED, text_of, typed
from ._usage import usage_of

_KINDS: Final[dict[str, Kind]] = {
    "message_start": PREAMBLE | USAGE,
    "content_block_start": PREAMBLE,
    "ping": KEEPALIVE,
    "content_block_delta": CONTENT,
    # Blocks without deltas (fallback, redacted_thinking) come before anything is shown: they do not commit.
    "content_block_stop": PREAMBLE,
    "message_delta": CONTENT | USAGE,
    "message_stop": TERMINAL,
    "error": ERROR,
}


class Anthropic(Dialect):
    """The events, errors and headers of the Messages API.

    Events of unknown types are content and passed through. An event is what its name says; some proxies
    drop the names, then the ``type`` in the data counts.
    """

    name: ClassVar[str] = "anthropic"
    has_terminal_event: ClassVar[bool] = True
    response_id_header: ClassVar[str] = "request-id"

    def classify(self, event: Event) -> Kind:
        """Say what `event` is. Never raises: data that is no JSON is content, as far as this is concerned."""
        try:
            return _KINDS[event.type]
        except KeyError:
            return _kind_by_data(event) if event.type == UNNAMED else CONTENT

    def error_from_event(self, event: Event) -> Error:
        """Make the error that an ``error`` event reports: the class of its HTTP twin. Never raises.

        It has no `status_code`, that of the response was 200. An unknown type is a ServerError, and so is an
        event that cannot be read.
        """
        return error_of(event.raw)

    def error_from_response(self, response: Response, body: bytes) -> Error:
        """Make the error for a status that is not a stream. The type in the body goes before the status."""
        return stamped(error_of(body, response.status_code), response, self.response_id_header)

    def error_from_body(self, response: Response, body: bytes) -> Error | None:
        """Make the error that a JSON body under status 200 reports, None when it has no error object."""
        document = load_json_object(body)
        if document is None or not isinstance(document.get("error"), dict):
            return None
        return stamped(error_of(body), response, self.response_id_header)

    def rate_limits(self, headers: Headers, received_at: float) -> tuple[RateLimitStatus, ...]:
        """Read ``anthropic-ratelimit-*``: one status for each limit of which anything usable is said."""
        return rate_limits(headers, received_at)

    def usage(self, event: Event) -> Usage | None:
        """Read the token counts of ``message_start`` and ``message_delta``, None without any. Never raises.

        They are final with the ``output_tokens`` of a ``message_delta``; ``message_start`` has a placeholder.
        """
        try:
            kind, counts = _usage(event)
        except StreamError:
            return None
        usage = usage_of(counts, final=kind == "message_delta")
        return None if usage == Usage() else usage

    def text(self, event: Event) -> str | None:
        """Return the text of a ``text_delta``, None for all else. Raises StreamError if that is not JSON."""
        return text_of(event)

    def typed(self, event: Event) -> TypedEvent | Event:
        """Return `event` as an object of its class, an event of an unknown type itself.

        Unknown blocks and deltas within it are the JSON objects as they came. Raises StreamError, with the place
        and without the data, when the data is not what such an event has.
        """
        return typed(event)


def _kind_by_data(event: Event) -> Kind:
    try:
        kind = event.get("type")
    except StreamError:
        return CONTENT
    if isinstance(kind, str):
        return _KINDS.get(kind, CONTENT)
    # A gateway's own failure: data: {"error": {...}}
    return ERROR if isinstance(event.get("error"), dict) else CONTENT


def _usage(event: Event) -> tuple[Any, dict[str, Any]]:
    """Return the type of `event` and the counts that an event of that type has."""
    kind = event.get("type") if event.type == UNNAMED else event.type
    if kind == "message_start":
        return kind, as_object(as_object(event.get("message")).get("usage"))
    return kind, as_object(event.get("usage")) if kind == "message_delta" else {}
