"""The metrics for Prometheus. No label has the name of a user, a key or a client's model: their number is bounded."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from ..audit import AuditStatus
from ..traffic import Histogram, Traffic

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector
else:
    Collector = object  # at run time the registry asks for a `collect` alone

PREFIX: Final = "unbroken_gateway_"

Samples = Iterable[tuple[str, float]] | Iterable[tuple[tuple[str, ...], float]]
"""Pairs of the value of the only label, or the values of all, and a number."""


def text(traffic: Traffic, audit: Callable[[], AuditStatus]) -> tuple[bytes, str]:
    """Return the metrics of the gateway and of its clients, and their content type."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(GatewayCollector(traffic, audit))
    if (clients := traffic.collector()) is not None:
        registry.register(clients)
    return generate_latest(registry), CONTENT_TYPE_LATEST


class GatewayCollector(Collector):
    """Exports the counts of a process."""

    def __init__(self, traffic: Traffic, audit: Callable[[], AuditStatus]) -> None:
        self._traffic, self._audit = traffic, audit

    def collect(self) -> "Iterator[Metric]":
        """Yield every family with its present samples."""
        it = self._traffic
        yield _counter("calls", "Calls that have ended.", ("route", "upstream", "ending"), it.calls.items())
        yield _counter(
            "refused", "Requests that were refused before they were calls.", ("problem",), it.refusals.items()
        )
        yield _counter("errors", "Errors that clients got, by class.", ("error",), it.errors.items())
        yield _counter("alerts", "Problems that the operator must mend.", ("problem",), it.alerted.items())
        yield _counter("failures", "Failures of parts of the gateway.", ("part",), it.failures.items())
        yield _counter("tokens", "Tokens, by kind.", ("kind",), it.tokens.items())
        yield _counter("spent_usd", "What the calls cost, in dollars.", (), [((), it.micro_usd / 1e6)])
        yield _gauge("calls_under_way", "Calls that have not ended, by phase.", ("phase",), it.phases().items())
        yield _histogram("call_duration_seconds", "Whole calls.", it.duration)
        yield _histogram("first_byte_seconds", "Until the first content.", it.first_byte)
        status = self._audit()
        done = {name: getattr(status, name) for name in ("written", "failures", "dropped", "lost")}
        yield _counter("audit_rows", "Rows of the audit, and failed batches, by result.", ("result",), done.items())
        yield _gauge("audit_waiting", "Rows of the audit that are not written yet.", (), [((), status.waiting)])


def _counter(name: str, doc: str, labels: tuple[str, ...], samples: Samples) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(PREFIX + name, doc, labels=labels)
    for names, number in samples:
        family.add_metric((names,) if isinstance(names, str) else names, number)
    return family


def _gauge(name: str, doc: str, labels: tuple[str, ...], samples: Samples) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(PREFIX + name, doc, labels=labels)
    for names, number in samples:
        family.add_metric((names,) if isinstance(names, str) else names, number)
    return family


def _histogram(name: str, doc: str, histogram: Histogram) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(PREFIX + name, doc)
    family.add_metric((), list(histogram.buckets()), histogram.sum)
    return family
