"""One call as plugins see it, and the place where they keep their state for that call."""

from collections.abc import Callable
from typing import Any, Final, Generic, Literal, TypeVar, final

from attrs import define, field, frozen

from .clock import Clock
from .dialect import Dialect, Reader
from .errors import Attempt, Error, Phase
from .messages import Request, Response, Summary, Usage

T = TypeVar("T")
Status = Literal["success", "failure", "rejected", "cancelled"]

HISTORY: Final = 64
"""The most failed attempts that a call keeps; `Call.attempts` counts every attempt."""


@final
@define(eq=False)
class Key(Generic[T]):
    """A typed key under which a plugin stores state in a call: ``PERMIT: Key[Permit] = Key("permit")``."""

    name: str


@frozen(kw_only=True)
class Outcome:
    """How an attempt (`after_request`) or a call (`on_finish`) ended."""

    status: Status
    """``rejected``: nothing was sent. ``cancelled``: the consumer left."""
    error: Error | None = None
    attempts: int
    """The number of attempts that had begun."""
    duration: float
    """The duration in seconds."""


@final
@define(eq=False, repr=False)
class Call:
    """One logical request. Plugins only read its attributes; the engine writes them."""

    id: str
    request: Request
    """The request as the user asked for it."""
    dialect: Dialect
    clock: Clock
    started_at: float
    """In monotonic seconds, like all times of a call."""
    base: Request = field(init=False)
    """The request from which each attempt starts, unchanged by plugins: `request`, or that of the last `TryAgain`."""
    current: Request = field(init=False)
    """The request of the current attempt, with the changes made by plugins so far."""
    response: Response | None = None
    """The head (status and headers) of the last response."""
    attempt: int = 0
    """The number of the current attempt, from 1; 0 before the first. `TryAgain(fresh=True)` starts again at 1."""
    attempts: int = 0
    """The number of attempts that have begun."""
    error: Error | None = None
    """The failure of the last failed attempt; None if there is none."""
    history: tuple[Attempt, ...] = ()
    """The failed attempts so far, oldest first; only the newest `HISTORY` are kept."""
    phase: Phase = "before"
    sent_at: float | None = None
    """When the present attempt was handed to the transport; None before."""
    first_content_at: float | None = None
    """When the first content event of the current attempt was read; None until then."""
    committed_at: float | None = None
    """When the first events were handed to the consumer: from the first content event on, or earlier by `commit`."""
    deadline: float | None = None
    """When the total timeout expires; None without one."""
    events: int = 0
    """The number of events delivered."""
    bytes: int = 0
    """The bytes of stream received, in all attempts together."""
    last_event_id: str = ""
    """The place from which to resume: what is not delivered of the events up to there is at most keep-alives."""
    reconnection_time: float | None = None
    """The seconds to wait before resuming, as the server asked (``retry:``); None if it did not."""
    reader: Reader | None = None
    """The dialect's reader of the current attempt; None before the first."""
    usage: Usage | None = None
    """The cumulative token counts that the server has reported in the current attempt."""
    now: Callable[[], float] = field(init=False)
    """Returns the monotonic time in seconds. It is the clock's own function, as policies call it often."""
    _state: dict[Key[Any], Any] = field(factory=dict[Key[Any], Any], init=False)

    def __attrs_post_init__(self) -> None:
        self.base = self.current = self.request
        self.now = self.clock.monotonic

    @property
    def origin(self) -> str:
        """``scheme://host:port`` of the request. Where an attempt goes is ``call.current.origin``."""
        return self.request.origin

    @property
    def summary(self) -> Summary | None:
        """What the server has said about the current answer as a whole; None if the dialect does not tell.

        It is read from a few events that the reader has kept, and only when it is asked for.
        """
        return getattr(self.reader, "summary", None)

    @property
    def first_event_at(self) -> float | None:
        """When the first content event was read or, in a replay, the first event delivered; None until then."""
        return self.committed_at if self.first_content_at is None else self.first_content_at

    def time(self) -> float:
        """Return the wall time in Unix seconds. Use it for dates only; measure durations with `now`."""
        return self.clock.time()

    def random(self) -> float:
        """Return a random number in [0, 1)."""
        return self.clock.random()

    def remaining(self) -> float | None:
        """Return the seconds until the deadline, negative after it; None if there is no deadline."""
        return None if self.deadline is None else self.deadline - self.now()

    def get(self, key: Key[T], default: T | None = None) -> T | None:
        """Return the value stored under `key` in this call, or `default`."""
        return self._state.get(key, default)

    def set(self, key: Key[T], value: T) -> None:
        """Store `value` under `key` until the call ends."""
        self._state[key] = value

    def pop(self, key: Key[T]) -> T | None:
        """Remove and return the value stored under `key`; None if there is none."""
        value: T | None = self._state.pop(key, None)
        return value

    def __repr__(self) -> str:
        return f"<Call {self.id} attempt {self.attempt} {self.phase} {self.request.method} {self.origin}>"
