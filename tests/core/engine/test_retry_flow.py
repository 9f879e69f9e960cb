"""From a failure to the next attempt: who is asked, in which order, and what the history says."""

import pickle

import pytest

from unbroken import (
    AuthenticationError,
    Error,
    GiveUp,
    NetworkError,
    Plugin,
    PluginError,
    Reject,
    Request,
    ServerError,
    ValidationError,
    hookimpl,
)
from unbroken import TryAgain as Again
from unbroken.testing import Answer, sse

from ..kit import Retry, Talk

GOOD = Answer(body=sse("good"))
DOWN = Answer(status=503)


def boom(call, payload):
    raise ZeroDivisionError("boom")


def test_hooks_of_a_failure_are_called_in_order(play, spy):
    """Error, clean-up, verdict, decision; then the next attempt."""
    play([DOWN, GOOD], [spy, Retry()])
    attempt = ["before_request", "on_response"]
    failed = ["on_error", "after_request", "should_retry", "on_decision"]
    assert spy.hooks == [*attempt, *failed, *attempt, "on_commit", "on_event", "after_request", "on_finish"]


@pytest.mark.parametrize("failures", [0, 1, 2, 3])
def test_E55_success_after_failures(play, failures):
    """N failures are N + 1 requests with one request id and one idempotency key."""
    played = play([*[DOWN] * failures, GOOD], [Retry(initial_delay=1.0)], request_id="call-1")
    assert played.error is None
    assert played.data == ["good"]
    assert len(played.requests) == failures + 1
    assert {request.headers["idempotency-key"] for request in played.requests} == {"call-1"}
    assert {event.request_id for event in played.events} == {played.request_id} == {"call-1"}
    assert played.clock.slept == [1.0, 2.0, 4.0][:failures]
    assert [attempt.number for attempt in played.history] == list(range(1, failures + 1))


def test_E54_stops_at_max_retries(play):
    """The history says so."""
    played = play(lambda _: DOWN, [Retry(max_retries=2, initial_delay=1.0)])
    assert isinstance(played.error, ServerError)
    assert [(a.number, a.error, a.status_code, a.delay) for a in played.error.history] == [
        (1, "ServerError", 503, 1.0),
        (2, "ServerError", 503, 2.0),
        (3, "ServerError", 503, None),
    ]
    assert {a.decided_by for a in played.error.history} == {"retry"}
    assert played.error.history[-1].reason == "max_retries 2 reached"


def test_the_first_answer_wins(play, make_spy):
    """A policy further in is not asked."""
    first, second = (
        make_spy("first", should_retry=GiveUp(reason="enough")),
        make_spy("second", should_retry=Again()),
    )
    played = play([DOWN], [first, second])
    assert played.failure.history[0].decided_by == "first"
    assert "should_retry" not in second.hooks


def test_without_an_opinion_the_failure_surfaces(play, spy):
    """The history has nobody's name on it."""
    played = play([DOWN], [spy])
    (attempt,) = played.failure.history
    assert (attempt.decided_by, attempt.reason, attempt.delay) == (None, "", None)
    assert "on_decision" not in spy.hooks


def test_giving_up_may_name_another_error(play, make_spy):
    """It is stamped, and the failure is its cause."""
    spy = make_spy(should_retry=GiveUp(AuthenticationError("token expired")))
    played = play([DOWN], [spy], request_id="call-1")
    assert isinstance(played.error, AuthenticationError)
    assert isinstance(played.error.__cause__, ServerError)
    assert (played.error.request_id, len(played.error.history)) == ("call-1", 1)
    assert played.outcome.error is played.error


def test_a_retry_may_bring_another_request(play, make_spy):
    """It is sent from then on, in place of the one as asked."""
    elsewhere = lambda call, error: Again(  # noqa: E731
        request=call.request.with_headers({"x-try": "2"}) if call.attempt == 1 else None
    )
    played = play([DOWN, DOWN, GOOD], [make_spy(should_retry=elsewhere)])
    assert [request.headers.get("x-try") for request in played.requests] == [None, "2", "2"]


def test_a_patched_request_is_seen_by_the_plugins_behind_and_not_kept(play, make_spy):
    """`Call.current` is what was sent; each attempt begins with the request as asked."""
    add = lambda call, request: request.with_headers({"x-attempt": str(call.attempt)})  # noqa: E731
    first, second = make_spy("first", before_request=add), make_spy("second")
    played = play([DOWN, GOOD], [first, second, Retry(initial_delay=1.0)])
    assert [request.headers["x-attempt"] for request in played.requests] == ["1", "2"]
    assert [request.headers["x-attempt"] for request in second.payloads("before_request")] == ["1", "2"]
    assert "x-attempt" not in first.call.request.headers
    assert first.call.current is played.requests[-1]


def test_on_error_replaces_the_error(play, make_spy):
    """Policies and the consumer see the replacement, stamped like any other."""
    spy = make_spy(on_error=lambda call, error: ValidationError("clearer words"))
    played = play([DOWN], [spy], request_id="call-1")
    assert isinstance(played.error, ValidationError)
    assert (played.error.request_id, played.error.phase) == ("call-1", "headers")
    assert spy.payloads("should_retry") == [played.error]
    assert spy.payloads("after_request")[0].error is played.error


