"""The dialect of Chat Completions and the Responses API.

According to https://developers.openai.com/api/docs/guides/streaming-responses and to what compatible servers send.
"""

from typing import ClassVar, Final

from unbroken.dialect import CONTENT, Dialect, Kind, RateLimitStatus
from unbroken.error_bodies import stamped
from unbroken.errors import Error, StreamError
from unbroken.headers import Headers
from unbroken.messages import Event, Response, Usage

from ._chunks import kind_of, text_of
from ._errors import error_of
from ._rate_limits import rate_limits
from ._responses import KINDS, TEXT_DELTA
from ._usage import counts_of, usage_of

# The type of an event without a name (WHATWG HTML §9.2.6).
_UNNAMED: Final = "message"


class OpenAI(Dialect):
    """The events, errors and headers of Chat Completions, the Responses API and compatible servers.

    The name of an event of the Responses API decides its kind. For an event without a name the data decides: it is a
    chunk of Chat Completions, or an event whose name a proxy has dropped. Unknown events are content and are passed
    through.

    A stream of chunks is complete with ``[DONE]``; with only a ``finish_reason`` it is truncated.
    """

    name: ClassVar[str] = "openai"
    has_terminal_event: ClassVar[bool] = True
    response_id_header: ClassVar[str] = "x-request-id"

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event`. Never raises: invalid JSON counts as content here."""
        kind = KINDS.get(event.type)
        if kind is not None:
            return kind
        return kind_of(event) if event.type == _UNNAMED else CONTENT

    def error_from_event(self, event: Event) -> Error:
        """Return the error that `event` reports, of the same class as its HTTP twin. Never raises.

        Its `status_code` is None, because the response had status 200. An unknown code or an event that cannot be
        decoded is a ServerError.
        """
        return error_of(event.raw)

    def error_from_response(self, response: Response, body: bytes) -> Error:
        """Return the error for an HTTP error status. A known code or type takes precedence over the status."""
        return stamped(error_of(body, response.status_code), response, self.response_id_header)

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
            return usage_of(counts_of(event))
        except StreamError:
            return None

    def text(self, event: Event) -> str | None:
        """Return the text of the answer in `event`, None without any. Raises StreamError for invalid JSON.

        The text is ``delta.content`` of the choice with index 0, or the ``delta`` of ``response.output_text.delta``.
        Refusals, reasoning and tool calls do not count as text.
        """
        return text_of(event) if event.type in {_UNNAMED, TEXT_DELTA} else None
