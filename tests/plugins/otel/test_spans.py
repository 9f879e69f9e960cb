"""The tree of spans that each kind of call leaves behind."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from unbroken import (
    AsyncClient,
    CircuitOpenError,
    Client,
    Event,
    NetworkError,
    Plugin,
    Reject,
    Replay,
    Timeouts,
    ValidationError,
)
from unbroken.testing import (
    BACKENDS,
    STALL,
    Answer,
    AsyncScriptedTransport,
    FakeClock,
    ScriptedTransport,
    cancel_sweep,
    play,
    run,
    sse,
)
from unbroken_anthropic import Anthropic
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry

from .conftest import BODY, DELTA, HEADERS, START, Recorded, answer

URL = "https://api.example.org/v1/messages"
every_colour = pytest.mark.parametrize("backend", BACKENDS)


def called(script: Any, plugins: list[object], **options: Any) -> Any:
    return play(script, plugins, dialect=Anthropic(), json=BODY, **options)


@every_colour
def test_a_success_is_a_call_with_one_attempt(recorded: Recorded, backend: Any) -> None:
    """Both are client spans without a status, as long as what they stand for."""
    called([answer(2.0)], [recorded.tracing()], backend=backend)
    assert recorded.tree == [("chat claude-x", "success", []), ("POST", "success", ["first_event"])]
    for span in recorded.spans:
        assert span.status.status_code is StatusCode.UNSET
        assert span.kind.name == "CLIENT"
        assert span.end_time is not None
        assert span.start_time is not None
        assert span.end_time - span.start_time == pytest.approx(2e9, abs=1000)
    [event] = recorded.attempts[0].events
    assert event.timestamp == pytest.approx((1_700_000_000 + 2) * 1e9, abs=1000)


@every_colour
def test_a_retry_is_an_event_of_the_attempt_that_failed(recorded: Recorded, backend: Any) -> None:
    """The second attempt has a span of its own, which begins after the delay."""
    called([Answer(status=503), answer()], [recorded.tracing(), Retry(initial_delay=4, jitter=0)], backend=backend)
    assert recorded.tree == [
        ("chat claude-x", "success", []),
        ("POST", "failure", ["retry"]),
        ("POST", "success", ["first_event"]),
    ]
    first, second = recorded.attempts
    assert first.status.status_code is StatusCode.ERROR
    assert first.attributes["error.type"] == "ServerError"
    assert first.attributes["http.response.status_code"] == 503
    assert "http.request.resend_count" not in first.attributes
    assert second.attributes["http.request.resend_count"] == 1
    [retry] = first.events
    assert retry.timestamp == first.end_time
    assert retry.attributes["unbroken.delay"] == 4.0
    assert retry.attributes["unbroken.plugin"] == "retry"
    assert "retry 1" in retry.attributes["unbroken.reason"]
    assert second.start_time - first.end_time == pytest.approx(4e9, abs=1000)


@every_colour
def test_giving_up_is_an_event_of_the_last_attempt(recorded: Recorded, backend: Any) -> None:
    """The call fails with the error of that attempt."""
    called(lambda _: Answer(status=503), [recorded.tracing(), Retry(max_retries=1)], backend=backend)
    assert recorded.tree == [
        ("chat claude-x", "failure", []),
        ("POST", "failure", ["retry"]),
        ("POST", "failure", ["give_up"]),
    ]
    assert recorded.call.status.status_code is StatusCode.ERROR
    assert recorded.call.attributes["error.type"] == "ServerError"
    assert recorded.call.attributes["unbroken.attempts"] == 2


@every_colour
def test_a_refusal_of_the_breaker_is_an_error_without_a_response(recorded: Recorded, backend: Any) -> None:
    """The attempt was never sent: no status code, and the class of the error says who refused."""
    breaker = CircuitBreaker(initial_state="forced_open")
    played = called([], [recorded.tracing(), breaker], backend=backend)
    assert isinstance(played.error, CircuitOpenError)
    assert recorded.tree == [("chat claude-x", "rejected", []), ("POST", "rejected", ["reject"])]
    assert recorded.call.attributes["error.type"] == "CircuitOpenError"
    assert recorded.call.status.description == played.error.message
    assert "http.response.status_code" not in recorded.attempts[0].attributes
    [event] = recorded.attempts[0].events
    assert event.attributes["unbroken.plugin"] == "circuit-breaker"
    assert event.attributes["error.type"] == "CircuitOpenError"


@every_colour
def test_a_wait_for_the_limiter_is_an_event_and_within_the_attempt(recorded: Recorded, backend: Any) -> None:
    """How long, and for whom."""
    limit, clock = RateLimit(requests=1, per=10), FakeClock()
    called([answer()], [limit], clock=clock)
    called([answer()], [recorded.tracing(), limit], clock=clock, backend=backend)
    assert recorded.tree[1] == ("POST", "success", ["wait", "first_event"])
    attempt = recorded.attempts[0]
    wait = attempt.events[0]
    assert wait.attributes["unbroken.delay"] == pytest.approx(10)
    assert wait.attributes["unbroken.plugin"] == "rate-limit"
    assert wait.timestamp == attempt.start_time
    assert attempt.end_time - attempt.start_time == pytest.approx(10e9, abs=1000)


@every_colour
def test_a_timeout_says_which_clock_ran_out(recorded: Recorded, backend: Any) -> None:
    """In an attribute of few values, beside the class of the error."""
    script = [Answer(headers=HEADERS, body=[sse(START), STALL])]
    called(script, [recorded.tracing()], backend=backend, timeouts=Timeouts(first_event=7))
    assert recorded.tree == [("chat claude-x", "failure", []), ("POST", "failure", [])]
    for span in recorded.spans:
        assert span.attributes["error.type"] == "TimeoutError"
        assert span.attributes["unbroken.error.timeout"] == "first_event"
        assert span.attributes["unbroken.error.phase"] == "first_event"
        assert span.status.description == "no content event within 7 s (first_event timeout)"


@every_colour
def test_a_silence_in_thought_says_that_quiet_ran_out(recorded: Recorded, backend: Any) -> None:
    """The spans of the call and of the attempt."""
    thinking = ("content_block_start", {"index": 0, "content_block": {"type": "thinking", "thinking": ""}})
    thought = ("content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}})
    script = [Answer(headers=HEADERS, body=[sse(START, thinking, thought), STALL])]
    called(script, [recorded.tracing()], backend=backend, timeouts=Timeouts(idle=1, quiet=7))
    assert [span.attributes["unbroken.error.timeout"] for span in recorded.spans] == ["quiet", "quiet"]


@every_colour
def test_an_error_after_content_has_the_commit_and_the_error(recorded: Recorded, backend: Any) -> None:
    """The API's own name of the error is there; its status was 200."""
    error = ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "no"}})
    called(
        [Answer(headers=HEADERS, body=[sse(START, DELTA), 3.0, sse(error)])],
        [recorded.tracing()],
        backend=backend,
    )
    assert recorded.tree == [("chat claude-x", "failure", []), ("POST", "failure", ["first_event"])]
    attempt = recorded.attempts[0]
    assert attempt.attributes["error.type"] == "OverloadedError"
    assert attempt.attributes["unbroken.error.kind"] == "overloaded_error"
    assert attempt.attributes["http.response.status_code"] == 200
    assert attempt.end_time - attempt.events[0].timestamp == pytest.approx(3e9, abs=1000)


