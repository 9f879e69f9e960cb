"""What a plugin sees of one call, and where it keeps what belongs to that call."""

from collections.abc import Callable
from typing import Any, Final, Generic, Literal, TypeVar, final

from attrs import define, field, frozen

from .clock import Clock
from .dialect import Dialect
from .errors import Attempt, Error, Phase
from .messages import Request, Response, Usage

T = TypeVar("T")
Status = Literal["success", "failure", "rejected", "cancelled"]

HISTORY: Final = 64
"""How many failed attempts a call keeps; `Call.attempts` counts all."""


@final
@define(eq=False)
class Key(Generic[T]):
    """A typed place for a plugin's state within a call: ``PERMIT: Key[Permit] = Key("permit")``."""

    name: str


@frozen(kw_only=True)
class Outcome:
    """How an attempt (`after_request`) or a call (`on_finish`) ended."""

    status: Status
    """``rejected`` was never sent, ``cancelled`` means that the consumer left."""
    error: Error | None = None
    attempts: int
    """How many attempts of the call had begun."""
    duration: float
    """Seconds."""


@final
@define(eq=False, repr=False)
class Call:
    """One logical streaming request. Plugins read it; only the engine writes its attributes."""

    id: str
    request: Request
    """The request as the user asked for it."""
    dialect: Dialect
    clock: Clock
    started_at: float
    """Monotonic seconds, as are all other times of a call."""
    base: Request = field(init=False)
    """What the next attempt starts from: `request`, or that of the last `TryAgain`; no plugin has changed it."""
    current: Request = field(init=False)
    """The request of the present attempt, with everything that plugins have put in so far."""
    response: Response | None = None
    """The head of the last response."""
    attempt: int = 0
    """The number of the present attempt, from 1; `TryAgain(fresh=True)` counts anew. 0 before the first."""
    attempts: int = 0
    """How many attempts have begun."""
    error: Error | None = None
    """The failure of the last attempt that failed."""
    history: tuple[Attempt, ...] = ()
    """The failed attempts so far, at most the newest `HISTORY`."""
    phase: Phase = "before"
    first_content_at: float | None = None
    """When the first content event was read; None before."""
    committed_at: float | None = None
    """When the first content event was handed out; None before."""
    deadline: float | None = None
    """When the total timeout runs out."""
    events: int = 0
    """Events delivered."""
    bytes: int = 0
    """Bytes of stream received, all attempts together."""
    last_event_id: str = ""
    usage: Usage | None = None
    """The tokens that the server has counted in the present attempt, cumulative."""
    now: Callable[[], float] = field(init=False)
    """Returns the monotonic time in seconds. The clock's own function: policies ask it several times per attempt."""
    _state: dict[Key[Any], Any] = field(factory=dict[Key[Any], Any], init=False)

    def __attrs_post_init__(self) -> None:
        self.base = self.current = self.request
        self.now = self.clock.monotonic

    @property
    def origin(self) -> str:
        """``scheme://host:port`` of the request."""
        return self.request.origin

    def time(self) -> float:
        """Return the wall time in Unix seconds: for dates only, never for measuring."""
        return self.clock.time()

    def random(self) -> float:
        """Return a number in [0, 1)."""
        return self.clock.random()

    def remaining(self) -> float | None:
        """Return the seconds until the deadline (negative past it), None without one."""
        return None if self.deadline is None else self.deadline - self.now()

    def get(self, key: Key[T], default: T | None = None) -> T | None:
        """Return what was kept under `key` for this call."""
        return self._state.get(key, default)

    def set(self, key: Key[T], value: T) -> None:
        """Keep `value` under `key` until the call ends."""
        self._state[key] = value

    def pop(self, key: Key[T]) -> T | None:
        """Return what was kept under `key`, and forget it."""
        value: T | None = self._state.pop(key, None)
        return value

    def __repr__(self) -> str:
        return f"<Call {self.id} attempt {self.attempt} {self.phase} {self.request.method} {self.origin}>"
