"""The effects that the engine asks its driver to perform. The driver sends the result back, or throws the failure."""

from collections.abc import Generator
from operator import length_hint
from typing import Any, TypeVar, final

from ..messages import Event, Request
from ..signals import Signal
from ..transport import Opening


class Effect:
    """The base class of everything that the engine yields except the events for the consumer."""

    __slots__ = ()


@final
class Open(Effect):
    """Send a request. The result is the `Response`, the head of the answer."""

    __slots__ = ("opening", "request")

    def __init__(self, request: Request, opening: Opening) -> None:
        self.request = request
        self.opening = opening


@final
class Read(Effect):
    """Read the next bytes. The result is ``b""`` at the end of the body. One object is reused for a whole attempt."""

    __slots__ = ("deadline",)

    def __init__(self) -> None:
        self.deadline: float | None = None


@final
class Sleep(Effect):
    """Sleep for `seconds`, or until the signal is set."""

    __slots__ = ("seconds", "until")

    def __init__(self, seconds: float, until: Signal | None = None) -> None:
        self.seconds = seconds
        self.until = until


@final
class Close(Effect):
    """Close the exchange, if there is one. Only a cancellation can be thrown here, after the exchange is closed."""

    __slots__ = ("reusable",)

    def __init__(self, *, reusable: bool) -> None:
        self.reusable = reusable


@final
class Ready(Effect):
    """The first content event has arrived: give the stream to the consumer."""

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
    """Let other tasks run, because one chunk held many events."""

    __slots__ = ()


READY = Ready()
PAUSE = Pause()


T = TypeVar("T")
Steps = Generator[Effect | Event, Any, T]
"""A part of a call: a generator that yields effects and events, is sent the results, and returns a `T`."""


class Leave(BaseException):
    """Thrown into the engine when the consumer leaves the stream."""