@every_colour
def test_a_consumer_that_leaves_is_no_error(recorded: Recorded, backend: Any) -> None:
    """The outcome says it; the status stays unset."""
    called([answer()], [recorded.tracing()], backend=backend, consume=lambda event: False)
    assert recorded.tree == [("chat claude-x", "cancelled", []), ("POST", "cancelled", ["first_event"])]
    assert {span.status.status_code for span in recorded.spans} == {StatusCode.UNSET}
    assert not any("error.type" in span.attributes for span in recorded.spans)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_task_leaves_ended_spans(recorded: Recorded, backend: Any) -> None:
    """Cancelled while it waits for the first event."""
    clock = FakeClock()

    async def cancelled() -> None:
        transport = AsyncScriptedTransport([Answer(headers=HEADERS, body=[STALL])], clock)
        client = AsyncClient([recorded.tracing()], transport=transport, clock=clock, dialect=Anthropic())
        with anyio.move_on_after(5):
            async with client.stream("POST", URL, json=BODY) as stream:
                async for _ in stream:
                    pass

    run(cancelled, clock=clock, backend=backend)
    assert recorded.tree == [("chat claude-x", "cancelled", []), ("POST", "cancelled", [])]


def test_an_interrupt_leaves_ended_spans(recorded: Recorded) -> None:
    """Ctrl-C in the consumer's code."""

    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    called([answer()], [recorded.tracing()], consume=interrupt)
    assert recorded.tree == [("chat claude-x", "cancelled", []), ("POST", "cancelled", ["first_event"])]


