"""The meaning of an API's events and errors. `Dialect` is plain SSE; other dialects override parts of it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, Self, cast

from attrs import frozen

from .error_bodies import error_document, error_for, error_message, headed, load_json_object, sole_object, stamped
from .error_report import ErrorReport, reports_error
from .errors import Error, QuotaExceededError
from .framing import Decoder, Framing, Limits
from .framings import SSE
from .headers import Headers
from .kinds import CONTENT, ERROR, HIDDEN, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, USAGE, Kind
from .messages import E_co, Event, Request, Response, Usage

__all__ = [
    "CONTENT",
    "ERROR",
    "HIDDEN",
    "KEEPALIVE",
    "PREAMBLE",
    "STRUCTURE",
    "TERMINAL",
    "USAGE",
    "AttemptView",
    "Dialect",
    "Kind",
    "RateLimitStatus",
    "Reader",
    "error_for",
    "error_message",
    "stamped",
]


@frozen(kw_only=True)
class RateLimitStatus:
    """The state of one of the server's rate limits, as reported in a response."""

    kind: str
    """``requests``, ``tokens``, ``input_tokens`` or ``output_tokens``."""
    limit: int | None = None
    remaining: int | None = None
    reset_after: float | None = None
    """Seconds from the response until the limit is fully replenished."""


class AttemptView(Protocol):
    """The part of a `Call` that a reader may use."""

    @property
    def id(self) -> str:
        """The id of the call."""
        ...

    @property
    def request(self) -> Request:
        """The request as the user asked for it."""
        ...

    @property
    def current(self) -> Request:
        """The request of the current attempt, as plugins have changed it so far."""
        ...

    @property
    def response(self) -> Response | None:
        """The head (status and headers) of the response; None until it has arrived."""
        ...

    @property
    def last_event_id(self) -> str:
        """The id of the last event behind which nothing that was read can be lost; empty without one."""
        ...


