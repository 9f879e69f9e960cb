"""The dialect of Chat Completions and the Responses API.

After https://developers.openai.com/api/docs/guides/streaming-responses and what compatible servers send.
"""

from typing import ClassVar, Final

from unbroken.dialect import CONTENT, Dialect, Kind, RateLimitStatus
from unbroken.error_bodies import load_json_object, stamped
from unbroken.errors import Error, StreamError
from unbroken.headers import Headers
from unbroken.messages import Event, Response, Usage

from ._chunks import kind_of, text_of
from ._errors import error_of
from ._rate_limits import rate_limits
from ._responses import KINDS, TEXT_DELTA
from ._usage import counts_of, usage_of

# What an event without a name is called (WHATWG HTML §9.2.6).
_UNNAMED: Final = "message"


class OpenAI(Dialect):
    """The events, errors and headers of Chat Completions, of the Responses API and of compatible servers.

    An event of the Responses API is what its name says. Events without a name are what their data says: chunks
    of Chat Completions, or events whose names a proxy has dropped. What is unknown is content and passed
    through.

    A stream of chunks is complete with ``[DONE]``: a ``finish_reason`` alone leaves it truncated.
    """

    name: ClassVar[str] = "openai"
    has_terminal_event: ClassVar[bool] = True
    response_id_header: ClassVar[str] = "x-request-id"

    def classify(self, event: Event) -> Kind:
        """Say what `event` is. Never raises: data that is no JSON is content, as far as this is concerned."""
        kind = KINDS.get(event.type)
        if kind is not None:
            return kind
        return kind_of(event) if event.type == _UNNAMED else CONTENT

    def error_from_event(self, event: Event) -> Error:
        """Make the error that `event` reports: the class of its HTTP twin. Never raises.

        It has no `status_code`, that of the response was 200. An unknown code is a ServerError, and so is an
        event that cannot be read.
        """
        return error_of(event.raw)

    def error_from_response(self, response: Response, body: bytes) -> Error:
        """Make the error for a status that is not a stream. A code or type that is known goes before the status."""
        return stamped(error_of(body, response.status_code), response, self.response_id_header)

    def error_from_body(self, response: Response, body: bytes) -> Error | None:
        """Make the error that a JSON body under status 200 reports, None when its ``error`` is null or missing."""
        document = load_json_object(body)
        if document is None or not document.get("error"):
            return None
        return stamped(error_of(body), response, self.response_id_header)

    def rate_limits(self, headers: Headers, received_at: float) -> tuple[RateLimitStatus, ...]:
        """Read ``x-ratelimit-*``: one status for each limit of which anything usable is said.

        A reset is a duration of Go (``6m0s``) or, from Azure, a number of seconds.
        """
        return rate_limits(headers)

    def usage(self, event: Event) -> Usage | None:
        """Read the token counts of a chunk or of a response, None without any. Never raises.

        ``input_tokens`` is without the tokens read from and written to the cache, which the API includes.
        """
        try:
            return usage_of(counts_of(event))
        except StreamError:
            return None

    def text(self, event: Event) -> str | None:
        """Return the text of the answer in `event`, None without any. Raises StreamError if that is not JSON.

        It is ``delta.content`` of the choice with index 0 or the ``delta`` of ``response.output_text.delta``.
        Refusals, reasoning and tool calls are no text.
        """
        return text_of(event) if event.type in {_UNNAMED, TEXT_DELTA} else None
