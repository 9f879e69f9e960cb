"""The dialect of the Messages API (https://platform.claude.com/docs/en/build-with-claude/streaming)."""

from typing import Any, ClassVar

from unbroken.dialect import AttemptView, Dialect, Kind, RateLimitStatus, Reader
from unbroken.error_bodies import as_object, load_json_object, stamped
from unbroken.errors import Error, StreamError
from unbroken.headers import Headers
from unbroken.messages import Event, Request, Response, Usage

from ._documents import UNNAMED
from ._errors import contradiction, error_of, type_of
from ._events import AnthropicEvent
from ._kinds import failed_reason, kind_of
from ._rate_limits import rate_limits
from ._reader import AnthropicReader
from ._typed import text_of, typed
from ._usage import usage_of

_COUNTED = ("message_delta", "response")


class Anthropic(Dialect[AnthropicEvent]):
    """The events, errors and headers of the Messages API.

    Events of unknown types are keep-alives and are passed through. The name of an event decides its type; some proxies
    drop the names, and then the ``type`` in the data decides.
    """

    name: ClassVar[str] = "anthropic"
    has_terminal_event: ClassVar[bool] = True
    events_are_json: ClassVar[bool] = True
    response_id_header: ClassVar[str] = "request-id"

    def reader(self, call: AttemptView) -> Reader:
        """Return a new reader."""
        return AnthropicReader()

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event`. Never raises: invalid JSON in an event of the API counts as content here."""
        return kind_of(event)

    def error_from_event(self, event: Event) -> Error:
        """Return the error that an ``error`` event reports, of the same class as its HTTP twin. Never raises.

        Its `status_code` is None, because the response had status 200. An unknown type or an event that cannot be
        decoded is a ServerError. A second ``message_start`` is a StreamError, ``message_stop`` without a stop reason a
        TruncatedStreamError.
        """
        document = load_json_object(event.raw) or {}
        reason = failed_reason(document)
        return (reason is None and contradiction(event, document)) or error_of(event.raw, reason=reason)

    def error_from_response(self, response: Response, body: bytes) -> Error:
        """Return the error for an HTTP error status. A known type in the body takes precedence over the status."""
        return stamped(error_of(body, response.status_code), response, self.response_id_header)

    def error_from_answer(self, request: Request, response: Response, body: bytes) -> Error | None:
        """Return the error that a plain answer reports: an ``error`` object, or a message with a failed stop reason."""
        message = load_json_object(body) or {}
        reason = failed_reason({"delta": message}) if message.get("type") == "message" else None
        if reason is None:
            return super().error_from_answer(request, response, body)
        return stamped(error_of(body, reason=reason), response, self.response_id_header)

    def error_event(self, error: Error) -> Event:
        """Return an ``error`` event with the words of `error`, and with its type or the one of its HTTP twin."""
        return Event.make("error", {"type": "error", "error": {"type": type_of(error), "message": str(error)}})

    def rate_limits(self, headers: Headers, received_at: float) -> tuple[RateLimitStatus, ...]:
        """Return one status for each limit that ``anthropic-ratelimit-*`` gives any valid value for."""
        return rate_limits(headers, received_at)

    def usage(self, event: Event) -> Usage | None:
        """Return the counts of a ``message_start``, ``message_delta`` or plain answer, None without any. Never raises.

        They are final if there are ``output_tokens``; those of ``message_start`` are a placeholder.
        """
        try:
            kind, counts = _usage(event)
        except StreamError:
            return None
        usage = usage_of(counts, final=kind != "message_start")
        return None if usage == Usage() else usage

    def text(self, event: Event) -> str | None:
        """Return the text of a ``text_delta`` and of the blocks that a start brings, None for all else.

        Raises StreamError if that is not JSON.
        """
        return text_of(event)

    def typed(self, event: Event) -> AnthropicEvent:
        """Return `event` as an object of its class; an event of an unknown type is returned unchanged.

        Unknown blocks and deltas in it stay JSON objects as received. Raises StreamError, with the place and without
        the data, if the data does not fit the type.
        """
        return typed(event)


def _usage(event: Event) -> tuple[Any, dict[str, Any]]:
    """Return the type of `event` and its ``usage`` object, empty if events of this type have none."""
    kind = event.get("type") if event.type == UNNAMED else event.type
    if kind == "message_start":
        return kind, as_object(as_object(event.get("message")).get("usage"))
    return kind, as_object(event.get("usage")) if kind in _COUNTED else {}
