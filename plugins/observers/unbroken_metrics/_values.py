"""The values of a snapshot."""

from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from unbroken import RateLimitStatus, Usage
from unbroken.call import Status

from ._circuits import Circuit, Transition
from ._labels import Labels


@frozen(kw_only=True)
class Timing:
    """A distribution of times in seconds, since the start. The percentiles are None if the count is 0."""

    count: int
    sum: float
    p50: float | None
    p95: float | None
    p99: float | None
    buckets: tuple[tuple[float, int], ...]
    """Pairs of an upper bound and the number of times up to it (cumulative). Longer times are only in `count`."""


@frozen(kw_only=True)
class Totals:
    """All counts since the start. Errors are class names, with the timeout if there is one: ``TimeoutError:idle``."""

    calls: Mapping[str, int]
    """Calls that have ended, by outcome: success, failure, rejected, cancelled."""
    attempts: Mapping[str, int]
    """Attempts that have ended, by outcome."""
    duration: Timing
    """Of calls that succeeded or failed. Rejected and cancelled calls say nothing about the server."""
    time_to_first_event: Timing
    """From the start of a call to its commit, including all attempts and waits in between."""
    call_errors: Mapping[str, int]
    """Errors that calls ended with, by error."""
    attempt_errors: Mapping[str, int]
    """Errors of attempts, including those that were retried, by error."""
    retries: Mapping[str, int]
    """Attempts that were retried, by the error that was the reason."""
    retry_delay: float
    """Seconds that retries waited in total."""
    waits: Mapping[str, int]
    """Waits before an attempt, such as in the queue of the rate limit, by the plugin that asked for them."""
    wait_time: Mapping[str, float]
    """Seconds of these waits in total, by plugin."""
    shadows: Mapping[str, int]
    """Decisions made in shadow, by plugin and class: ``rate-limit:Wait``."""
    stalls: int
    """Attempts that the idle or quiet timeout ended."""
    truncations: int
    """Attempts whose stream ended before it was complete."""
    events: int
    """Events delivered."""
    bytes: int
    """Bytes of stream received."""
    tokens: Mapping[str, Mapping[str, int]]
    """By source (``final``, or ``partial`` of broken streams), then by kind (``input``, ``output`` …)."""
    streams_in_flight: int
    """Calls that have begun and not ended."""
    connections_in_flight: int
    """Attempts that are connecting, waiting for a response or streaming."""

    @property
    def ended(self) -> int:
        """The number of calls that have ended."""
        return sum(self.calls.values())

    @property
    def success_rate(self) -> float | None:
        """The share of successes in all calls that were not cancelled; None if there were none."""
        judged = self.ended - self.calls["cancelled"]
        return self.calls["success"] / judged if judged else None

    @property
    def failure_rate(self) -> float | None:
        """The share of failed and rejected calls in all calls that were not cancelled; None if there were none."""
        rate = self.success_rate
        return None if rate is None else 1.0 - rate

    @property
    def retry_rate(self) -> float | None:
        """Retries per call that has ended; None if there were none."""
        return sum(self.retries.values()) / self.ended if self.ended else None

    def to_dict(self) -> dict[str, Any]:
        """Return the totals as plain values, including the rates."""
        rates = ("success_rate", "failure_rate", "retry_rate")
        return {**asdict(self), **{rate: getattr(self, rate) for rate in rates}}


@frozen(kw_only=True)
class SeriesSnapshot:
    """The counts of one set of labels."""

    labels: Labels
    totals: Totals
    rate_limits: tuple[RateLimitStatus, ...]
    """The server's limits according to the latest response. `reset_after` counts from the time of that response."""

    def to_dict(self) -> dict[str, Any]:
        """Return the series as plain values."""
        limits = [asdict(limit) for limit in self.rate_limits]
        return {"labels": asdict(self.labels), "totals": self.totals.to_dict(), "rate_limits": limits}


@frozen(kw_only=True)
class MetricsSnapshot:
    """All metrics at one moment."""

    total: Totals
    """The sum of all series."""
    series: tuple[SeriesSnapshot, ...]
    circuits: tuple[Circuit, ...]
    """Circuits that have changed their state at least once."""
    transitions: tuple[Transition, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the snapshot as plain values that can be encoded as JSON."""
        return {
            "total": self.total.to_dict(),
            "series": [series.to_dict() for series in self.series],
            "circuits": [asdict(circuit) for circuit in self.circuits],
            "transitions": [asdict(transition) for transition in self.transitions],
        }


@frozen(kw_only=True)
class CallEnded:
    """One call that has ended, as passed to subscribers. Times are seconds."""

    labels: Labels
    status: Status
    error: str | None
    """The class name of the error, of a TimeoutError with the timeout; None without an error."""
    attempts: int
    duration: float
    time_to_first_event: float | None
    """None when no event was delivered."""
    events: int
    bytes: int
    usage: Usage | None