def test_a_stream_that_is_dropped_leaves_ended_spans(recorded: Recorded) -> None:
    """Nobody left its `with` block; the generator is closed when it is collected."""
    clock = FakeClock()
    client = Client(
        [recorded.tracing()],
        transport=ScriptedTransport([answer()], clock),
        clock=clock,
        dialect=Anthropic(),
    )
    stream = client.stream("POST", URL, json=BODY)
    stream.__enter__()
    next(stream)
    with pytest.warns(ResourceWarning):
        del stream
    assert recorded.tree == [("chat claude-x", "cancelled", []), ("POST", "cancelled", ["first_event"])]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_every_span_ends_once_wherever_a_call_is_cancelled(backend: Any) -> None:
    """At each await of a call with a wait, a failure and a retry."""

    def make_call(clock: FakeClock) -> Any:
        recorded = Recorded()
        transport = AsyncScriptedTransport([Answer(status=503), answer(1.0)], clock)
        plugins = [recorded.tracing(), Retry(), RateLimit(requests=1, per=1)]

        async def call() -> None:
            async with (
                AsyncClient(plugins, transport=transport, clock=clock, dialect=Anthropic()) as client,
                client.stream("POST", URL, json=BODY) as stream,
            ):
                async for _ in stream:
                    pass

        def held() -> dict[str, int]:
            calls = [span for span in recorded.spans if span.parent is None]
            return {"open spans": recorded.open_spans, "further calls": max(0, len(calls) - 1)}

        return call, held

    assert cancel_sweep(make_call, backend=backend) >= 10


class Meddling(Plugin):
    """Does `answer` at a hook."""

    name = "meddling"

    def __init__(self, before: Callable[[], Any] | None = None, after: Callable[[], Any] | None = None) -> None:
        super().__init__()
        self._before, self._after = before, after

    def before_request(self, call: Any, request: Any) -> Any:
        return self._before() if self._before else None

    def should_retry(self, call: Any, error: Any) -> Any:
        return self._after() if self._after else None


def test_a_refusal_in_front_of_the_plugin_is_seen_too(recorded: Recorded) -> None:
    """Out of its place in the list it has no `before_request`, and the spans are there all the same."""
    refused = Meddling(before=lambda: Reject(ValidationError("no")))
    called([], [refused, recorded.tracing()])
    assert recorded.tree == [("chat claude-x", "rejected", []), ("POST", "rejected", ["reject"])]


def test_a_wait_in_front_of_the_plugin_is_seen_too(recorded: Recorded) -> None:
    """The span of the attempt begins with it, and the request carries that span."""
    limit, clock = RateLimit(requests=1, per=10), FakeClock()
    called([answer()], [limit], clock=clock)
    played = called([answer()], [limit, recorded.tracing()], clock=clock)
    assert recorded.tree == [("chat claude-x", "success", []), ("POST", "success", ["wait", "first_event"])]
    assert format(recorded.attempts[0].context.span_id, "016x") in played.requests[0].headers["traceparent"]


