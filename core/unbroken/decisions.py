"""What a policy may answer. Every decision is a value; a raised exception is a bug in the plugin, not an answer."""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final, Literal

from attrs import field, frozen

from .errors import Error
from .messages import Event, Request
from .validators import finite, optional, shown


def _seconds(instance: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not finite(value) or value < 0:
        raise ValueError(f"{attribute.name} must be a finite number of seconds, not {shown(value)}")


def _is_a(kind: type, value: Any, name: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be of type {kind.__name__}, not {type(value).__name__}")


def _error(instance: Any, attribute: Any, value: Any) -> None:
    _is_a(Error, value, attribute.name)


def _request(instance: Any, attribute: Any, value: Any) -> None:
    _is_a(Request, value, attribute.name)


def _tuple(events: Iterable[Event]) -> tuple[Event, ...]:
    return tuple(events)


def _events(instance: Any, attribute: Any, value: Any) -> None:
    for event in value:
        _is_a(Event, event, attribute.name)


@frozen
class Wait:
    """From `before_request`: wait, then go on with the next plugin. Over the deadline the call fails at once."""

    seconds: float = field(validator=_seconds)
    reason: str = ""


@frozen
class Reject:
    """Do not go on; fail the attempt with `error` (a new instance each time)."""

    error: Error = field(validator=_error)


@frozen
class TryAgain:
    """From `should_retry`: try again after `delay` seconds.

    After the commit this is honoured only with `resume=True`, from a policy that can continue the stream.
    """

    delay: float = field(default=0.0, validator=_seconds)
    request: Request | None = field(default=None, validator=optional(_request))
    """What to send from now on, in place of `Call.base`."""
    resume: bool = False
    reason: str = ""
    fresh: bool = False
    """Count attempts anew, because the request goes to another target."""


@frozen
class GiveUp:
    """From `should_retry`: no further attempt; raise `error` instead of the failure when it is given."""

    error: Error | None = field(default=None, validator=optional(_error))
    reason: str = ""


@frozen
class Replay:
    """Take `events` as the answer: from `before_request` in place of sending, from `should_retry` of failing."""

    events: tuple[Event, ...] = field(converter=_tuple, validator=_events)


class EventDecision(Enum):
    """The answers of `on_event` that carry nothing."""

    DROP = "drop"
    """The consumer, and the plugins behind, do not see the event."""
    FINISH = "finish"
    """Deliver the event, then end the call as a success; nothing more is read."""


DROP: Final[Literal[EventDecision.DROP]] = EventDecision.DROP
FINISH: Final[Literal[EventDecision.FINISH]] = EventDecision.FINISH

BeforeRequest = Request | Wait | Reject | Replay | None
OnEvent = Event | Reject | Literal[EventDecision.DROP, EventDecision.FINISH] | None
ShouldRetry = TryAgain | GiveUp | Replay | None
Decision = Wait | Reject | TryAgain | GiveUp | Replay
