"""The settings of spans and metrics."""

from typing import Any, Final, TypedDict

from attrs import field, frozen

from unbroken.validators import flag, one_of, optional, refused, text

from ._semconv import VERSIONS, Version

_VERSION: Final = optional(one_of(*VERSIONS))


def _has(method: str, what: str) -> Any:
    def validate(instance: Any, attribute: Any, value: Any) -> None:
        if value is not None and not callable(getattr(value, method, None)):
            raise refused(attribute.name, f"must be {what} of OpenTelemetry, not a {type(value).__name__}")

    return validate


@frozen(kw_only=True)
class _Conventions:
    """The settings that spans and metrics have in common."""

    semconv: Version | None = field(default=None, validator=_VERSION)
    """The version of the GenAI conventions whose names are used: ``stable`` (in force), ``latest`` (in development) or
    ``1.36`` (before ``gen_ai.system`` was renamed).

    None: ``latest`` if ``OTEL_SEMCONV_STABILITY_OPT_IN`` contains ``gen_ai_latest_experimental``, else ``stable``.
    """
    provider_name: str | None = field(default=None, validator=optional(text))
    """The provider of the API, such as ``aws.bedrock``. None: ``anthropic`` or ``openai`` by the dialect, else none."""
    operation_name: str | None = field(default=None, validator=optional(text))
    """The operation of a call. None: ``chat``, or ``text_completion`` by its path, if the provider is known.

    A call without an operation is not a model call: it has no ``gen_ai`` attributes and is in no ``gen_ai`` metric.
    """


@frozen(kw_only=True)
class OTelTracingConfig(_Conventions):
    """The settings of `OTelTracing`."""

    propagate: bool = field(default=True, validator=flag)
    """Whether to send each attempt with the ``traceparent`` of its span. Baggage is never sent."""
    capture_content: bool = field(default=False, validator=flag)
    """Whether to put the messages and the system prompt of the request into attributes of the span."""
    tracer_provider: Any = field(default=None, validator=_has("get_tracer", "a TracerProvider"))
    """The provider that gets the spans. None: the global one, even if it is set later. Not settable in files."""


class OTelTracingOptions(TypedDict, total=False):
    """The keyword arguments of `OTelTracing`, one per setting; `OTelTracingConfig` documents them."""

    semconv: Version | None
    provider_name: str | None
    operation_name: str | None
    propagate: bool
    capture_content: bool
    tracer_provider: Any


@frozen(kw_only=True)
class OTelMetricsConfig(_Conventions):
    """The settings of `OTelMetrics`."""

    meter_provider: Any = field(default=None, validator=_has("get_meter", "a MeterProvider"))
    """The provider that gets the measurements. None: the global one, even if it is set later. Not settable in files."""


class OTelMetricsOptions(TypedDict, total=False):
    """The keyword arguments of `OTelMetrics`, one per setting; `OTelMetricsConfig` documents them."""

    semconv: Version | None
    provider_name: str | None
    operation_name: str | None
    meter_provider: Any
