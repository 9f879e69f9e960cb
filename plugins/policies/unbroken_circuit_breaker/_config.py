"""What can be set about breaking the circuit."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypedDict, get_args

from attrs import Attribute, Factory, field, frozen

from unbroken import Call
from unbroken.validators import callable_, flag, instance_of, number, one_of, optional, optional_seconds, refused, text

WindowKind = Literal["count", "time"]
InitialState = Literal["closed", "forced_open", "disabled", "metrics_only"]

_KIND: Callable[[Any, "Attribute[WindowKind]", WindowKind], None] = one_of(*get_args(WindowKind))
_INITIAL: Callable[[Any, "Attribute[InitialState]", InitialState], None] = one_of(*get_args(InitialState))

_count = number(at_least=1, whole=True)
_duration = number(above=0)
_rate = optional(number(above=0, at_most=1))


def _min_calls(window: "Window") -> int:
    few = window.kind == "count" and window.size in range(1, 10)  # whatever was given, it is not validated yet
    return int(window.size) if few else 10


@frozen(kw_only=True)
class Window:
    """A sliding window over the last results: the circuit opens when too large a share of them is bad."""

    kind: WindowKind = field(default="count", validator=_KIND)
    """``count``: the last `size` results; ``time``: those of the last `size` seconds, in ten buckets."""
    size: float = field(default=50, validator=number(at_least=1, at_most=1_000_000))
    min_calls: int = field(default=Factory(_min_calls, takes_self=True), validator=_count)
    """With fewer results than this in the window the circuit stays closed; 10, or a smaller `size` by count."""
    failure_rate: float | None = field(default=0.5, validator=_rate)
    """The share of failures, in (0, 1], that opens the circuit; None looks at slow calls only."""
    slow_rate: float | None = field(default=None, validator=_rate)
    """The share of slow calls that opens the circuit. Without one a slow call counts as a failure."""

    def __attrs_post_init__(self) -> None:
        if self.failure_rate is None and self.slow_rate is None:
            raise refused("failure_rate", "must be given when there is no slow_rate")
        if self.kind == "time":
            return
        if self.size != int(self.size):
            raise refused("size", f"must be a whole number of calls, not {self.size!r}")
        if self.size < self.min_calls:
            raise refused("min_calls", f"must not be more than the {self.size:g} calls of the window")


_is_window = instance_of(Window, "a Window")


@frozen(kw_only=True)
class CircuitBreakerConfig:
    """The settings of `CircuitBreaker`; every bad value is a ConfigurationError that names its field."""

    DEFAULT: ClassVar["CircuitBreakerConfig"]
    """The defaults below: 5 failures, 30 s, 2 successes."""
    LENIENT: ClassVar["CircuitBreakerConfig"]
    """10 failures, 60 s, 3 successes."""
    STRICT: ClassVar["CircuitBreakerConfig"]
    """3 failures, 15 s, 1 success."""

    failure_threshold: int = field(default=5, validator=_count)
    """Failures in a row that open the circuit; of no effect with a `window`."""
    recovery_timeout: float = field(default=30.0, validator=_duration)
    """Seconds that the circuit is open the first time, at most; see `max_open_time`."""
    half_open_success_threshold: int = field(default=2, validator=_count)
    """Probes that must succeed to close the circuit. One that fails opens it again."""
    half_open_max_probes: int = field(default=1, validator=_count)
    """Probes at a time; the other calls are refused."""
    window: Window | None = field(default=None, validator=optional(_is_window))
    """Judge by the share of bad results in a sliding window, not by failures in a row."""
    slow_call: float | None = field(default=None, validator=optional_seconds)
    """Seconds to the first content event over which a call is slow. Waits that a policy asked for are not counted."""
    count_429: bool = field(default=False, validator=flag)
    """Whether "too many requests" is a failure. It says that the server is alive, so by default it says nothing."""
    max_open_time: float = field(default=300.0, validator=_duration)
    """Seconds. Each time that no probe succeeds the circuit opens for twice as long, up to this.

    Of that time d, the circuit is open for something in [d/2, d], so that clients do not come back all at once, or for
    as long as the server asked with the failure, if that is longer. A longer `recovery_timeout` is itself the limit.
    """
    probe_lease: float = field(default=60.0, validator=_duration)
    """Seconds for which a probe holds its place. One that hangs for longer may go on, but another is let through."""
    key: Callable[[Call], str] | None = field(default=None, validator=optional(callable_))
    """Which circuit a call belongs to; by default there is one for each origin (``scheme://host:port``)."""
    max_keys: int = field(default=1000, validator=_count)
    """Circuits kept. Beyond it the one that was idle for longest makes room, but none that is open or in use.

    While there is no room, calls of further keys pass unguarded.
    """
    idle_expiry: float = field(default=900.0, validator=_duration)
    """Seconds after which a closed circuit that nobody uses is forgotten, and its count with it."""
    circuit: str = field(default="default", validator=text)
    """What errors and observers call this breaker."""
    initial_state: InitialState = field(default="closed", validator=_INITIAL)
    """What the circuits are at first: ``metrics_only`` is for trying settings out."""

    def __attrs_post_init__(self) -> None:
        if self.window is not None and self.window.slow_rate is not None and self.slow_call is None:
            raise refused("slow_call", "must be given when the window has a slow_rate")


class CircuitBreakerOptions(TypedDict, total=False):
    """The keywords of `CircuitBreaker`: one for each setting of `CircuitBreakerConfig`, which describes them."""

    failure_threshold: int
    recovery_timeout: float
    half_open_success_threshold: int
    half_open_max_probes: int
    window: Window | None
    slow_call: float | None
    count_429: bool
    max_open_time: float
    probe_lease: float
    key: Callable[[Call], str] | None
    max_keys: int
    idle_expiry: float
    circuit: str
    initial_state: InitialState


CircuitBreakerConfig.DEFAULT = CircuitBreakerConfig()
CircuitBreakerConfig.LENIENT = CircuitBreakerConfig(
    failure_threshold=10, recovery_timeout=60.0, half_open_success_threshold=3
)
CircuitBreakerConfig.STRICT = CircuitBreakerConfig(
    failure_threshold=3, recovery_timeout=15.0, half_open_success_threshold=1
)
