"""Spans and metrics of calls through OpenTelemetry and its conventions for generative AI. Needs the extra `otel`."""

from ._config import OTelMetricsConfig, OTelTracingConfig
from ._metrics import OTelMetrics
from ._tracing import OTelTracing

__all__ = ("OTelMetrics", "OTelMetricsConfig", "OTelTracing", "OTelTracingConfig")