@pytest.mark.parametrize("hook", ["before_request", "on_response", "on_event"])
def test_a_rejection_fails_the_attempt_with_its_error(play, make_spy, hook):
    """It is marked as local, told of, and policies may retry it unless part of the stream is out."""
    rejected = []

    def reject(call, payload):
        if rejected:
            return None
        rejected.append(Reject(NetworkError("no")))
        return rejected[0]

    spy = make_spy(**{hook: reject}, should_retry=Again())
    played = play([GOOD, GOOD], [spy])
    assert spy.payloads("on_decision")[0] == ("spy", rejected[0])
    assert rejected[0].error.is_local
    status = "rejected" if hook == "before_request" else "failure"
    assert spy.statuses("after_request")[0] == status
    assert (played.error is None) is (hook != "on_event")
    assert spy.statuses("on_finish") == ["failure" if hook == "on_event" else "success"]


def test_a_call_that_was_never_sent_is_rejected(play, make_spy):
    """Its outcome says so, to `on_finish` too."""
    spy = make_spy(before_request=lambda call, request: Reject(NetworkError("no")))
    played = play([], [spy])
    assert played.outcome.status == "rejected"
    assert spy.statuses("after_request") == spy.statuses("on_finish") == ["rejected"]
    assert (played.failure.phase, played.requests) == ("before", [])


@pytest.mark.parametrize(
    ("hook", "phase"),
    [
        ("before_request", "before"),
        ("on_response", "headers"),
        ("on_commit", "streaming"),
        ("on_event", "streaming"),
    ],
)
def test_E64_a_hook_that_raises_is_a_plugin_error_and_never_retried(play, make_spy, hook, phase):
    """It names the plugin and the hook; the bug itself is the cause."""
    spy, policy = make_spy("broken", **{hook: boom}), make_spy("policy", should_retry=Again())
    played = play([GOOD], [spy, policy])
    error = played.error
    assert isinstance(error, PluginError)
    assert (error.plugin, error.hook, error.phase) == ("broken", hook, phase)
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert "should_retry" not in policy.hooks
    assert [attempt.error for attempt in error.history] == ["PluginError"]
    assert policy.hooks.count("after_request") == policy.hooks.count("on_finish") == 1
    assert played.transport.open_exchanges == 0


def test_E64_should_retry_that_raises_ends_the_call(play, make_spy):
    """The attempt is in the history; the bug is the cause, the failure the context."""
    played = play([DOWN], [make_spy("broken", should_retry=boom)], request_id="call-1")
    error = played.error
    assert isinstance(error, PluginError)
    assert (error.hook, error.request_id, error.phase) == ("should_retry", "call-1", "headers")
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert isinstance(error.__context__, ServerError)
    assert [(attempt.error, attempt.decided_by) for attempt in error.history] == [("ServerError", None)]


def test_E64_on_error_that_raises_ends_the_call(play, make_spy):
    """And is not retried."""
    played = play([DOWN], [make_spy("broken", on_error=boom), Retry()])
    assert isinstance(played.error, PluginError)
    assert isinstance(played.error.__context__, ServerError)


@pytest.mark.parametrize("hook", ["after_request", "on_finish", "on_decision"])
def test_E64_a_failing_observer_is_contained(play, make_spy, hook, caplog):
    """The others still run, the stream goes on, and the standard logger hears of it."""
    broken, spy = make_spy("broken", **{hook: boom}), make_spy()
    played = play([DOWN, GOOD], [spy, broken, Retry()])
    assert played.data == ["good"]
    assert spy.statuses("after_request") == ["failure", "success"]
    assert spy.statuses("on_finish") == ["success"]
    assert f"plugin 'broken' failed in {hook}" in caplog.text


def test_after_request_is_called_for_plugins_whose_before_request_was_not(play, make_spy):
    """The attempt began, so each gives back what it took, if anything; in reverse order."""
    order: list[str] = []
    first = make_spy("first", before_request=boom, after_request=lambda call, outcome: order.append("first"))
    second = make_spy("second", after_request=lambda call, outcome: order.append("second"))
    play([], [first, second])
    assert order == ["second", "first"]
    assert "before_request" not in second.hooks


def test_a_wrapper_around_the_verdict_can_overrule_it(play):
    """As a retry budget does; the decision is then its own."""

    class Budget(Plugin):
        name = "budget"

        @hookimpl(wrapper=True)
        def should_retry(self, call, error):
            answer = yield
            return GiveUp(reason="spent") if isinstance(answer, Again) else answer

    played = play([DOWN], [Retry(), Budget()])
    assert [(a.decided_by, a.reason) for a in played.failure.history] == [("budget", "spent")]


