"""What the engine asks its driver to do. A driver sends the result back, or throws the failure."""

from collections.abc import Generator
from operator import length_hint
from typing import Any, TypeVar, final

from ..messages import Event, Request
from ..transport import Opening


class Effect:
    """Anything that the engine yields and that is not an event for the consumer."""

    __slots__ = ()


@final
class Open(Effect):
    """Send a request; the result is the head of the response."""

    __slots__ = ("opening", "request")

    def __init__(self, request: Request, opening: Opening) -> None:
        self.request = request
        self.opening = opening


@final
class Read(Effect):
    """Read some bytes; the result is empty at the end of the body. One object serves a whole attempt."""

    __slots__ = ("deadline",)

    def __init__(self) -> None:
        self.deadline: float | None = None


@final
class Sleep(Effect):
    """Let time pass."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


@final
class Close(Effect):
    """Close the exchange, if there is one. Only a cancellation is thrown here, once that is done."""

    __slots__ = ("reusable",)

    def __init__(self, *, reusable: bool) -> None:
        self.reusable = reusable


@final
class Ready(Effect):
    """The first content event is here: the consumer may have the stream."""

    __slots__ = ()


@final
class Batch(Effect):
    """Events for the consumer that no plugin looks at: the driver hands them out without coming back for each.

    An event is delivered when the consumer takes it, so `taken` is exact wherever the consumer leaves.
    """

    __slots__ = ("events", "ready")

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.ready = iter(events)

    @property
    def taken(self) -> int:
        """How many the consumer has taken."""
        return len(self.events) - length_hint(self.ready)


@final
class Pause(Effect):
    """Many events came in one piece: let other tasks run."""

    __slots__ = ()


READY = Ready()
PAUSE = Pause()


T = TypeVar("T")
Steps = Generator[Effect | Event, Any, T]
"""What a part of a call is: it yields effects and events, is sent the results, and returns a `T`."""


class Leave(BaseException):
    """Thrown into the engine when the consumer leaves the stream."""