class Reader(Protocol):
    """Interprets the events of one attempt, in order of arrival.

    Each event is classified once. Anything that depends on earlier events is state of the reader. A reader may also
    have a property `summary`, a `Summary` of the answer so far; `Call.summary` returns it.
    """

    @property
    def quiet(self) -> bool:
        """Whether silence is normal at this point of the stream: the model is thinking, or a tool is running.

        The `quiet` timeout then replaces `idle`. It is read after each chunk of the body.
        """
        ...

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event`."""
        ...

    def text(self, event: Event) -> str | None:
        """Return the text in `event`, None if it has none. Called when the event is consumed."""
        ...

    def complete_at_end(self) -> bool:
        """Return whether the stream is complete if the body ends normally, without a terminal event."""
        ...


class Dialect(Generic[E_co]):
    """Plain server-sent events: every event is content and the end of the body is the end of the stream.

    A dialect holds no state. If the meaning of its events depends on earlier events, its `reader` method returns a new
    reader for each attempt; otherwise the dialect itself is the reader.

    A dialect with classes of its own for its events is a ``Dialect[E]``, where `E` is the union of what its `typed`
    returns: checkers then know what `Event.typed` returns to the users of a client with this dialect.
    """

    name: ClassVar[str] = "sse"
    has_terminal_event: ClassVar[bool] = False
    """Whether a stream that ends without a terminal event is truncated."""
    response_id_header: ClassVar[str] = "x-request-id"
    framings: ClassVar[Mapping[str, Framing]] = MappingProxyType({"text/event-stream": SSE})
    """How a stream is written, by its media type. The first is that of an answer without a content type."""
    events_are_json: ClassVar[bool] = False
    """Whether the data of content and structure is JSON, so that a client which decodes it fails by anything else."""

    whole_answer_hint: ClassVar[str] = 'leave out "stream": true'
    """What to change in a request for a stream to get a whole answer, for the error of `Client.send`."""
    tells_any_failure: ClassVar[bool] = False
    """Whether the data of `error_event_for` is a whole answer too, so that it can tell a failure before any event."""

    quiet: bool = False
    """See `Reader.quiet`. Without state, no silence is known to be normal."""

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types of a stream, the preferred one first: what ``Accept`` asks for."""
        return tuple(self.framings)

    def framing(self, response: Response | None) -> Framing:
        """Return how the stream in `response` is written; without one, how this library writes its own."""
        first = next(iter(self.framings.values()))
        return first if response is None else self.framings.get(response.headers.media_type, first)

    def decoder(self, limits: Limits, call: AttemptView) -> Decoder:
        """Return the decoder of the stream in `call.response`."""
        return self.framing(call.response).decoder(limits.max_event_size, request_id=call.id, dialect=self)

    def reader(self, call: AttemptView) -> Reader:
        """Return the reader of one attempt of `call`. Called before its request is sent."""
        return self

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event`. Called for every event, so keep it to a look-up."""
        return CONTENT

    def complete_at_end(self) -> bool:
        """Return whether the dialect has no terminal event (see `Reader.complete_at_end`)."""
        return not self.has_terminal_event

    def error_from_event(self, event: Event) -> Error:
        """Return the error that an event of kind ERROR reports, of the same class as the matching HTTP error.

        Its `status_code` is the one that the event itself gives, usually None: the status of the response was 200.
        """
        return _reported(event.raw, 500, headed(error_message(event.raw)))

    def error_from_response(self, response: Response, body: bytes) -> Error:
        """Return the error for an error status. `body` is the part of the body that was read, at most 64 KiB."""
        status = response.status_code
        error = _reported(body, status, headed(error_message(body), status))
        return stamped(error, response, self.response_id_header)

    def error_from_body(self, response: Response, body: bytes) -> Error | None:
        """Return the error that a body with status 200 reports, None if it reports none.

        The default finds an error in JSON, in whichever shape (`unbroken.error_report.reports_error`), and makes of it
        what `error_from_event` makes of an event with that data.
        """
        document = error_document(body)
        if document is None or not reports_error(document):
            return None
        return stamped(self.error_from_event(Event("error", body)), response, self.response_id_header)

    def asks_for_stream(self, request: Request) -> bool:
        """Return whether the server will answer `request` with a stream.

        The default looks for ``"stream": true`` in its JSON body, and for an ``Accept`` of event streams alone.
        """
        if request.headers.get("accept", "").strip().lower() == "text/event-stream":
            return True
        document = load_json_object(request.content) if b'"stream"' in request.content else None
        return document is not None and document.get("stream") is True

    def error_from_answer(self, request: Request, response: Response, body: bytes) -> Error | None:
        """Return the error that a plain answer in JSON reports under a status below 300, None if it reports none.

        The default finds an error that stands alone. An object with an ``id`` is a good answer: a job that failed has
        an error of its own.
        """
        document = sole_object(body)
        is_error = "error" in (document.get("type"), document.get("object"))
        if not is_error and (not document.get("error") or document.get("id")):
            return None
        return stamped(self.error_from_event(Event("error", body)), response, self.response_id_header)

    def error_event(self, error: Error) -> Event | None:
        """Return the event in which a server reports `error` within a stream, None if the API has no such event."""
        return None

    def error_event_for(self, call: AttemptView, error: Error) -> Event | None:
        """Return the event in which a server reports `error` as the answer to `call.request`, None without one."""
        return self.error_event(error)

    def repeatable(self, request: Request) -> bool:
        """Return whether `request` may be sent again after the server may have received it.

        It is not asked about one that its sender has made with ``repeatable=False``.
        """
        return True

    def is_feed(self, request: Request) -> bool:
        """Return whether the answer to `request` is a feed, on which silence of any length is normal.

        Unless it has timeouts of its own, only its connection and the whole call are then bounded.
        """
        return False

    def resume_request(self, call: AttemptView) -> Request | None:
        """Return the request for the events of `call` behind `call.last_event_id`, None if they cannot be asked for.

        A policy sends it with ``TryAgain(request=…, resume=True)`` after the stream was lost.
        """
        return None

    def rate_limits(self, headers: Headers, received_at: float) -> tuple[RateLimitStatus, ...]:
        """Return the limits reported by the rate-limit headers. `received_at` is in Unix seconds."""
        return ()

    def usage(self, event: Event) -> Usage | None:
        """Return the token counts of an event that `classify` marked with USAGE."""
        return None

    def text(self, event: Event) -> str | None:
        """Return the text in `event`, None if it has none."""
        return event.data

    def typed(self, event: Event) -> E_co:
        """Return `event` as an instance of this API's class for it, or the event itself if there is no such class.

        Raises StreamError if the data does not fit the class.
        """
        return cast("E_co", event)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Every event refers to its dialect, which may hold objects that cannot be copied.
        return self


def _reported(body: bytes, status: int, message: str) -> Error:
    report = ErrorReport.of(body)
    made = QuotaExceededError(message) if report.is_spent else error_for(report.status_code or status, message)
    return report.on(made)