def test_a_bug_in_front_of_the_plugin_is_seen_too(recorded: Recorded) -> None:
    """A plugin that raises makes no decision, but an attempt that ended."""

    def bug() -> None:
        raise RuntimeError

    called([], [Meddling(before=bug), recorded.tracing()])
    assert recorded.tree == [("chat claude-x", "rejected", []), ("POST", "rejected", [])]
    assert recorded.call.attributes["error.type"] == "PluginError"


def test_a_replay_in_place_of_sending_is_an_event(recorded: Recorded) -> None:
    """The attempt has no response."""
    events = (Event.make("content_block_delta", {}), Event.make("message_stop", {}))
    called([], [recorded.tracing(), Meddling(before=lambda: Replay(events))])
    assert recorded.tree == [("chat claude-x", "success", []), ("POST", "success", ["replay", "first_event"])]
    assert recorded.attempts[0].events[0].attributes["unbroken.events"] == 2


def test_a_replay_after_a_failure_commits_the_call_not_the_attempt(recorded: Recorded) -> None:
    """What is answered from memory did not come with the attempt that failed."""
    events = (Event.make("content_block_delta", {}), Event.make("message_stop", {}))
    script = [Answer(failure=NetworkError("refused"))]
    called(script, [recorded.tracing(), Meddling(after=lambda: Replay(events))])
    assert recorded.tree == [("chat claude-x", "success", ["first_event"]), ("POST", "failure", ["replay"])]


def test_the_parent_is_the_span_that_is_current_when_the_call_begins(recorded: Recorded) -> None:
    """Not when the client was built, and not in whose context it ends."""
    tracer = recorded.tracer_provider.get_tracer("application")
    with tracer.start_as_current_span("handler") as handler:
        called([answer()], [recorded.tracing()])
    call = next(span for span in recorded.spans if span.name == "chat claude-x")
    assert call.parent.span_id == handler.get_span_context().span_id


def test_nothing_is_current_but_what_the_application_made_so(recorded: Recorded) -> None:
    """A span of the consumer's between two events is no child of an attempt."""
    tracer = recorded.tracer_provider.get_tracer("application")
    called([answer()], [recorded.tracing()], consume=lambda event: tracer.start_span("work").end())
    assert all(span.parent is None for span in recorded.spans if span.name == "work")


def test_two_calls_at_a_time_do_not_mix(recorded: Recorded) -> None:
    """One plugin object serves both; each attempt is below its own call."""
    tracing, clock = recorded.tracing(), FakeClock()

    async def both() -> None:
        transport = AsyncScriptedTransport(lambda _: answer(1.0), clock)
        client = AsyncClient([tracing], transport=transport, clock=clock, dialect=Anthropic())

        async def one() -> None:
            async with client.stream("POST", URL, json=BODY) as stream:
                async for _ in stream:
                    pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            tasks.start_soon(one)

    run(both, clock=clock)
    calls = {span.context.span_id for span in recorded.spans if span.parent is None}
    assert len(calls) == 2
    assert {span.parent.span_id for span in recorded.spans if span.parent is not None} == calls


def test_a_wall_clock_that_jumps_bends_no_span(recorded: Recorded) -> None:
    """Spans are as long as the monotonic clock says."""
    clock = FakeClock()
    called([answer(2.0)], [recorded.tracing()], clock=clock, consume=lambda event: clock.jump_wall(-3600))
    for span in recorded.spans:
        assert span.end_time - span.start_time == pytest.approx(2e9, abs=1000)


def test_a_processor_that_raises_does_not_fail_the_call(caplog: pytest.LogCaptureFixture) -> None:
    """It is the application's; the failure is reported, once, and the stream goes on."""

    class Broken:
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            raise RuntimeError("broken")

        def shutdown(self) -> None: ...

    provider = TracerProvider()
    provider.add_span_processor(Broken())
    recorded = Recorded(tracer_provider=provider)
    played = called([answer()], [recorded.tracing()])
    assert played.error is None
    assert [record.message for record in caplog.records] == [
        "plugin 'otel-tracing' failed in before_request; the call goes on"
    ]
