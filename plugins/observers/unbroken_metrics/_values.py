"""What a snapshot says."""

from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from unbroken import RateLimitStatus, Usage
from unbroken.call import Status

from ._circuits import Circuit, Transition
from ._labels import Labels


@frozen(kw_only=True)
class Timing:
    """How long something took, in seconds, since the beginning. A percentile of nothing is None."""

    count: int
    sum: float
    p50: float | None
    p95: float | None
    p99: float | None
    buckets: tuple[tuple[float, int], ...]
    """Upper bound, and how many took no longer; all that took longer still are missing up to `count`."""


@frozen(kw_only=True)
class Totals:
    """What was counted since the beginning. Names of errors are classes, for timeouts with the clock: ``…:idle``."""

    calls: Mapping[str, int]
    """Calls that have ended, by outcome: success, failure, rejected, cancelled."""
    attempts: Mapping[str, int]
    """Attempts that have ended, by outcome."""
    duration: Timing
    """Of calls that succeeded or failed: those rejected or cancelled say nothing of the server."""
    time_to_first_event: Timing
    """From the start of a call to its commit, with all attempts and waits between."""
    call_errors: Mapping[str, int]
    """What the consumers got, by error."""
    attempt_errors: Mapping[str, int]
    """How attempts failed, those that were tried again too, by error."""
    retries: Mapping[str, int]
    """Attempts that were tried again, by the error that was the reason."""
    retry_delay: float
    """Seconds that retries waited."""
    waits: Mapping[str, int]
    """Waits before an attempt, by the plugin that asked for them: a limiter's queue."""
    wait_time: Mapping[str, float]
    """The same in seconds."""
    stalls: int
    """Attempts that the idle timeout ended."""
    truncations: int
    """Attempts whose stream ended before it was complete."""
    events: int
    """Events delivered."""
    bytes: int
    """Bytes of stream received."""
    tokens: Mapping[str, Mapping[str, int]]
    """By source (``final`` counts, ``partial`` of streams that broke off), then by kind (``input``, ``output`` …)."""
    streams_in_flight: int
    """Calls that have begun and not ended."""
    connections_in_flight: int
    """Attempts that are on their way or streaming."""

    @property
    def ended(self) -> int:
        """How many calls have ended."""
        return sum(self.calls.values())

    @property
    def success_rate(self) -> float | None:
        """The share of successes among the calls that the consumer did not leave, None when there were none."""
        judged = self.ended - self.calls["cancelled"]
        return self.calls["success"] / judged if judged else None

    @property
    def failure_rate(self) -> float | None:
        """The share of failed and rejected calls among those that the consumer did not leave."""
        rate = self.success_rate
        return None if rate is None else 1.0 - rate

    @property
    def retry_rate(self) -> float | None:
        """Retries for each call that has ended, None when there were none."""
        return sum(self.retries.values()) / self.ended if self.ended else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, the rates included."""
        rates = ("success_rate", "failure_rate", "retry_rate")
        return {**asdict(self), **{rate: getattr(self, rate) for rate in rates}}


@frozen(kw_only=True)
class SeriesSnapshot:
    """What was counted under one set of labels."""

    labels: Labels
    totals: Totals
    rate_limits: tuple[RateLimitStatus, ...]
    """What the latest response said of the server's limits; `reset_after` counts from then."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        limits = [asdict(limit) for limit in self.rate_limits]
        return {"labels": asdict(self.labels), "totals": self.totals.to_dict(), "rate_limits": limits}


@frozen(kw_only=True)
class MetricsSnapshot:
    """Everything at one moment."""

    total: Totals
    """All series together."""
    series: tuple[SeriesSnapshot, ...]
    circuits: tuple[Circuit, ...]
    """Circuits that have changed their state at least once."""
    transitions: tuple[Transition, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, ready for JSON."""
        return {
            "total": self.total.to_dict(),
            "series": [series.to_dict() for series in self.series],
            "circuits": [asdict(circuit) for circuit in self.circuits],
            "transitions": [asdict(transition) for transition in self.transitions],
        }


@frozen(kw_only=True)
class CallEnded:
    """One call, as a subscriber is told of it. Times are seconds."""

    labels: Labels
    status: Status
    error: str | None
    """Its class, for a timeout with the clock; None without one."""
    attempts: int
    duration: float
    time_to_first_event: float | None
    """None when no event was delivered."""
    events: int
    bytes: int
    usage: Usage | None
