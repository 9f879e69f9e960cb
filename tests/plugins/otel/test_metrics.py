"""What is measured of each kind of call."""

from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint

from unbroken import GiveUp, NetworkError
from unbroken.plugin import Plugin
from unbroken.testing import BACKENDS, STALL, Answer, FakeClock, play, sse
from unbroken_anthropic import Anthropic
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_retry import Retry

from .conftest import BODY, DELTA, END, HEADERS, START, STOP, Recorded, answer

COMMON = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-x",
    "server.address": "api.example.org",
    "server.port": 443,
}
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(4**power for power in range(14))
DURATION = "gen_ai.client.operation.duration"
FIRST = "gen_ai.client.operation.time_to_first_chunk"
EACH = "gen_ai.client.operation.time_per_output_chunk"
USAGE = "gen_ai.client.token.usage"


def called(script: Any, plugins: list[object], **options: Any) -> Any:
    return play(script, plugins, dialect=Anthropic(), json=BODY, **options)


def only(points: list[HistogramDataPoint]) -> HistogramDataPoint:
    [point] = points
    return point


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_success_is_measured_as_the_conventions_want_it(recorded: Recorded, backend: Any) -> None:
    """Each metric of the table, with the attributes that it requires and the buckets that it advises."""
    script = [Answer(headers=HEADERS, body=[2.0, sse(START, DELTA), 3.0, sse(DELTA), 3.0, sse(END, STOP)])]
    called(script, [recorded.metrics()], backend=backend)
    points = recorded.points
    assert set(points) == {DURATION, FIRST, EACH, USAGE}
    for name, value in {DURATION: 8.0, FIRST: 2.0, EACH: 6.0 / 4}.items():
        point = only(points[name])
        assert point.sum == pytest.approx(value)
        assert point.count == 1
        assert dict(point.attributes) == COMMON
        assert point.explicit_bounds == (*SECONDS, 163.84, 327.68, 655.36)
    tokens = {point.attributes["gen_ai.token.type"]: point for point in points[USAGE]}
    assert {kind: point.sum for kind, point in tokens.items()} == {"input": 44, "output": 7}
    for kind, point in tokens.items():
        assert dict(point.attributes) == COMMON | {"gen_ai.token.type": kind}
        assert point.explicit_bounds == TOKENS


def test_a_failure_has_its_class_and_what_came_before_it(recorded: Recorded) -> None:
    """The time to the first event counts; a silence is no time between events, a placeholder no count."""
    called([Answer(headers=HEADERS, body=[1.0, sse(START, DELTA), STALL])], [recorded.metrics()])
    points = recorded.points
    assert dict(only(points[DURATION]).attributes) == COMMON | {
        "error.type": "TimeoutError",
        "unbroken.error.timeout": "idle",
    }
    assert only(points[FIRST]).sum == pytest.approx(1.0)
    assert EACH not in points
    assert [point.attributes["gen_ai.token.type"] for point in points[USAGE]] == ["input"]


def test_a_call_without_an_answer_has_a_duration_alone(recorded: Recorded) -> None:
    """Nothing is reported that nobody has counted."""
    called([Answer(failure=NetworkError("refused"))], [recorded.metrics()])
    assert set(recorded.points) == {DURATION}


def test_retries_are_counted_by_what_they_are_about(recorded: Recorded) -> None:
    """Their waits are in the duration of the call."""
    reset = Answer(failure=NetworkError("reset"))
    script = [Answer(status=503), Answer(status=529), reset, Answer(status=503), answer()]
    called(script, [recorded.metrics(), Retry(max_retries=4, initial_delay=1, multiplier=1, jitter=0, budget=None)])
    counted = {point.attributes["error.type"]: point.value for point in recorded.points["unbroken.retries"]}
    assert counted == {"ServerError": 2, "OverloadedError": 1, "NetworkError": 1}
    assert only(recorded.points[DURATION]).sum == pytest.approx(4.0)
    assert only(recorded.points[DURATION]).count == 1


def test_giving_up_is_no_retry(recorded: Recorded) -> None:
    """Only what is tried again counts."""

    class GivesUp(Plugin):
        def should_retry(self, call: Any, error: Any) -> GiveUp:
            return GiveUp()

    called([Answer(status=503)], [recorded.metrics(), GivesUp()])
    assert "unbroken.retries" not in recorded.points


def test_a_consumer_that_leaves_is_counted_and_no_error(recorded: Recorded) -> None:
    """The conventions have no word for it."""
    called([answer()], [recorded.metrics()], consume=lambda event: False)
    points = recorded.points
    assert "error.type" not in only(points[DURATION]).attributes
    assert [(dict(point.attributes), point.value) for point in points["unbroken.cancellations"]] == [(COMMON, 1)]
    assert EACH not in points


def test_the_transitions_of_a_circuit_are_counted(recorded: Recorded) -> None:
    """Which circuit, from where to where; the key may be anything, even a person."""
    clock = FakeClock()
    breaker = CircuitBreaker(failure_threshold=1, half_open_success_threshold=1, key=lambda call: "user-1")
    plugins = [recorded.metrics(), breaker]
    called([Answer(status=503)], plugins, clock=clock)
    clock.advance(60)
    called([answer()], plugins, clock=clock)
    points = recorded.points["unbroken.circuit.transitions"]
    states = {
        (point.attributes["unbroken.circuit.old_state"], point.attributes["unbroken.circuit.new_state"])
        for point in points
    }
    assert states == {("closed", "open"), ("open", "half_open"), ("half_open", "closed")}
    assert {point.attributes["unbroken.circuit"] for point in points} == {"default"}
    assert "user-1" not in str(points)


def test_a_call_of_no_model_is_in_no_metric_of_models(recorded: Recorded) -> None:
    """Its retries are counted all the same, by where it went."""
    play([Answer(status=503), Answer(body=sse("x"))], [recorded.metrics(), Retry()])
    assert set(recorded.points) == {"unbroken.retries"}
    assert dict(recorded.points["unbroken.retries"][0].attributes) == {
        "server.address": "api.example.org",
        "server.port": 443,
        "error.type": "ServerError",
    }


def test_many_calls_share_their_series(recorded: Recorded) -> None:
    """Nothing of a single call is an attribute."""
    metrics = recorded.metrics()
    for _ in range(50):
        called([answer(1.0)], [metrics])
    assert only(recorded.points[DURATION]).count == 50


@pytest.mark.parametrize("order", [1, -1], ids=["tracing first", "metrics first"])
def test_measurements_are_linked_to_the_span_of_their_call(recorded: Recorded, order: int) -> None:
    """Whatever the order of the two plugins: exemplars lead from a slow bucket to a trace."""
    called([answer()], [recorded.tracing(), recorded.metrics()][::order])
    span_id = recorded.call.context.span_id
    points = recorded.points
    exemplars = [exemplar for name in (DURATION, FIRST) for exemplar in only(points[name]).exemplars]
    assert [exemplar.span_id for exemplar in exemplars] == [span_id, span_id]


@pytest.mark.parametrize("seen", [None, b"not JSON"])
def test_a_call_whose_model_is_not_known_has_no_model(recorded: Recorded, seen: Any) -> None:
    """The attribute is left out, not invented."""
    play([answer()], [recorded.metrics()], dialect=Anthropic(), json=None, content=seen or b"")
    assert "gen_ai.request.model" not in only(recorded.points[DURATION]).attributes
