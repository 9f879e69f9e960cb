"""Spans and metrics of calls through OpenTelemetry, after its conventions for generative AI. Needs the extra `otel`."""

from ._config import MetricsConfig, TracingConfig
from ._metrics import Metrics
from ._tracing import Tracing

__all__ = ("Metrics", "MetricsConfig", "Tracing", "TracingConfig")