class Broken:
    """A dialect whose `method` has a bug."""

    def __new__(cls, method):
        def bug(self, *arguments):
            raise ZeroDivisionError("in the dialect")

        return type("Buggy", (Talk,), {"name": "buggy", method: bug})()


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        pytest.param("classify", GOOD, id="classify"),
        pytest.param("usage", Answer(body=sse(("message_start", {}))), id="usage"),
        pytest.param("error_from_event", Answer(body=sse(("error", {}))), id="error_from_event"),
        pytest.param("error_from_response", DOWN, id="error_from_response"),
        pytest.param(
            "error_from_body",
            Answer(headers={"content-type": "application/json"}, body=b"{}"),
            id="error_from_body",
        ),
    ],
)
def test_a_bug_in_a_dialect_is_a_plugin_error(play, spy, method, reply):
    """The tree has no other errors; it is not retried and leaves nothing behind."""
    played = play([reply], [spy, Retry()], dialect=Broken(method))
    assert isinstance(played.error, PluginError)
    assert isinstance(played.error.__cause__, ZeroDivisionError)
    assert (played.error.plugin, played.error.request_id) == ("buggy", played.request_id)
    assert spy.statuses("after_request") == spy.statuses("on_finish") == ["failure"]
    assert played.transport.open_exchanges == 0


def test_a_bug_in_a_transport_or_a_clock_is_a_plugin_error(play, spy, fake_clock):
    """A transport raises NetworkError and its like; a clock nothing at all."""
    played = play([Answer(failure=KeyError("x"))], [spy, Retry()])
    assert isinstance(played.error, PluginError)
    assert isinstance(played.error.__cause__, KeyError)

    def stopped(seconds):
        raise KeyError(seconds)

    fake_clock.sleep = fake_clock.asleep = stopped
    played = play([DOWN], [spy, Retry()])
    assert isinstance(played.error, PluginError)
    assert [attempt.error for attempt in played.error.history] == ["ServerError"]
    assert spy.statuses("on_finish")[-1] == "failure"


def test_an_error_that_comes_with_its_own_stamp_keeps_it(play):
    """The engine adds what is missing."""
    own = NetworkError("x", request_id="mine", phase="connect", response_id="theirs")
    played = play([Answer(failure=own)], request_id="call-1")
    assert (own.request_id, own.phase, own.response_id) == ("mine", "connect", "theirs")
    assert played.error is own


def test_the_id_of_the_response_is_on_the_error(play):
    """Also on one that has nothing to do with the server: it is what support asks for."""
    headers = {"content-type": "text/event-stream", "x-request-id": "srv-9"}
    played = play([Answer(headers=headers, body=[sse("a"), NetworkError("reset")])])
    assert played.failure.response_id == "srv-9"


def test_errors_of_a_call_survive_pickling(play):
    """With everything that was stamped on them."""
    played = play(lambda _: DOWN, [Retry(max_retries=1)], request_id="call-1")
    copy = pickle.loads(pickle.dumps(played.error))
    assert isinstance(copy, Error)
    assert vars(copy) == vars(played.error)
    assert str(copy) == str(played.error)


def test_a_fresh_target_counts_its_attempts_anew(play, make_spy):
    """The number of the attempt begins again, how many there were goes on, and so does the history."""
    other = Request.build("POST", "https://other.example.org/v1")
    numbers = []

    def elsewhere(call, error):
        numbers.append((call.attempt, call.attempts))
        return Again(request=other, fresh=True) if call.attempts == 2 else Again()

    played = play([DOWN, DOWN, DOWN, GOOD], [make_spy(should_retry=elsewhere)])
    assert numbers == [(1, 1), (2, 2), (1, 3)]
    assert [request.origin.partition("://")[2].partition(".")[0] for request in played.requests] == [
        *["api"] * 2,
        *["other"] * 2,
    ]
    assert (played.attempts, [attempt.number for attempt in played.history]) == (4, [1, 2, 3])


def test_the_history_keeps_the_newest(play, make_spy):
    """However often a call is tried, its history is bounded and its attempts are all counted."""
    played = play([DOWN] * 70 + [GOOD], [make_spy(should_retry=Again())])
    assert (played.attempts, len(played.history), played.history[-1].number) == (71, 64, 70)


def test_the_last_failure_stays_on_the_call(play, make_spy):
    """What the next attempt is about, and what a policy that waits too long would raise."""
    seen = []
    spy = make_spy(
        before_request=lambda call, request: seen.append(call.error), should_retry=lambda call, error: Again()
    )
    played = play([DOWN, GOOD], [spy])
    assert (seen[0], type(seen[1]).__name__) == (None, "ServerError")
    assert played.error is None


def test_the_current_request_is_there_before_the_first_hook(play, make_spy):
    """Keys are made of it; it follows what plugins change and what another target asks for."""
    other = Request.build("POST", "https://other.example.org/v1")
    seen = []

    def note(call, request):
        seen.append((call.base.origin, call.current.origin, call.current.headers.get("x-stamp")))
        return request.with_headers({"x-stamp": "1"})

    first = make_spy("first", before_request=note)
    second = make_spy("second", before_request=note, should_retry=Again(request=other))
    play([DOWN, GOOD], [first, second])
    api, elsewhere = "https://api.example.org:443", "https://other.example.org:443"
    assert seen == [(api, api, None), (api, api, "1"), (elsewhere, elsewhere, None), (elsewhere, elsewhere, "1")]
