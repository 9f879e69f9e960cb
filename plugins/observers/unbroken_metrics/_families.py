"""The Prometheus metrics, made from a snapshot. Their names are documented in docs/metrics.md."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from attrs import frozen

from ._values import MetricsSnapshot, SeriesSnapshot, Timing, Totals

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PREFIX: Final = "unbroken_"
SERIES: Final = ("dialect", "model", "origin")
STATES: Final = ("closed", "open", "half_open", "forced_open", "disabled", "metrics_only")

Sample = tuple[tuple[str, ...], float]
"""The values of the family's own labels, and the number."""


@frozen
class Family:
    """A counter or gauge with samples for each series."""

    name: str
    doc: str
    samples: Callable[[Totals], Iterable[Sample]]
    labels: tuple[str, ...] = ()


def _single(number: float) -> tuple[Sample]:
    return (((), number),)


def _each(tally: Mapping[str, float]) -> Iterator[Sample]:
    return (((name,), number) for name, number in tally.items())


def _pairs(tally: Mapping[str, int]) -> Iterator[Sample]:
    """Yield the samples of names in two parts: an error and its timeout, a plugin and its decision."""
    for name, number in tally.items():
        first, _, second = name.partition(":")
        yield (first, second), number


def _tokens(totals: Totals) -> Iterator[Sample]:
    for source, tokens in totals.tokens.items():
        for kind, number in tokens.items():
            yield (kind, source), number


COUNTERS: Final = (
    Family("calls", "Calls that have ended.", lambda it: _each(it.calls), ("outcome",)),
    Family("attempts", "Attempts that have ended.", lambda it: _each(it.attempts), ("outcome",)),
    Family("call_errors", "What the consumers got.", lambda it: _pairs(it.call_errors), ("error", "timeout")),
    Family("attempt_errors", "How attempts failed.", lambda it: _pairs(it.attempt_errors), ("error", "timeout")),
    Family("retries", "Attempts that were tried again, by error.", lambda it: _each(it.retries), ("reason",)),
    Family("retry_delay_seconds", "Seconds that retries waited.", lambda it: _single(it.retry_delay)),
    Family("waits", "Waits before an attempt, by plugin.", lambda it: _each(it.waits), ("plugin",)),
    Family("wait_seconds", "Seconds of these waits.", lambda it: _each(it.wait_time), ("plugin",)),
    Family("shadow_decisions", "Decisions in shadow.", lambda it: _pairs(it.shadows), ("plugin", "decision")),
    Family("stalls", "Attempts that the idle or quiet timeout ended.", lambda it: _single(it.stalls)),
    Family("truncations", "Attempts whose stream was incomplete.", lambda it: _single(it.truncations)),
    Family("events", "Events delivered.", lambda it: _single(it.events)),
    Family("received_bytes", "Bytes of stream received.", lambda it: _single(it.bytes)),
    Family("tokens", "Tokens, as the server counts them.", _tokens, ("kind", "source")),
)
GAUGES: Final = (
    Family("streams_in_flight", "Calls that have begun and not ended.", lambda it: _single(it.streams_in_flight)),
    Family("connections_in_flight", "Attempts on their way.", lambda it: _single(it.connections_in_flight)),
)
HISTOGRAMS: Final[tuple[tuple[str, str, Callable[[Totals], Timing]], ...]] = (
    ("call_duration_seconds", "Calls that succeeded or failed.", lambda it: it.duration),
    ("time_to_first_event_seconds", "From the start of a call to its commit.", lambda it: it.time_to_first_event),
)


def families(snapshot: MetricsSnapshot) -> "Iterator[Metric]":
    """Yield every metric family, including those without samples."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    for family in COUNTERS:
        counter = CounterMetricFamily(PREFIX + family.name, family.doc, labels=(*SERIES, *family.labels))
        for labels, number in _samples(snapshot, family):
            counter.add_metric(labels, number)
        yield counter
    for family in GAUGES:
        gauge = GaugeMetricFamily(PREFIX + family.name, family.doc, labels=(*SERIES, *family.labels))
        for labels, number in _samples(snapshot, family):
            gauge.add_metric(labels, number)
        yield gauge
    for name, doc, timing_of in HISTOGRAMS:
        histogram = HistogramMetricFamily(PREFIX + name, doc, labels=SERIES)
        for series in snapshot.series:
            timing = timing_of(series.totals)
            histogram.add_metric(_labels(series), _buckets(timing), timing.sum)
        yield histogram
    yield from _rate_limits(snapshot)
    yield from _circuits(snapshot)


def _labels(series: SeriesSnapshot) -> tuple[str, ...]:
    return series.labels.dialect, series.labels.model, series.labels.origin


def _samples(snapshot: MetricsSnapshot, family: Family) -> Iterator[Sample]:
    for series in snapshot.series:
        labels = _labels(series)
        for further, number in family.samples(series.totals):
            yield (*labels, *further), number


def _buckets(timing: Timing) -> list[tuple[str, float]]:
    bounds = [(repr(float(bound)), float(count)) for bound, count in timing.buckets]
    return [*bounds, ("+Inf", float(timing.count))]


def _rate_limits(snapshot: MetricsSnapshot) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily

    for name, doc in (("limit", "The server's limit."), ("remaining", "What the server said was left of its limit.")):
        gauge = GaugeMetricFamily(f"{PREFIX}rate_limit_{name}", doc, labels=(*SERIES, "kind"))
        for series in snapshot.series:
            for status in series.rate_limits:
                number: int | None = getattr(status, name)
                if number is not None:
                    gauge.add_metric((*_labels(series), status.kind), number)
        yield gauge


def _circuits(snapshot: MetricsSnapshot) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    states = GaugeMetricFamily(
        f"{PREFIX}circuit_state", "1 for the state that the circuit is in.", labels=("circuit", "key", "state")
    )
    for circuit in snapshot.circuits:
        for state in dict.fromkeys((*STATES, *circuit.states)):
            states.add_metric((circuit.circuit, circuit.key, state), float(state in circuit.states))
    yield states
    transitions = CounterMetricFamily(
        f"{PREFIX}circuit_transitions", "Changes of state.", labels=("circuit", "key", "from", "to")
    )
    for each in snapshot.transitions:
        transitions.add_metric((each.circuit, each.key, each.old, each.new), each.count)
    yield transitions
