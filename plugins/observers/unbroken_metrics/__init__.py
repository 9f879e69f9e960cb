"""Metrics of the calls of a program: totals, rates, percentiles, circuit states."""

from ._circuits import Circuit, Transition
from ._config import MetricsConfig
from ._labels import Labels
from ._plugin import Metrics
from ._prometheus import MetricsServer, PrometheusCollector, start_http_server
from ._values import CallEnded, MetricsSnapshot, SeriesSnapshot, Timing, Totals

__all__ = (
    "CallEnded",
    "Circuit",
    "Labels",
    "Metrics",
    "MetricsConfig",
    "MetricsServer",
    "MetricsSnapshot",
    "PrometheusCollector",
    "SeriesSnapshot",
    "Timing",
    "Totals",
    "Transition",
    "start_http_server",
)
