"""What the parts of the breaker say to each other, and to whoever asks."""

from enum import Enum, StrEnum
from typing import Final

from attrs import frozen


class CircuitState(StrEnum):
    """What a circuit does with a call. Each is equal to its text: ``state == "open"``."""

    CLOSED = "closed"
    """Lets all calls pass and counts how they end."""
    OPEN = "open"
    """Refuses all calls until the time to recover is over."""
    HALF_OPEN = "half_open"
    """Lets a few calls pass as probes and refuses the others."""
    FORCED_OPEN = "forced_open"
    """Refuses all calls until `reset`."""
    DISABLED = "disabled"
    """Lets all calls pass and counts nothing, until `reset`."""
    METRICS_ONLY = "metrics_only"
    """Lets all calls pass and counts how they end, until `reset`."""


class Verdict(Enum):
    """What the end of an attempt says of the upstream."""

    SUCCESS = "success"
    FAILURE = "failure"
    SLOW = "slow"
    """It worked, but the first event was late."""
    IGNORED = "ignored"
    """Nothing: it touches no counter."""


@frozen
class Result:
    """A verdict and, for a failure, what there is to remember of it."""

    verdict: Verdict
    cause: str | None = None
    """The class name of the error."""
    retry_after: float | None = None
    """Seconds that the server asked for."""


SUCCESS: Final = Result(Verdict.SUCCESS)
SLOW: Final = Result(Verdict.SLOW, "slow call")
IGNORED: Final = Result(Verdict.IGNORED)


@frozen
class Change:
    """A transition, as `on_circuit_state_change` tells it."""

    key: str
    old: CircuitState
    new: CircuitState
    failure_count: int


@frozen
class Refusal:
    """Why a call may not pass."""

    state: CircuitState
    recovers_at: float | None
    """Monotonic seconds; None when only a person can tell."""
    last_failure: str | None


@frozen(kw_only=True)
class CircuitSnapshot:
    """One circuit at one moment."""

    state: CircuitState
    failure_count: int
    """Failures in a row, or those in the window."""
    call_count: int
    """Results that the failures are among: the successes and failures of the window, else the failures in a row."""
    slow_count: int
    """Slow calls of the window, when it has a `slow_rate` of its own."""
    in_flight: int
    """Calls that have passed and not ended."""
    probes: int
    """Those of them that hold the place of a probe."""
    refused: int
    """Calls refused since the circuit was made."""
    opens: int
    """Times opened in a row, without closing in between."""
    retry_after: float | None
    """Seconds until an open circuit lets a probe pass; None in other states."""
    last_failure: str | None
    """The class name of the last error that counted."""
