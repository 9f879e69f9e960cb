"""A whole answer that was not streamed."""

from typing import Any, final

from attrs import field, frozen

from ._engine.head import wrong_content
from .errors import Attempt, StreamError
from .headers import Headers
from .messages import Event, Response, Usage
from .stream import AsyncStream, Stream


@final
@frozen(kw_only=True)
class PlainAnswer:
    """A whole answer that was not streamed, such as the JSON of an API, and what the call did to get it."""

    response: Response
    """The head of the response."""
    content: bytes = field(repr=False)
    """The body as received."""
    request_id: str
    """The id of the call, the same for all its attempts."""
    attempts: int
    """How many attempts the call took."""
    history: tuple[Attempt, ...]
    """The attempts that failed."""
    usage: Usage | None
    """The tokens that the answer counts; None if it counts none."""
    _event: Event = field(alias="event", repr=False, eq=False)

    @classmethod
    def of(cls, stream: Stream | AsyncStream, events: list[Event]) -> "PlainAnswer":
        """Return the answer that arrived as `events` of a `stream` that has ended."""
        whole = events[0] if len(events) == 1 else Event("response", b"".join(event.raw for event in events))
        response = stream.response or Response(status_code=200)  # a plugin can have replayed a stored answer
        return cls(
            response=response,
            content=whole.raw,
            request_id=stream.request_id,
            attempts=stream.attempts,
            history=stream.history,
            usage=stream.usage,
            event=whole,
        )

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        return self.response.status_code

    @property
    def headers(self) -> Headers:
        """The headers of the response."""
        return self.response.headers

    @property
    def text(self) -> str:
        """The body as text; invalid UTF-8 becomes U+FFFD."""
        return self._event.data

    def json(self) -> Any:
        """Return the body decoded as JSON, the same object each time.

        Raises ContentTypeError if it is not JSON: the answer of another program, such as a captive portal.
        """
        try:
            return self._event.json()
        except StreamError:
            raise wrong_content("JSON", self.response, self.content, self.request_id) from None
