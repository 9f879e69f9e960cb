"""What can be set about spans and metrics."""

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
    """What spans and metrics have in common."""

    semconv: Version | None = field(default=None, validator=_VERSION)
    """Which names of the GenAI conventions are used: ``stable`` (those in force), ``latest`` (those of the development
    version) or ``1.36`` (those from before the renaming of ``gen_ai.system``).

    None: ``latest`` when ``OTEL_SEMCONV_STABILITY_OPT_IN`` has ``gen_ai_latest_experimental``, else ``stable``.
    """
    provider_name: str | None = field(default=None, validator=optional(text))
    """Whose API it is, such as ``aws.bedrock``. None: ``anthropic`` or ``openai`` as the dialect is, else nothing."""
    operation_name: str | None = field(default=None, validator=optional(text))
    """What a call does. None: ``chat`` (``text_completion`` by its path) where the provider is known.

    A call without an operation is none of a model: it has no ``gen_ai`` attributes and is in no ``gen_ai`` metric.
    """


@frozen(kw_only=True)
class OTelTracingConfig(_Conventions):
    """The settings of `OTelTracing`."""

    propagate: bool = field(default=True, validator=flag)
    """Whether each attempt is sent with the ``traceparent`` of its span. Baggage is never sent."""
    capture_content: bool = field(default=False, validator=flag)
    """Whether the messages and the system prompt of the request are attributes of the span."""
    tracer_provider: Any = field(default=None, validator=_has("get_tracer", "a TracerProvider"))
    """Where the spans go; None: the global provider, whenever it is set. Not for files."""


class OTelTracingOptions(TypedDict, total=False):
    """The keywords of `OTelTracing`: one for each setting of `OTelTracingConfig`, which describes them."""

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
    """Where the measurements go; None: the global provider, whenever it is set. Not for files."""


class OTelMetricsOptions(TypedDict, total=False):
    """The keywords of `OTelMetrics`: one for each setting of `OTelMetricsConfig`, which describes them."""

    semconv: Version | None
    provider_name: str | None
    operation_name: str | None
    meter_provider: Any
