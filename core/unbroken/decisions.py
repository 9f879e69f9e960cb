"""The decisions that policies return. A decision is always a value; an exception raised by a plugin is a bug in it.

A decision with ``shadow=True`` is only reported: the engine calls `on_decision` with it and goes on as if the plugin
had returned None. So a policy that is tried out returns the decisions that it would have made.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final, Literal

from attrs import field, frozen

from .errors import Error
from .messages import Event, Request
from .signals import Signal
from .validators import finite, optional, shown


def _seconds(instance: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not finite(value) or value < 0:
        raise ValueError(f"{attribute.name} must be a finite number of seconds, not {shown(value)}")


def _is_a(kind: type, value: Any, name: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be of type {kind.__name__}, not {type(value).__name__}")


def _error(instance: Any, attribute: Any, value: Any) -> None:
    _is_a(Error, value, attribute.name)


def _signal(instance: Any, attribute: Any, value: Any) -> None:
    _is_a(Signal, value, attribute.name)


def _request(instance: Any, attribute: Any, value: Any) -> None:
    _is_a(Request, value, attribute.name)


def _tuple(events: Iterable[Event]) -> tuple[Event, ...]:
    return tuple(events)


def _events(instance: Any, attribute: Any, value: Any) -> None:
    for event in value:
        _is_a(Event, event, attribute.name)


@frozen
class Wait:
    """From `before_request`: wait, then continue with the next plugin.

    If the wait would reach the deadline of the call, the call fails at once.
    """

    seconds: float = field(validator=_seconds)
    reason: str = ""
    until: Signal | None = field(default=None, kw_only=True, eq=False, repr=False, validator=optional(_signal))
    """Ends the wait early when it is set. After a wait with a signal, the same plugin is asked again."""
    shadow: bool = field(default=False, kw_only=True)


@frozen
class Reject:
    """Fail the attempt with `error`, which must be a new instance each time: the engine writes to it."""

    error: Error = field(validator=_error)
    shadow: bool = field(default=False, kw_only=True)


@frozen
class TryAgain:
    """From `should_retry`: make another attempt after `delay` seconds.

    After the commit this takes effect only with `resume=True`, from a policy that can continue the stream: the next
    attempt goes on with the reader and the usage of this one. Before the commit it has a reader of its own. In both
    cases `Call.last_event_id` stays until the stream has another.
    """

    delay: float = field(default=0.0, validator=_seconds)
    request: Request | None = field(default=None, validator=optional(_request))
    """The request that replaces `Call.base`, for all further attempts; None keeps it."""
    resume: bool = False
    reason: str = ""
    fresh: bool = False
    """Number the attempts from 1 again (`Call.attempt`), because the request goes to another target."""
    shadow: bool = field(default=False, kw_only=True)


@frozen
class GiveUp:
    """From `should_retry`: make no further attempt. Raise `error` if it is given, otherwise the failure itself."""

    error: Error | None = field(default=None, validator=optional(_error))
    reason: str = ""
    shadow: bool = field(default=False, kw_only=True)


@frozen
class Replay:
    """Deliver `events` as the answer: instead of sending (`before_request`) or instead of failing (`should_retry`)."""

    events: tuple[Event, ...] = field(converter=_tuple, validator=_events)
    shadow: bool = field(default=False, kw_only=True)


class EventDecision(Enum):
    """The decisions of `on_event` that have no attributes."""

    DROP = "drop"
    """Discard the event: neither the plugins after this one nor the consumer see it."""
    FINISH = "finish"
    """Deliver the event, then end the call as a success without reading further."""


DROP: Final[Literal[EventDecision.DROP]] = EventDecision.DROP
FINISH: Final[Literal[EventDecision.FINISH]] = EventDecision.FINISH

BeforeRequest = Request | Wait | Reject | Replay | None
OnEvent = Event | Reject | Literal[EventDecision.DROP, EventDecision.FINISH] | None
ShouldRetry = TryAgain | GiveUp | Replay | None
Decision = Wait | Reject | TryAgain | GiveUp | Replay
