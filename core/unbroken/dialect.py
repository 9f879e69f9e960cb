"""What the events and errors of an API mean. `Dialect` speaks plain SSE; the others override parts of it."""

from typing import Any, ClassVar, Final, Protocol, Self

from attrs import frozen

from .error_bodies import error_for, error_message, stamped
from .errors import Error, ServerError
from .headers import Headers
from .messages import Event, Request, Response, Usage


class Kind(int):
    """What an event is to the engine, as bits: ``PREAMBLE | USAGE``. An int, because the engine looks at it often."""

    __slots__ = ()

    KEEPALIVE: ClassVar["Kind"]
    """No progress: delivered, but it renews no timeout and commits nothing."""
    PREAMBLE: ClassVar["Kind"]
    """Before the first content: held until the commit, so that a failure can still be retried unseen."""
    CONTENT: ClassVar["Kind"]
    """Part of the answer. The first of its kind commits."""
    TERMINAL: ClassVar["Kind"]
    """Proves that the stream is complete."""
    ERROR: ClassVar["Kind"]
    """The server reports a failure within the stream."""
    USAGE: ClassVar["Kind"]
    """Carries token counts, whatever else it is."""

    def __or__(self, other: int) -> "Kind":
        return Kind(int(self) | int(other))

    def __repr__(self) -> str:
        return " | ".join(name for kind, name in _NAMES.items() if self & kind) or "Kind(0)"


KEEPALIVE: Final = Kind(1)
PREAMBLE: Final = Kind(2)
CONTENT: Final = Kind(4)
TERMINAL: Final = Kind(8)
ERROR: Final = Kind(16)
USAGE: Final = Kind(32)
_NAMES: Final = {
    KEEPALIVE: "KEEPALIVE",
    PREAMBLE: "PREAMBLE",
    CONTENT: "CONTENT",
    TERMINAL: "TERMINAL",
    ERROR: "ERROR",
    USAGE: "USAGE",
}
for _kind, _name in _NAMES.items():
    setattr(Kind, _name, _kind)


@frozen(kw_only=True)
class RateLimitStatus:
    """What the server says of one of its limits."""

    kind: str
    """``requests``, ``tokens``, ``input_tokens`` or ``output_tokens``."""
    limit: int | None = None
    remaining: int | None = None
    reset_after: float | None = None
    """Seconds from the response until the limit is whole again."""


class AttemptView(Protocol):
    """What a reader may see of the attempt that it reads for; a `Call` has it."""

    @property
    def id(self) -> str:
        """The id of the call."""
        ...

    @property
    def current(self) -> Request:
        """The request as it is sent."""
        ...

    @property
    def response(self) -> Response | None:
        """The head of the response; None until it has arrived."""
        ...


class Reader(Protocol):
    """Reads the events of one attempt, in the order in which they come.

    Each event is classified once. What depends on the events so far is the reader's own state.
    """

    @property
    def quiet(self) -> bool:
        """Whether silence is normal at this point of the stream: the model thinks, a tool runs."""
        ...

    def classify(self, event: Event) -> Kind:
        """Say what `event` is."""
        ...

    def text(self, event: Event) -> str | None:
        """Return the piece of text that `event` carries, None when it carries none. Called as events are consumed."""
        ...

    def complete_at_end(self) -> bool:
        """Say whether the stream is complete when the body ends, politely and without a terminal event."""
        ...


class Dialect:
    """Plain server-sent events: every event is content and the end of the body is the end of the stream.

    A dialect holds no state. One whose events mean different things depending on those before gives each attempt a
    `reader` of its own; for all others the dialect itself is the reader.
    """

    name: ClassVar[str] = "sse"
    has_terminal_event: ClassVar[bool] = False
    """Whether a stream without a terminal event is a truncated one."""
    response_id_header: ClassVar[str] = "x-request-id"

    @property
    def quiet(self) -> bool:
        """See `Reader.quiet`: a dialect without state knows of no silence that is normal."""
        return False

    def reader(self, call: AttemptView) -> Reader:
        """Return the reader of one attempt of `call`. Called before its request is sent."""
        return self

    def classify(self, event: Event) -> Kind:
        """Say what `event` is. Called for every event: make it a look-up."""
        return CONTENT

    def complete_at_end(self) -> bool:
        """See `Reader.complete_at_end`."""
        return not self.has_terminal_event

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
