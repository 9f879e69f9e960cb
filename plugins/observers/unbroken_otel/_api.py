"""The only module that imports OpenTelemetry. It imports the API alone: the SDK is the application's choice."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

try:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider, NoOpHistogram, get_meter_provider
    from opentelemetry.propagate import inject
    from opentelemetry.trace import (
        NoOpTracer,
        Span,
        SpanKind,
        Status,
        StatusCode,
        Tracer,
        TracerProvider,
        get_tracer_provider,
        set_span_in_context,
    )
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "opentelemetry":
        raise
    wanted = "unbroken_otel needs opentelemetry-api: pip install 'unbroken[otel]'"
    raise ModuleNotFoundError(wanted, name=error.name) from error

__all__ = (
    "Context",
    "Counter",
    "Histogram",
    "Meter",
    "Span",
    "SpanKind",
    "Status",
    "StatusCode",
    "Tracer",
    "inject",
    "measures_nothing",
    "meter",
    "records_nothing",
    "set_span_in_context",
    "tracer",
)

SCOPE: Final = "unbroken"
"""The name of the instrumentation scope."""


def tracer(provider: TracerProvider | None) -> Tracer:
    """Return the tracer of `provider`. With None, that of the global provider, even if it is set later."""
    return (provider or get_tracer_provider()).get_tracer(SCOPE, _version())


def meter(provider: MeterProvider | None) -> Meter:
    """Return the meter of `provider`. With None, that of the global provider, even if it is set later."""
    return (provider or get_meter_provider()).get_meter(SCOPE, _version())


# The API cannot tell whether anything is recorded. Its proxies, for a provider that is not set yet, keep the real
# object in an attribute; an object without that attribute is the real one. Reading it is cheaper than starting a span.


def records_nothing(tracer: Tracer) -> bool:
    """Return whether no span of `tracer` is ever recorded."""
    return type(getattr(tracer, "_tracer", tracer)) is NoOpTracer


def measures_nothing(instrument: Histogram) -> bool:
    """Return whether no measurement of `instrument` is ever recorded."""
    return getattr(instrument, "_real_instrument", instrument) is None or isinstance(instrument, NoOpHistogram)


def _version() -> str | None:
    try:
        return version("unbroken")
    except PackageNotFoundError:  # imported from a directory, not installed
        return None
