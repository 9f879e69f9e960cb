"""What can be set, from where, and what is said of a bad value."""

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from unbroken import ConfigurationError
from unbroken.registry import resolve_plugins
from unbroken_otel import OTelMetrics, OTelMetricsConfig, OTelTracing, OTelTracingConfig


@pytest.mark.parametrize("plugin", [OTelTracing, OTelMetrics])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"semconv": "1.37"}, "semconv: must be one of 1.36, stable, latest, not '1.37'"),
        ({"provider_name": ""}, "provider_name: must be text that is not empty, not ''"),
        ({"operation_name": 1}, "operation_name: must be text that is not empty, not 1"),
        ({"unknown": 1}, "unknown: is not one of its settings"),
    ],
)
def test_a_bad_value_is_refused_by_name(plugin: Any, values: dict[str, Any], message: str) -> None:
    """When the plugin is built, not with the first call."""
    with pytest.raises(ConfigurationError) as caught:
        plugin(**values)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("plugin", "values", "message"),
    [
        (OTelTracing, {"propagate": 1}, "propagate: must be True or False, not 1"),
        (OTelTracing, {"capture_content": "no"}, "capture_content: must be True or False, not 'no'"),
        (
            OTelTracing,
            {"tracer_provider": MeterProvider()},
            "must be a TracerProvider of OpenTelemetry, not a M",
        ),
        (
            OTelMetrics,
            {"meter_provider": TracerProvider()},
            "must be a MeterProvider of OpenTelemetry, not a T",
        ),
        (OTelMetrics, {"meter_provider": "global"}, "must be a MeterProvider of OpenTelemetry, not a str"),
    ],
)
def test_each_has_settings_of_its_own(plugin: Any, values: dict[str, Any], message: str) -> None:
    """A provider of the wrong signal is the mistake that is easily made."""
    with pytest.raises(ConfigurationError) as caught:
        plugin(**values)
    assert message in str(caught.value)


def test_settings_come_from_tables_and_the_environment() -> None:
    """By the names that the plugins are listed under."""
    tracing, metrics = resolve_plugins(
        ["otel-tracing", "otel-metrics"],
        {"otel-tracing": {"propagate": False, "semconv": "latest"}},
        environ={"UNBROKEN_OTEL_METRICS__SEMCONV": "1.36", "UNBROKEN_OTEL_TRACING__CAPTURE_CONTENT": "true"},
    )
    assert isinstance(tracing, OTelTracing)
    assert isinstance(metrics, OTelMetrics)
    assert tracing.config == OTelTracingConfig(propagate=False, semconv="latest", capture_content=True)
    assert metrics.config == OTelMetricsConfig(semconv="1.36")
