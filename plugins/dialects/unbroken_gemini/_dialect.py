"""The dialect of ``generateContent`` and ``streamGenerateContent``.

According to https://ai.google.dev/api/generate-content and to what compatible servers send.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final, get_args
from urllib.parse import parse_qs, urlsplit

import msgspec
from attrs import Attribute, field, frozen

from unbroken.dialect import AttemptView, Dialect, Kind
from unbroken.error_bodies import stamped
from unbroken.errors import ContentTypeError, Error, StreamError, TruncatedStreamError
from unbroken.messages import Event, Request, Response, Usage
from unbroken.validators import one_of

from ._chunks import GenerateContentResponse
from ._documents import candidates, documents, documents_in, failing, is_done
from ._errors import error_event, error_of
from ._reader import ERROR_NAME, GeminiReader, Proof
from ._usage import counts_of, usage_of

_PROOF: Callable[[Any, "Attribute[Proof]", Proof], None] = one_of(*get_args(Proof))
_METHOD: Final = ":streamGenerateContent"
_NOT_SSE: Final = "the chunks came as JSON, not as text/event-stream: the URL needs ?alt=sse"


@frozen(eq=False, kw_only=True)
class Gemini(Dialect[GenerateContentResponse | Event]):
    """The chunks, errors and token counts of the Gemini API and of Gemini models on Vertex AI.

    A stream is complete when each of its candidates has a ``finishReason``, or the prompt was blocked, and then the
    body ends. What comes behind a ``finishReason`` still counts: content, token counts, an error.
    """

    name: ClassVar[str] = "gemini"
    has_terminal_event: ClassVar[bool] = True
    events_are_json: ClassVar[bool] = True
    proof: Proof = field(default="finish_reason", validator=_PROOF)
    """``end``: the end of the body proves a stream with a candidate complete; for servers without finish reasons."""

    def reader(self, call: AttemptView) -> GeminiReader:
        """Return the reader of one attempt of `call`."""
        return GeminiReader(self.proof, call)

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event` by itself. Never raises."""
        return GeminiReader(self.proof).classify(event)

    def error_from_event(self, event: Event) -> Error:
        """Return the error that `event` reports, of the same class as its HTTP twin. Never raises.

        Its `status_code` is the number in the event, None without one. A mark ``[DONE]`` that comes too early is a
        TruncatedStreamError.
        """
        if is_done(event.raw):
            return TruncatedStreamError("the stream ended with [DONE] before every candidate had a finishReason")
        return error_of(_telling(event.raw))

    def error_from_response(self, response: Response, body: bytes) -> Error:
        """Return the error for an HTTP error status. What the body says takes precedence over the status."""
        return stamped(error_of(body, response.status_code), response, self.response_id_header)

    def error_from_body(self, response: Response, body: bytes) -> Error | None:
        """Return the error in a body with status 200, None if it reports none.

        Chunks without the framing of SSE are a ContentTypeError that names ``alt=sse``.
        """
        error = super().error_from_body(response, _telling(body))
        if error is None and any(map(candidates, documents_in(body))):
            content_type = response.headers.get("content-type")
            return stamped(ContentTypeError(_NOT_SSE, content_type=content_type), response, self.response_id_header)
        return error

    def error_from_answer(self, request: Request, response: Response, body: bytes) -> Error | None:
        """Return the error that a plain answer reports, None if it reports none.

        In a list of chunks any may be an error. A resource, which has a ``name``, may have an error of its own: a file,
        a batch, an operation.
        """
        found = documents_in(body)
        told = next((each for each in found if each.get("error") and not each.get("name")), None)
        if told is None:
            return None
        return stamped(error_of(Event.make(ERROR_NAME, told).raw), response, self.response_id_header)

    def asks_for_stream(self, request: Request) -> bool:
        """Return whether `request` is one for ``:streamGenerateContent?alt=sse``.

        Without ``alt=sse`` the answer is one JSON list of chunks: a plain answer.
        """
        parts = urlsplit(request.url)
        if not parts.path.rstrip("/").replace("%3A", ":").replace("%3a", ":").endswith(_METHOD):
            return False
        query = parse_qs(parts.query)
        return "sse" in (*query.get("alt", ()), *query.get("$alt", ()))

    def error_event(self, error: Error) -> Event:
        """Return an event with an ``error`` object, which Google's SDKs raise as their own error."""
        return error_event(error)

    def usage(self, event: Event) -> Usage | None:
        """Return the token counts of a chunk or an answer, None without any. Never raises.

        ``input_tokens`` excludes the tokens read from the cache, which the API includes; ``output_tokens`` includes
        thoughts, which it does not.
        """
        try:
            found = documents(event)
        except StreamError:
            return None
        usages = [usage for each in found if (usage := usage_of(counts_of(each))) is not None]
        return usages[-1] if usages else None

    def text(self, event: Event) -> str | None:
        """Return the text of the first candidate in `event`, None without any. Raises StreamError for a cut chunk.

        Thoughts, calls and files do not count as text.
        """
        return GeminiReader(self.proof).text(event)

    def typed(self, event: Event) -> GenerateContentResponse | Event:
        """Return a chunk as an object of its class, and an event that has no JSON object itself.

        Raises StreamError, with the place, if the data does not fit the class.
        """
        try:
            value = event.json()
        except StreamError:
            return event
        if not isinstance(value, dict) or not value:
            return event
        try:
            return msgspec.convert(value, GenerateContentResponse)
        except (ValueError, RecursionError) as error:
            message = f"the chunk is not as documented: {error}"
            raise StreamError(message, request_id=event.request_id or None) from None


def _telling(body: bytes) -> bytes:
    """Return the object of a list that reports a failure, otherwise `body`."""
    found = documents_in(body)
    told = failing(found) if len(found) > 1 else None
    return body if told is None else Event.make(ERROR_NAME, told).raw
