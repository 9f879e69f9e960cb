"""The trace goes on at the server: each attempt carries the context of its own span."""

import re
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import format_span_id, format_trace_id

from unbroken.testing import BACKENDS, Answer, play
from unbroken_anthropic import Anthropic
from unbroken_otel import OTelTracing
from unbroken_retry import Retry

from .conftest import BODY, Recorded, answer


def called(script: Any, plugins: list[object], **options: Any) -> Any:
    return play(script, plugins, dialect=Anthropic(), json=BODY, **options)


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_attempt_is_sent_with_the_context_of_its_span(recorded: Recorded, backend: Any) -> None:
    """The version of W3C Trace Context, the trace, the attempt's span, the flag that it is sampled."""
    played = called([Answer(status=503), answer()], [recorded.tracing(), Retry()], backend=backend)
    for request, span in zip(played.requests, recorded.attempts, strict=True):
        trace_id, span_id = format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)
        assert re.fullmatch(f"00-{trace_id}-{span_id}-0[13]", request.headers["traceparent"])


def test_it_is_off_when_it_is_not_wanted(recorded: Recorded) -> None:
    """The request is sent as it was."""
    played = called([answer()], [recorded.tracing(propagate=False)])
    assert "traceparent" not in played.requests[0].headers


def test_nothing_is_sent_for_a_call_that_is_not_recorded() -> None:
    """Nor without an SDK."""
    for tracing in (OTelTracing(), OTelTracing(tracer_provider=TracerProvider(sampler=ALWAYS_OFF))):
        assert "traceparent" not in called([answer()], [tracing]).requests[0].headers


def test_baggage_stays_at_home(recorded: Recorded) -> None:
    """What an application keeps in its context is not for somebody else's server."""
    token = context.attach(baggage.set_baggage("user", "CANARY"))
    try:
        played = called([answer()], [recorded.tracing()])
    finally:
        context.detach(token)
    assert "CANARY" not in str(played.requests[0].headers.items_raw)
    assert "baggage" not in played.requests[0].headers


def test_a_header_of_the_users_own_is_replaced(recorded: Recorded) -> None:
    """Two parents would be none."""
    played = called([answer()], [recorded.tracing()], headers={"Traceparent": "00-1-2-00"})
    [value] = [value for name, value in played.requests[0].headers.items_raw if name.lower() == "traceparent"]
    assert format_trace_id(recorded.call.context.trace_id) in value


def test_a_propagator_of_the_applications_own_is_used(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever headers it writes."""

    class Own(TextMapPropagator):
        fields = frozenset({"x-trace"})

        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
            return context

        def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
            carrier["x-trace"] = "a1"

    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", Own())
    assert called([answer()], [recorded.tracing()]).requests[0].headers["x-trace"] == "a1"


def test_a_propagator_that_writes_no_header_fails_no_call(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The request goes without it, and the failure is reported."""

    class Broken(TextMapPropagator):
        fields = frozenset({"x-trace"})

        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
            return context

        def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
            carrier["x-trace"] = "two\nlines"

    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", Broken())
    played = called([answer()], [recorded.tracing()])
    assert played.error is None
    assert "x-trace" not in played.requests[0].headers
    assert recorded.tree == [("chat claude-x", "success", []), ("POST", "success", ["first_event"])]
    assert "failed in before_request" in caplog.text
