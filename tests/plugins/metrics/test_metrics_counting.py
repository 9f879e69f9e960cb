"""What is counted: known faults give known numbers, in every backend and wherever the plugin stands."""

import pytest

from unbroken import Event, Plugin, Reject, Replay, ServerError, Wait
from unbroken.testing import BACKENDS, STALL, Answer, FakeClock, play, sse
from unbroken_anthropic import Anthropic
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_metrics import Labels, Metrics
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry
from unbroken_timeout import Timeout

START = (
    "message_start",
    {"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1}}},
)
DELTA = ("content_block_delta", {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hi"}})
USAGE = ("message_delta", {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7}})
STOP = ("message_stop", {"type": "message_stop"})
GOOD = Answer(latency=0.5, body=[sse(START, DELTA), 1.5, sse(DELTA, USAGE, STOP)])
LABELS = Labels("anthropic", "claude-x", "https://api.example.org:443")
RETRY = Retry(initial_delay=1.0, jitter=0, budget=None)

# One call each: what the server does, and how the call ends.
CALLS = {
    "good": [GOOD],
    "overloaded": [Answer(status=529), Answer(status=429, headers={"retry-after": "3"}), GOOD],
    "stalled": [Answer(body=[sse(START, DELTA), STALL])],
    "cut": [Answer(body=sse(START)), GOOD],
    "silent": [Answer(latency=STALL), Answer(connect=STALL), Answer(status=400)],
}


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def run(metrics, script, *plugins, backend="sync", **call):
    call = {"json": {"model": "claude-x", "messages": []}, **call}
    return play(script, plugins or [metrics], backend=backend, dialect=Anthropic(), **call)


def total(metrics):
    return metrics.snapshot().total


class Answering(Plugin):
    """Answers one hook, once for each of `answers`."""

    name = "answering"

    def __init__(self, hook, *answers):
        super().__init__()
        self._hook, self._answers = hook, list(answers)

    def _next(self, hook):
        return self._answers.pop(0) if hook == self._hook and self._answers else None

    def before_request(self, call, request):
        return self._next("before_request")

    def should_retry(self, call, error):
        return self._next("should_retry")


@pytest.mark.filterwarnings("ignore::unbroken.registry.PluginOrderWarning")
@pytest.mark.parametrize("place", [0, 1, 2, 3], ids=lambda place: f"place-{place}")
def test_known_faults_give_known_numbers(backend, place):
    """Totals, errors by clock, retries by reason, tokens by source, times: exactly those of the scenario."""
    metrics = Metrics()
    plugins = [Timeout(connect=2, first_event=5, idle=4), RETRY, CircuitBreaker(failure_threshold=1000)]
    plugins.insert(place, metrics)
    for script in CALLS.values():
        run(metrics, script, *plugins, backend=backend)
    it = total(metrics)
    assert it.calls == {"success": 3, "failure": 2, "rejected": 0, "cancelled": 0}
    assert it.attempts == {"success": 3, "failure": 7, "rejected": 0, "cancelled": 0}
    assert it.call_errors == {"TimeoutError:idle": 1, "ValidationError": 1}
    assert it.attempt_errors == {
        "OverloadedError": 1,
        "RateLimitError": 1,
        "TimeoutError:idle": 1,
        "TruncatedStreamError": 1,
        "TimeoutError:first_event": 1,
        "TimeoutError:connect": 1,
        "ValidationError": 1,
    }
    assert it.retries == {
        "OverloadedError": 1,
        "RateLimitError": 1,
        "TruncatedStreamError": 1,
        "TimeoutError:first_event": 1,
        "TimeoutError:connect": 1,
    }
    assert (it.stalls, it.truncations) == (1, 1)
    assert it.events == 3 * 5 + 2
    assert it.bytes == 3 * len(sse(START, DELTA, DELTA, USAGE, STOP)) + len(sse(START, DELTA)) + len(sse(START))
    nothing = {"cache_read": 0, "cache_write": 0}
    assert it.tokens["final"] == {"input": 30, "output": 21, **nothing}
    assert it.tokens["partial"] == {"input": 20, "output": 2, **nothing}
    assert it.retry_delay == pytest.approx(1.0 + 3.0 + 1.0 + 1.0 + 2.0)
    durations = [2.0, 1.0 + 3.0 + 2.0, 4.0, 1.0 + 2.0, 5.0 + 1.0 + 2.0 + 2.0]
    assert it.duration.count == 5
    assert it.duration.sum == pytest.approx(sum(durations))
    assert dict(it.duration.buckets)[5.0] == 3
    assert it.time_to_first_event.count == 4
    assert it.time_to_first_event.sum == pytest.approx(0.5 + 4.5 + 0.0 + 1.5)
    assert (it.success_rate, it.failure_rate, it.retry_rate) == (0.6, 0.4, 1.0)
    assert (it.streams_in_flight, it.connections_in_flight) == (0, 0)


def test_each_set_of_labels_is_counted_apart():
    """Dialect, model and origin; the total is their sum."""
    metrics = Metrics()
    run(metrics, [GOOD])
    run(metrics, [GOOD], json={"model": "claude-y"})
    run(metrics, [Answer(status=400)], url="http://localhost:81/")
    play([Answer(body=sse("x"))], [metrics], method="GET", json=None)
    series = {each.labels: each.totals for each in metrics.snapshot().series}
    assert {labels: it.ended for labels, it in series.items()} == {
        LABELS: 1,
        Labels("anthropic", "claude-y", LABELS.origin): 1,
        Labels("anthropic", "claude-x", "http://localhost:81"): 1,
        Labels("sse", "none", LABELS.origin): 1,
    }
    it = total(metrics)
    assert (it.ended, it.calls["success"], it.duration.count) == (4, 3, 4)
    assert it.duration.sum == sum(each.duration.sum for each in series.values())


def test_calls_and_connections_in_flight_are_seen_while_they_are(backend):
    """A stream is in flight from its first hook to its end, a connection only while an attempt is on its way."""
    metrics = Metrics()
    seen = []

    class Probe(Plugin):
        name = "probe"

        def on_decision(self, call, decision, plugin):
            self.look()

        def on_response(self, call, response):
            self.look()

        def look(self):
            it = total(metrics)
            seen.append((it.streams_in_flight, it.connections_in_flight))

    waiting = Answering("before_request", Wait(1.0))
    run(metrics, [Answer(status=529), GOOD], metrics, waiting, RETRY, Probe(), backend=backend)
    assert seen == [(1, 0), (1, 1), (1, 0), (1, 1)]
    assert (total(metrics).streams_in_flight, total(metrics).connections_in_flight) == (0, 0)


def test_a_call_that_waits_in_front_of_the_plugin_is_in_flight():
    """Also where the hook of the plugin itself was not called yet."""
    metrics, seen = Metrics(), []

    class Clock(FakeClock):
        def sleep(self, seconds):
            seen.append(total(metrics).streams_in_flight)
            super().sleep(seconds)

    run(metrics, [GOOD], Answering("before_request", Wait(1.0, "full")), metrics, clock=Clock())
    assert seen == [1]
    assert total(metrics).waits == {"answering": 1}
    assert total(metrics).wait_time == {"answering": 1.0}


@pytest.mark.parametrize("order", [1, -1], ids=["in-front", "behind"])
@pytest.mark.parametrize(
    ("answer", "calls", "attempts", "errors"),
    [
        pytest.param(Reject(ServerError("full")), "rejected", "rejected", {"ServerError": 1}, id="rejected"),
        pytest.param(Replay([Event.make("x")]), "success", "success", {}, id="replayed"),
        pytest.param(object(), "rejected", "rejected", {"PluginError": 1}, id="broken"),
    ],
)
def test_a_call_that_is_never_sent_is_counted_once(order, answer, calls, attempts, errors):
    """Whatever a plugin in front or behind does with it."""
    metrics = Metrics()
    run(metrics, [], *[metrics, Answering("before_request", answer)][::order])
    it = total(metrics)
    assert (it.ended, it.calls[calls]) == (1, 1)
    assert it.attempts[attempts] == sum(it.attempts.values()) == 1
    assert it.attempt_errors == it.call_errors == errors
    assert (it.streams_in_flight, it.connections_in_flight) == (0, 0)


def test_a_success_that_is_replayed_after_a_failure_has_no_successful_attempt():
    """The call is one, its attempt is not; the tokens of the attempt are counted once."""
    metrics = Metrics()
    script = [Answer(body=sse(START, ("error", {"error": {"type": "overloaded_error"}})))]
    run(metrics, script, metrics, Answering("should_retry", Replay([Event.make("x")])))
    it = total(metrics)
    assert it.calls["success"] == 1
    assert it.attempts == {"success": 0, "failure": 1, "rejected": 0, "cancelled": 0}
    assert it.tokens["partial"]["input"] == 10
    assert it.tokens["final"]["input"] == 0
    assert it.success_rate == 1.0


def test_a_rejection_by_an_open_circuit_is_an_error_of_its_own():
    """And says nothing of how long the server takes."""
    metrics = Metrics()
    breaker = CircuitBreaker(failure_threshold=1)
    for _ in range(2):
        run(metrics, [Answer(status=500)], metrics, breaker)
    it = total(metrics)
    assert it.calls == {"success": 0, "failure": 1, "rejected": 1, "cancelled": 0}
    assert it.call_errors == {"ServerError": 1, "CircuitOpenError": 1}
    assert it.duration.count == 1
    assert (it.success_rate, it.failure_rate) == (0.0, 1.0)


def test_circuits_and_their_transitions_are_told():
    """Closed, open, half-open, closed again: the present state and how often each change was made."""
    metrics, clock = Metrics(), FakeClock()
    breaker = CircuitBreaker(failure_threshold=1, recovery_timeout=5, half_open_success_threshold=1)
    run(metrics, [Answer(status=500)], metrics, breaker, clock=clock)
    (circuit,) = metrics.snapshot().circuits
    assert (circuit.circuit, circuit.key, circuit.states) == ("default", LABELS.origin, ("open",))
    clock.advance(60)
    run(metrics, [GOOD], metrics, breaker, clock=clock)
    snapshot = metrics.snapshot()
    assert snapshot.circuits[0].states == ("closed",)
    changes = {(each.old, each.new): each.count for each in snapshot.transitions}
    assert changes == {("closed", "open"): 1, ("open", "half_open"): 1, ("half_open", "closed"): 1}


def test_a_limiter_that_makes_calls_wait_is_seen():
    """How often and for how long, by plugin."""
    metrics, clock = Metrics(), FakeClock()
    limiter = RateLimit(requests=1, per=10, burst=1)
    for _ in range(3):
        run(metrics, [GOOD], metrics, limiter, clock=clock)
    it = total(metrics)
    assert it.waits == {"rate-limit": 2}
    assert it.wait_time["rate-limit"] == pytest.approx(16.0)


def test_what_the_server_says_of_its_limits_is_that_of_the_latest_response():
    """Read when somebody asks; the order in which calls end does not matter."""
    metrics, clock = Metrics(), FakeClock()
    limits = [("anthropic-ratelimit-requests-limit", "50"), ("anthropic-ratelimit-requests-remaining", "49")]
    run(metrics, [Answer(status=529, headers=dict(limits))], clock=clock)
    clock.advance(1)
    good = {"content-type": "text/event-stream", limits[0][0]: "50", limits[1][0]: "3"}
    run(metrics, [Answer(headers=good, body=sse(DELTA, STOP))], clock=clock)
    (series,) = metrics.snapshot().series
    (limit,) = series.rate_limits
    assert (limit.kind, limit.limit, limit.remaining) == ("requests", 50, 3)


def test_a_dialect_that_cannot_read_its_limits_costs_only_them(caplog):
    """It is reported, and everything else is counted."""

    class Broken(Anthropic):
        def rate_limits(self, headers, received_at):
            raise ValueError("odd")

    metrics = Metrics()
    play([GOOD], [metrics], dialect=Broken())
    (series,) = metrics.snapshot().series
    assert series.rate_limits == ()
    assert series.totals.ended == 1
    assert "rate_limits" in caplog.text


def test_a_consumer_that_leaves_is_no_failure(backend):
    """It counts as cancelled, its tokens as partial, its time to the first event but not its duration."""
    metrics = Metrics()
    run(metrics, [GOOD], backend=backend, consume=lambda event: event.type != "content_block_delta")
    it = total(metrics)
    assert it.calls == {"success": 0, "failure": 0, "rejected": 0, "cancelled": 1}
    assert it.attempts["cancelled"] == 1
    assert it.tokens["partial"]["input"] == 10
    assert (it.duration.count, it.time_to_first_event.count, it.events) == (0, 1, 2)
    assert it.success_rate is None
    assert (it.streams_in_flight, it.connections_in_flight) == (0, 0)


def test_a_snapshot_of_nothing_has_no_rates_and_no_percentiles():
    """There is no share of nothing."""
    snapshot = Metrics().snapshot()
    it = snapshot.total
    assert (it.success_rate, it.failure_rate, it.retry_rate) == (None, None, None)
    assert (it.duration.p50, it.duration.p99, it.duration.count) == (None, None, 0)
    assert snapshot.series == snapshot.circuits == snapshot.transitions == ()


def test_events_cost_nothing():
    """No hook is called for an event."""
    assert type(Metrics()).on_event is Plugin.on_event
    assert type(Metrics()).on_commit is Plugin.on_commit
