"""Calls whose spans and measurements the real SDK records, in memory and through no global provider."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from attrs import define, field
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from unbroken.testing import Answer, sse
from unbroken_otel import OTelMetrics, OTelTracing

START = (
    "message_start",
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "usage": {
                "input_tokens": 10,
                "output_tokens": 1,
                "cache_read_input_tokens": 30,
                "cache_creation_input_tokens": 4,
            },
        },
    },
)
DELTA = ("content_block_delta", {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}})
END = ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}})
STOP = ("message_stop", {"type": "message_stop"})
HEADERS = {"content-type": "text/event-stream", "request-id": "req-of-server"}
BODY = {"model": "claude-x", "max_tokens": 64, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}


def answer(*before: Any) -> Answer:
    """A whole answer, after `before` (delays)."""
    return Answer(headers=HEADERS, body=[*before, sse(START, DELTA), sse(END, STOP)])


class _Counting:
    """A span processor that counts the spans which have begun and not ended."""

    def __init__(self) -> None:
        self.open = 0

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.open += 1

    def _on_ending(self, span: Any) -> None: ...

    def on_end(self, span: Any) -> None:
        self.open -= 1

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


@define(eq=False)
class Recorded:
    """What the SDK was given."""

    exporter: InMemorySpanExporter = field(factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(factory=InMemoryMetricReader)
    tracer_provider: TracerProvider = field(factory=TracerProvider)
    meter_provider: MeterProvider = field(init=False)
    _counting: _Counting = field(factory=_Counting, init=False)

    def __attrs_post_init__(self) -> None:
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer_provider.add_span_processor(self._counting)
        self.meter_provider = MeterProvider([self.reader])

    def tracing(self, **values: Any) -> OTelTracing:
        return OTelTracing(tracer_provider=self.tracer_provider, **values)

    def metrics(self, **values: Any) -> OTelMetrics:
        return OTelMetrics(meter_provider=self.meter_provider, **values)

    @property
    def open_spans(self) -> int:
        """Spans that have begun and not ended."""
        return self._counting.open

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """In the order of their start; a call before its attempts."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: (span.start_time, span.parent is not None))

    @property
    def call(self) -> ReadableSpan:
        [span] = [span for span in self.spans if span.parent is None]
        return span

    @property
    def attempts(self) -> list[ReadableSpan]:
        """The spans below the call's."""
        call = self.call.context
        assert call is not None
        attempts = [span for span in self.spans if span.parent is not None]
        assert all(span.parent is not None and span.parent.span_id == call.span_id for span in attempts)
        return attempts

    @property
    def tree(self) -> list[Any]:
        """The call and its attempts: name, outcome and the events of each."""
        return [shape(self.call), *map(shape, self.attempts)]

    @property
    def points(self) -> dict[str, list[Any]]:
        """The data points of each metric."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}


def shape(span: ReadableSpan) -> tuple[str, object, list[str]]:
    attributes: Mapping[str, Any] = span.attributes or {}
    return span.name, attributes["unbroken.outcome"], [event.name.removeprefix("unbroken.") for event in span.events]


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture(autouse=True)
def nothing_to_complain_about(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The SDK warns of a span that ends twice, or is written to afterwards, and of values that are no attributes."""
    caplog.set_level(logging.WARNING, "opentelemetry")
    yield
    complaints = [record.getMessage() for record in caplog.get_records("call")]
    assert [text for text in complaints if not text.startswith("plugin ")] == []
