"""The values of the breaker: those that its parts exchange, and the public `CircuitState` and `CircuitSnapshot`."""

from enum import Enum, StrEnum
from typing import Final

from attrs import frozen


class CircuitState(StrEnum):
    """What a circuit does with a call. Each member equals its text: ``state == "open"``."""

    CLOSED = "closed"
    """Admits all calls and counts their outcomes."""
    OPEN = "open"
    """Rejects all calls until its recovery time is over."""
    HALF_OPEN = "half_open"
    """Admits a few calls as probes and rejects the others."""
    FORCED_OPEN = "forced_open"
    """Rejects all calls until `reset`."""
    DISABLED = "disabled"
    """Admits all calls and counts nothing, until `reset`."""
    METRICS_ONLY = "metrics_only"
    """Admits all calls and counts their outcomes, until `reset`; never opens."""


class Verdict(Enum):
    """What the outcome of an attempt says about the upstream."""

    SUCCESS = "success"
    FAILURE = "failure"
    SLOW = "slow"
    """It succeeded, but the first content event was late."""
    IGNORED = "ignored"
    """It says nothing: no count changes."""


@frozen
class Result:
    """A verdict with the details of a failure."""

    verdict: Verdict
    cause: str | None = None
    """The class name of the error, or ``slow call``."""
    retry_after: float | None = None
    """Seconds that the server asked for."""


SUCCESS: Final = Result(Verdict.SUCCESS)
SLOW: Final = Result(Verdict.SLOW, "slow call")
IGNORED: Final = Result(Verdict.IGNORED)


@frozen
class Change:
    """A transition, as passed to `on_circuit_state_change`."""

    key: str
    old: CircuitState
    new: CircuitState
    failure_count: int


@frozen
class Refusal:
    """Why a call is rejected."""

    state: CircuitState
    recovers_at: float | None
    """Monotonic seconds; None if only `reset` ends the state."""
    last_failure: str | None


@frozen(kw_only=True)
class CircuitSnapshot:
    """One circuit at one moment."""

    state: CircuitState
    failure_count: int
    """Failures in a row or, with a window, those in the window."""
    call_count: int
    """All results in the window; without a window the failures in a row, the same as `failure_count`."""
    slow_count: int
    """Slow calls in a window that has a `slow_rate`, else 0."""
    in_flight: int
    """Calls that were admitted and have not ended."""
    probes: int
    """How many of these are probes that hold a place."""
    refused: int
    """Calls rejected since the circuit was created."""
    opens: int
    """How often the circuit has opened since it was last closed."""
    retry_after: float | None
    """Seconds until an open circuit admits a probe; None in other states."""
    last_failure: str | None
    """The class name of the last error that counted."""
