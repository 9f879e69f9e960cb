"""The dialect of Chat Completions and the Responses API.

According to https://developers.openai.com/api/docs/guides/streaming-responses and to what compatible servers send.
"""

from collections.abc import Callable
from typing import Any, ClassVar, get_args

from attrs import Attribute, field, frozen

from unbroken.dialect import AttemptView, Dialect, Kind, RateLimitStatus
from unbroken.error_bodies import error_document, stamped
from unbroken.errors import Error, StreamError, TruncatedStreamError
from unbroken.headers import Headers
from unbroken.messages import Event, Request, Response, Usage
from unbroken.validators import one_of

from ._chunks import is_done
from ._errors import error_of
from ._failures import failure_in, unwrapped
from ._parts import REPEATS
from ._rate_limits import rate_limits
from ._reader import OpenAIReader, Proof
from ._typed import typed
from ._union import OpenAIEvent
from ._usage import counts_of, usage_of

_PROOF: Callable[[Any, "Attribute[Proof]", Proof], None] = one_of(*get_args(Proof))


@frozen(eq=False, kw_only=True)
class OpenAI(Dialect[OpenAIEvent]):
    """The events, errors and headers of Chat Completions, the Responses API and compatible servers.

    The name of an event of the Responses API decides its kind. Under any other name the data decides: it is a chunk of
    Chat Completions, or an event whose name a proxy has dropped. Unknown events are passed through.

    A stream of chunks is complete when each choice has a ``finish_reason`` and then ``[DONE]`` or the end of the body
    comes. ``[DONE]`` itself is never delivered.
    """

    name: ClassVar[str] = "openai"
    has_terminal_event: ClassVar[bool] = True
    events_are_json: ClassVar[bool] = True
    response_id_header: ClassVar[str] = "x-request-id"
    proof: Proof = field(default="finish_reason", validator=_PROOF)
    """``done``: ``[DONE]`` proves a stream of chunks complete, and nothing else; for servers without finish reasons."""

    def reader(self, call: AttemptView) -> OpenAIReader:
        """Return the reader of one attempt of `call`."""
        return OpenAIReader(self.proof, call)

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event` by itself, as if every choice were finished. Never raises."""
        return OpenAIReader("done").classify(event)

    def error_from_event(self, event: Event) -> Error:
        """Return the error that `event` reports, of the same class as its HTTP twin. Never raises.

        Its `status_code` is the number in the event that decided its class, None without one. An unknown code or an
        event that cannot be decoded is a ServerError. ``[DONE]`` is a TruncatedStreamError.
        """
        if is_done(event.raw):
            return TruncatedStreamError("the stream ended with [DONE] before every choice had a finish_reason")
        return error_of(event.raw, name=event.type)

    def error_from_response(self, response: Response, body: bytes) -> Error:
        """Return the error for an HTTP error status.

        A known code or type takes precedence over a number in the body, and that over the status.
        """
        return stamped(error_of(body, response.status_code), response, self.response_id_header)

    def error_from_body(self, response: Response, body: bytes) -> Error | None:
        """Return the error in a body with status 200, None if it reports none."""
        document = error_document(body)
        if document is None or failure_in(document) is None:
            return None
        return stamped(error_of(body), response, self.response_id_header)

    def error_from_answer(self, request: Request, response: Response, body: bytes) -> Error | None:
        """Return the error that a plain answer reports: an ``error``, a failed response, a choice that failed.

        A resource that is fetched, and any other with an ``id``, may have an error of its own.
        """
        document = error_document(body) or {}
        if request.method == "POST" and document.get("object") == "response" and document.get("status") == "failed":
            body = Event.make("", {"type": "response.failed", "response": document}).raw
        elif not document.get("choices") or failure_in(document) is None:
            return super().error_from_answer(request, response, body)
        return stamped(error_of(body), response, self.response_id_header)

    def error_event(self, error: Error) -> Event:
        """Return an event with an ``error`` object, which clients look for in chunks and events of responses alike."""
        code = error.kind or f"unbroken_{type(error).__name__}"
        told = {"message": str(error), "type": "server_error", "param": None, "code": code}
        return Event.make("message", {"error": told})

    def rate_limits(self, headers: Headers, received_at: float) -> tuple[RateLimitStatus, ...]:
        """Return one status for each limit that ``x-ratelimit-*`` gives any valid value for.

        A reset is a Go duration (``6m0s``) or, from Azure, a number of seconds.
        """
        return rate_limits(headers)

    def usage(self, event: Event) -> Usage | None:
        """Return the token counts of a chunk or a response, None without any. Never raises.

        ``input_tokens`` excludes the tokens read from and written to the cache, which the API includes.
        """
        try:
            return usage_of(counts_of(unwrapped(event.json())))
        except StreamError:
            return None

    def text(self, event: Event) -> str | None:
        """Return the text of the answer in `event` by itself, None without any. Raises StreamError for a cut chunk.

        Refusals, reasoning and tool calls do not count as text, nor does what other events of the Responses API repeat
        of the deltas: only a `reader` knows which deltas there were.
        """
        return OpenAIReader(self.proof).text(event) if event.type not in REPEATS else None

    def typed(self, event: Event) -> OpenAIEvent:
        """Return `event` as an object of its class; an event of an unknown type and ``[DONE]`` are returned unchanged.

        Raises StreamError, with the place and without the data, if the data does not fit the class.
        """
        return typed(event)
