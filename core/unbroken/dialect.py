"""What the events and errors of an API mean. `Dialect` speaks plain SSE; the others override parts of it."""

from enum import IntFlag
from typing import Any, ClassVar, Final, Self

from attrs import frozen

from .error_bodies import error_for, error_message, stamped
from .errors import Error, ServerError
from .headers import Headers
from .messages import Event, Response, Usage


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
