"""The settings of the circuit breaker."""

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
    few = window.kind == "count" and window.size in range(1, 10)  # defaults are computed before the validators run
    return int(window.size) if few else 10


@frozen(kw_only=True)
class Window:
    """A sliding window over the latest results. The circuit opens when too large a share of them is bad."""

    kind: WindowKind = field(default="count", validator=_KIND)
    """``count``: the latest `size` results; ``time``: the results of the last `size` seconds, in ten buckets."""
    size: float = field(default=50, validator=number(at_least=1, at_most=1_000_000))
    min_calls: int = field(default=Factory(_min_calls, takes_self=True), validator=_count)
    """With fewer results in it the circuit stays closed. Default: 10, or the `size` of a smaller count window."""
    failure_rate: float | None = field(default=0.5, validator=_rate)
    """The share of failures, in (0, 1], that opens the circuit. None: only slow calls count."""
    slow_rate: float | None = field(default=None, validator=_rate)
    """The share of slow calls, in (0, 1], that opens the circuit. None: a slow call counts as a failure."""

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
    """The settings of `CircuitBreaker`. An invalid value raises ConfigurationError, which names the field."""

    DEFAULT: ClassVar["CircuitBreakerConfig"]
    """The defaults below: 5 failures, 30 s, 2 successes."""
    LENIENT: ClassVar["CircuitBreakerConfig"]
    """10 failures, 60 s, 3 successes."""
    STRICT: ClassVar["CircuitBreakerConfig"]
    """3 failures, 15 s, 1 success."""

    failure_threshold: int = field(default=5, validator=_count)
    """Failures in a row that open the circuit; not used with a `window`."""
    recovery_timeout: float = field(default=30.0, validator=_duration)
    """Seconds that the circuit stays open the first time; jitter may halve them. See `max_open_time`."""
    half_open_success_threshold: int = field(default=2, validator=_count)
    """Probes that must succeed to close the circuit. One failed probe opens it again."""
    half_open_max_probes: int = field(default=1, validator=_count)
    """Probes that may run at the same time; other calls are rejected."""
    window: Window | None = field(default=None, validator=optional(_is_window))
    """Open by the share of bad results in a sliding window instead of by failures in a row."""
    slow_call: float | None = field(default=None, validator=optional_seconds)
    """A call is slow if its first content event takes more seconds. Waits that a policy asked for are not included."""
    count_429: bool = field(default=False, validator=flag)
    """Whether a 429 counts as a failure. By default it counts as nothing: the server is alive and asks for patience."""
    max_open_time: float = field(default=300.0, validator=_duration)
    """Seconds. Each time that a probe fails, the circuit opens for twice as long as before, up to this limit.

    For such a time d the circuit stays open for a random time in [d/2, d], so that clients do not all return at once.
    If the failure came with a longer ``Retry-After``, that is used instead, up to the same limit. A `recovery_timeout`
    above `max_open_time` is the limit itself.
    """
    probe_lease: float = field(default=60.0, validator=_duration)
    """Seconds for which a probe keeps its place. A probe that hangs longer may go on, but another one is admitted."""
    key: Callable[[Call], str] | None = field(default=None, validator=optional(callable_))
    """Returns the circuit that a call belongs to. Default: one circuit per origin (``scheme://host:port``)."""
    max_keys: int = field(default=1000, validator=_count)
    """Circuits that are kept. Beyond this, the one idle for longest is forgotten, but none that is open or in use.

    While none can be forgotten, calls with further keys pass without a circuit.
    """
    idle_expiry: float = field(default=900.0, validator=_duration)
    """Seconds after which an unused closed circuit is forgotten, together with its counts."""
    circuit: str = field(default="default", validator=text)
    """The name of this breaker in errors and for observers."""
    initial_state: InitialState = field(default="closed", validator=_INITIAL)
    """The state in which circuits begin."""
    shadow: bool = field(default=False, validator=flag)
    """Whether to try the settings out: the circuits open and close, and no call is rejected.

    Each rejection that there would have been is reported with `shadow` True. Observers of
    `on_circuit_state_change` see the name of the breaker with `` (shadow)`` behind it.
    """

    def __attrs_post_init__(self) -> None:
        if self.window is not None and self.window.slow_rate is not None and self.slow_call is None:
            raise refused("slow_call", "must be given when the window has a slow_rate")


class CircuitBreakerOptions(TypedDict, total=False):
    """The keyword arguments of `CircuitBreaker`, one per setting; `CircuitBreakerConfig` documents them."""

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
    shadow: bool


CircuitBreakerConfig.DEFAULT = CircuitBreakerConfig()
CircuitBreakerConfig.LENIENT = CircuitBreakerConfig(
    failure_threshold=10, recovery_timeout=60.0, half_open_success_threshold=3
)
CircuitBreakerConfig.STRICT = CircuitBreakerConfig(
    failure_threshold=3, recovery_timeout=15.0, half_open_success_threshold=1
)
