"""The counts of one set of labels. Changed only inside the inbox of the `Book`, one change at a time."""

from collections.abc import Sequence
from typing import Any, Final

from attrs import define, field

from unbroken import Response, Usage
from unbroken.call import Status
from unbroken.dialect import Dialect

from ._distribution import Distribution
from ._tally import Tally, count
from ._values import Totals

_OUTCOMES: Final = ("success", "failure", "rejected", "cancelled")
_TALLIES: Final = ("calls", "attempts", "call_errors", "attempt_errors", "retries", "waits", "wait_time", "shadows")
_SUMS: Final = ("retry_delay", "stalls", "truncations", "events", "bytes")
_SOURCES: Final = ("partial", "final")
_KINDS: Final = ("input", "output", "cache_read", "cache_write")

Success = tuple[float, float | None, int, int, Usage | None, tuple[Dialect, Response | None]]
"""A call: duration, time to its first event, events, bytes, usage, and dialect and response."""


def _received_at(head: tuple[Dialect, Response | None]) -> float:
    return 0.0 if head[1] is None else head[1].received_at


def _outcomes() -> Tally:
    return dict.fromkeys(_OUTCOMES, 0)


def _tokens() -> tuple[dict[str, int], dict[str, int]]:
    return dict.fromkeys(_KINDS, 0), dict.fromkeys(_KINDS, 0)


@define(eq=False)
class Series:
    """The counts and distributions of one set of labels."""

    bounds: tuple[float, ...]
    """Upper bounds of the histograms in seconds."""
    calls: Tally = field(factory=_outcomes, init=False)
    attempts: Tally = field(factory=_outcomes, init=False)
    duration: Distribution = field(init=False)
    first_event: Distribution = field(init=False)
    call_errors: Tally = field(factory=dict[str, Any], init=False)
    attempt_errors: Tally = field(factory=dict[str, Any], init=False)
    retries: Tally = field(factory=dict[str, Any], init=False)
    retry_delay: float = field(default=0.0, init=False)
    waits: Tally = field(factory=dict[str, Any], init=False)
    wait_time: Tally = field(factory=dict[str, Any], init=False)
    shadows: Tally = field(factory=dict[str, Any], init=False)
    stalls: int = field(default=0, init=False)
    truncations: int = field(default=0, init=False)
    events: int = field(default=0, init=False)
    bytes: int = field(default=0, init=False)
    tokens: tuple[dict[str, int], dict[str, int]] = field(factory=_tokens, init=False)
    """Tokens by kind: the partial counts of broken streams, then the final counts."""
    head: tuple[Dialect, Response] | None = field(default=None, init=False)
    """The latest response and its dialect. The headers are parsed only for a snapshot."""

    def __attrs_post_init__(self) -> None:
        self.duration = Distribution(self.bounds)
        self.first_event = Distribution(self.bounds)

    def calls_succeeded(self, calls: Sequence[Success]) -> None:
        """Count calls whose last attempt succeeded, and these attempts."""
        durations, first_events, events, received, usages, heads = zip(*calls, strict=True)
        self.calls["success"] += len(calls)
        self.attempts["success"] += len(calls)
        self.duration.extend(durations)
        self.first_event.extend([seconds for seconds in first_events if seconds is not None])
        self.events += sum(events)
        self.bytes += sum(received)
        for usage in usages:
            if usage is not None:
                self._spend(usage)
        self._learn(*max(heads, key=_received_at))

    def call_ended(
        self, status: Status, error: str | None, duration: float, first_event: float | None, events: int, received: int
    ) -> None:
        """Count a call that ended in any other way. Its attempts are already counted."""
        self.calls[status] += 1
        if status in ("success", "failure"):
            self.duration.extend([duration])
        if first_event is not None:
            self.first_event.extend([first_event])
        if error is not None:
            count(self.call_errors, error)
        self.events += events
        self.bytes += received

    def attempt_ended(self, status: Status, usage: Usage | None, dialect: Dialect, response: Response | None) -> None:
        """Count an attempt that did not succeed."""
        self.attempts[status] += 1
        if usage is not None:
            self._spend(usage)
        self._learn(dialect, response)

    def _learn(self, dialect: Dialect, response: Response | None) -> None:
        if response is not None and (self.head is None or response.received_at >= self.head[1].received_at):
            self.head = (dialect, response)

    def _spend(self, usage: Usage) -> None:
        # Unrolled, because a loop would take half of the time of adding up. Checked, because a dialect may return
        # anything but a counter must never decrease.
        tokens = self.tokens[usage.final]
        if isinstance(number := usage.input_tokens, int) and number > 0:
            tokens["input"] += number
        if isinstance(number := usage.output_tokens, int) and number > 0:
            tokens["output"] += number
        if isinstance(number := usage.cache_read_tokens, int) and number > 0:
            tokens["cache_read"] += number
        if isinstance(number := usage.cache_write_tokens, int) and number > 0:
            tokens["cache_write"] += number

    def attempt_failed(self, error: str, stalled: bool, truncated: bool) -> None:
        """Count the error of a failed attempt."""
        count(self.attempt_errors, error)
        self.stalls += stalled
        self.truncations += truncated

    def retried(self, reason: str, delay: float) -> None:
        """Count a retry."""
        count(self.retries, reason)
        self.retry_delay += delay

    def waited(self, plugin: str, seconds: float) -> None:
        """Count a wait before an attempt."""
        count(self.waits, plugin)
        count(self.wait_time, plugin, seconds)

    def shadowed(self, plugin: str, decision: str) -> None:
        """Count a decision that was made in shadow."""
        count(self.shadows, f"{plugin}:{decision}")

    def absorb(self, other: "Series") -> None:
        """Add all counts of `other`."""
        for name in _TALLIES:
            mine: Tally = getattr(self, name)
            for key, amount in getattr(other, name).items():
                mine[key] = mine.get(key, 0) + amount
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for spent, more in zip(self.tokens, other.tokens, strict=True):
            for kind, number in more.items():
                spent[kind] += number
        self.duration.absorb(other.duration)
        self.first_event.absorb(other.first_event)

    def totals(self, streams: int, connections: int) -> Totals:
        """Return all counts as values."""
        values: dict[str, Any] = {name: dict(getattr(self, name)) for name in _TALLIES}
        values |= {name: getattr(self, name) for name in _SUMS}
        return Totals(
            **values,
            duration=self.duration.timing(),
            time_to_first_event=self.first_event.timing(),
            tokens={source: dict(tokens) for source, tokens in zip(_SOURCES, self.tokens, strict=True)},
            streams_in_flight=streams,
            connections_in_flight=connections,
        )
