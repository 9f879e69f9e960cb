"""What is tried again, what is not, and who says so."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from unbroken import decisions
from unbroken.call import Call
from unbroken.dialect import Dialect
from unbroken.error_bodies import error_class, stamped
from unbroken.errors import (
    AuthenticationError,
    CircuitOpenError,
    ContentTypeError,
    Error,
    NetworkError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamError,
    TimeoutError,
    TruncatedStreamError,
    ValidationError,
)
from unbroken.headers import Headers
from unbroken.messages import Request, Response
from unbroken_retry import Retry, RetryConfig

MakeCall = Callable[..., Call]
LISTED = (429, 500, 502, 503, 504, 529)


def answered(call: Call, status: int, **headers: str) -> Error:
    """Let the server answer `call` with `status`; return the error as the plain dialect makes it."""
    fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    call.response = Response(status_code=status, headers=fields, received_at=call.time())
    return stamped(error_class(status)(f"HTTP {status}"), call.response)


def verdict(answer: decisions.ShouldRetry) -> str:
    """Name an answer: ``retry``, ``give up`` or ``no opinion``."""
    return {decisions.TryAgain: "retry", decisions.GiveUp: "give up", type(None): "no opinion"}[type(answer)]


@pytest.mark.parametrize("status", LISTED, ids=lambda status: f"B22-{status}")
def test_B22_listed_statuses_are_retried(make_call: MakeCall, status: int) -> None:
    """Too many requests, server failures and overload pass."""
    call = make_call()
    assert verdict(Retry().should_retry(call, answered(call, status))) == "retry"


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 408, 409, 413, 422, 425, 501, 505], ids=lambda status: f"B22-{status}"
)
def test_B22_other_statuses_are_not(make_call: MakeCall, status: int) -> None:
    """`retry_statuses` decides for HTTP errors, even for those that call themselves retryable."""
    call = make_call()
    assert Retry().should_retry(call, answered(call, status)) is None
    listed = Retry(retry_statuses={status})
    assert verdict(listed.should_retry(call, answered(call, status))) == "retry"


@pytest.mark.parametrize("status", LISTED, ids=lambda status: f"B22-{status}")
def test_B22_a_status_taken_off_the_list_is_not_retried(make_call: MakeCall, status: int) -> None:
    """The list is the whole truth."""
    call = make_call()
    retry = Retry(retry_statuses=set(LISTED) - {status})
    assert retry.should_retry(call, answered(call, status)) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NetworkError("reset"), "retry"),
        (TruncatedStreamError("cut"), "retry"),
        (TimeoutError("connect"), "retry"),
        (NetworkError("untrusted certificate", retryable=False), "no opinion"),
        (StreamError("not JSON"), "no opinion"),
        (ContentTypeError("text/html"), "no opinion"),
        (Error("?"), "no opinion"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Error) else None,
)
def test_without_a_status_retryable_decides(make_call: MakeCall, error: Error, expected: str) -> None:
    """Failures of the network and of the stream say themselves whether another attempt can help."""
    assert verdict(Retry(retry_statuses=()).should_retry(make_call(), error)) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OverloadedError("overloaded_error"), "retry"),
        (OverloadedError("overloaded_error", status_code=529), "retry"),
        (OverloadedError("overloaded_error", status_code=200), "retry"),
        (ValidationError("invalid_request_error", status_code=400), "no opinion"),
    ],
    ids=["no-status", "status-of-its-twin", "status-of-its-response", "not-retryable"],
)
def test_an_error_in_the_stream_is_no_status(make_call: MakeCall, error: Error, expected: str) -> None:
    """Under a 200 `retryable` decides, whatever number the dialect gives the error."""
    call = make_call(response=Response(status_code=200))
    assert verdict(Retry(retry_statuses={400}).should_retry(call, error)) == expected


def test_a_status_without_a_response_is_a_status(make_call: MakeCall) -> None:
    """A transport may make the error of a status itself."""
    error = ValidationError("HTTP 404", status_code=404)
    assert verdict(Retry(retry_statuses={404}).should_retry(make_call(), error)) == "retry"


def test_a_quota_is_never_retried(make_call: MakeCall) -> None:
    """FAULTS 32: a 429 that waiting cannot cure takes one request, even if the server says to try again."""
    call = make_call()
    answered(call, 429)
    for should_retry in (None, True):
        error = QuotaExceededError("insufficient_quota", status_code=429, should_retry=should_retry)
        assert Retry().should_retry(call, error) is None


def test_nothing_is_retried_after_the_commit(make_call: MakeCall) -> None:
    """The consumer has part of the stream; another policy may know how to continue it."""
    call = make_call(committed_at=3.0)
    assert Retry().should_retry(call, TruncatedStreamError("cut")) is None


@pytest.mark.parametrize(
    ("status", "header", "expected"),
    [
        pytest.param(529, "false", "give up", id="B23-listed-false"),
        pytest.param(529, "true", "retry", id="B23-listed-true"),
        pytest.param(529, "maybe", "retry", id="B23-listed-unusable"),
        pytest.param(409, "true", "retry", id="B23-unlisted-true"),
        pytest.param(400, "TRUE", "retry", id="B23-unlisted-true-upper-case"),
        pytest.param(401, "false", "no opinion", id="B23-unlisted-false"),
    ],
)
def test_B23_the_servers_verdict_overrules_the_list(
    make_call: MakeCall, status: int, header: str, expected: str
) -> None:
    """``x-should-retry``; a no where we would not retry anyway leaves room for others."""
    call = make_call()
    assert verdict(Retry().should_retry(call, answered(call, status, x_should_retry=header))) == expected


def test_B23_the_servers_verdict_can_be_ignored(make_call: MakeCall) -> None:
    """`respect_should_retry=False` leaves the list alone to decide."""
    call, retry = make_call(), Retry(respect_should_retry=False)
    assert verdict(retry.should_retry(call, answered(call, 529, x_should_retry="false"))) == "retry"
    assert retry.should_retry(call, answered(call, 409, x_should_retry="true")) is None


@pytest.mark.parametrize(
    ("seen", "headers", "reason"),
    [
        pytest.param({"attempt": 4}, {}, "max_retries 3 reached", id="B23-retries"),
        pytest.param({"deadline": 1.0}, {}, "deadline", id="B23-deadline"),
        pytest.param({}, {"retry_after": "121"}, "max_retry_after", id="B23-max-retry-after"),
    ],
)
def test_B23_the_servers_yes_stays_within_our_limits(
    make_call: MakeCall, seen: dict[str, Any], headers: dict[str, str], reason: str
) -> None:
    """A server that says ``true`` for ever does not get retries for ever."""
    call = make_call(**seen)
    answer = Retry().should_retry(call, answered(call, 529, x_should_retry="true", **headers))
    assert isinstance(answer, decisions.GiveUp)
    assert reason in answer.reason


def test_B33_a_wait_of_a_day_fails_at_once_with_the_hint(make_call: MakeCall) -> None:
    """No replacement error: the failure itself surfaces, its `retry_after` says when to come back."""
    call = make_call()
    error = answered(call, 429, retry_after="86400")
    answer = Retry().should_retry(call, error)
    assert answer == decisions.GiveUp(reason="retry_after of 86400 s is over the max_retry_after of 120 s")
    assert error.retry_after == 86_400.0
    assert verdict(Retry(max_retry_after=100_000).should_retry(call, error)) == "retry"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("-10", 1.0, id="B30-negative"),
        pytest.param("0", 1.0, id="B30-zero"),
        pytest.param("0.5", 0.5, id="B30-decimal"),
        pytest.param("1e308", 1.0, id="B30-exponent"),
        pytest.param("inf", 1.0, id="B30-inf"),
        pytest.param("nan", 1.0, id="B30-nan"),
        pytest.param("", 1.0, id="B30-empty"),
        pytest.param("abc", 1.0, id="B30-word"),
        pytest.param("1_0", 1.0, id="B30-underscore"),
        pytest.param("٣", 1.0, id="B30-arabic-digit"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", 1.0, id="B30-past-date"),
        pytest.param("5, 10", 10.0, id="B30-two-headers"),
        pytest.param("120", 120.0, id="B30-at-the-cap"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", None, id="B30-year-9999"),
        pytest.param("9" * 400, None, id="B30-400-digits"),
        pytest.param("121", None, id="B30-over-the-cap"),
    ],
)
def test_B30_from_header_to_wait(make_call: MakeCall, header: str, expected: float | None) -> None:
    """A usable hint is waited for, nonsense leaves the back-off of one second, over the cap is the end."""
    call = make_call()
    answer = Retry(jitter=0).should_retry(call, answered(call, 429, retry_after=header))
    assert (answer.delay if isinstance(answer, decisions.TryAgain) else None) == expected


def test_B31_a_date_is_waited_for_by_the_servers_clock(make_call: MakeCall) -> None:
    """Ten seconds between its two dates are ten seconds, an hour ahead or not."""
    call = make_call()
    dates = {"date": "Sun, 06 Nov 2033 08:49:37 GMT", "retry_after": "Sun, 06 Nov 2033 08:49:47 GMT"}
    answer = Retry(jitter=0).should_retry(call, answered(call, 503, **dates))
    assert answer == decisions.TryAgain(10.0, reason="retry 1 of 3, as asked")


@pytest.mark.parametrize("most", [0, 1, 3, 7])
def test_E54_failing_for_ever_stops_at_max_retries(make_call: MakeCall, most: int) -> None:
    """`most` retries make `most` + 1 attempts, and the reason for the history says what stopped them."""
    retry, call = Retry(max_retries=most), make_call(attempt=0)
    answers: list[decisions.ShouldRetry] = []
    while not answers or isinstance(answers[-1], decisions.TryAgain):
        call.attempt += 1
        answers.append(retry.should_retry(call, ServerError("HTTP 500", status_code=500)))
    assert answers[-1] == decisions.GiveUp(reason=f"max_retries {most} reached")
    assert call.attempt == most + 1


def test_E54_no_retry_is_none(make_call: MakeCall) -> None:
    """The preset that turns retrying off."""
    answer = Retry(RetryConfig.NONE).should_retry(make_call(), NetworkError("reset"))
    assert answer == decisions.GiveUp(reason="max_retries 0 reached")


@pytest.mark.parametrize(
    ("remaining", "hint", "expected"),
    [
        pytest.param(1.5, None, "retry", id="E54-back-off-fits"),
        pytest.param(1.0, None, "give up", id="E54-back-off-ends-at-the-deadline"),
        pytest.param(0.5, None, "give up", id="E54-back-off-passes-the-deadline"),
        pytest.param(-3.0, None, "give up", id="E54-deadline-has-passed"),
        pytest.param(30.5, 30.0, "retry", id="E54-hint-fits"),
        pytest.param(30.0, 30.0, "give up", id="E54-hint-ends-at-the-deadline"),
        pytest.param(0.2, 30.0, "give up", id="E54-hint-passes-the-deadline"),
    ],
)
def test_E54_a_wait_into_the_deadline_is_not_begun(
    make_call: MakeCall, remaining: float, hint: float | None, expected: str
) -> None:
    """It fails at once with the last error: no sleep into the deadline, no try earlier than asked."""
    call = make_call(deadline=remaining)
    answer = Retry(jitter=0).should_retry(call, RateLimitError("429", retry_after=hint))
    assert verdict(answer) == expected
    assert isinstance(answer, decisions.TryAgain) or (answer is not None and "deadline" in str(answer))


def test_E56_a_deadline_of_two_seconds_is_not_outlived(make_call: MakeCall) -> None:
    """Retries would take 1 + 2 + 4 seconds: the wait that would pass the deadline is refused."""
    retry, call = Retry(jitter=0, initial_delay=1.0), make_call(deadline=2.0)
    first = retry.should_retry(call, TimeoutError("no answer"))
    assert isinstance(first, decisions.TryAgain)
    call.attempt, call.clock.now = 2, first.delay  # type: ignore[attr-defined]
    second = retry.should_retry(call, TimeoutError("no answer"))
    assert second == decisions.GiveUp(reason="deadline in 1 s, before the wait of 2 s is over")


def test_a_refusal_of_our_own_is_not_retried_unless_asked(make_call: MakeCall) -> None:
    """An open circuit fails fast."""
    assert Retry().should_retry(make_call(), CircuitOpenError("open", retry_after=5.0)) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(CircuitOpenError("open", retry_after=5.0), 5.0, id="known-recovery"),
        pytest.param(CircuitOpenError("probes in use"), 0.5, id="unknown-recovery"),
        pytest.param(RateLimitError("full", is_local=True, retry_after=7.0), 7.0, id="limiter"),
        pytest.param(CircuitOpenError("open", retry_after=121.0), None, id="over-max-retry-after"),
        pytest.param(CircuitOpenError("forced open", retryable=False), None, id="not-retryable"),
    ],
)
def test_a_refusal_of_our_own_is_waited_for_exactly(make_call: MakeCall, error: Error, expected: float | None) -> None:
    """With `retry_local` the wait is what our own policy says, which knows: no jitter."""
    answer = Retry(retry_local=True, jitter_kind="proportional").should_retry(make_call(), error)
    assert (answer.delay if isinstance(answer, decisions.TryAgain) else None) == expected


def test_authentication_is_left_to_others(make_call: MakeCall) -> None:
    """No opinion, so that a policy behind may answer with a fresh token."""
    call = make_call(attempt=9)
    assert Retry().should_retry(call, AuthenticationError("401", status_code=401)) is None


def test_the_plugin_has_its_name_and_configuration() -> None:
    """What the registry needs to know."""
    assert (Retry.name, Retry.Config) == ("retry", RetryConfig)


@pytest.mark.parametrize(
    ("phase", "kind"),
    [("before", "retry"), ("connect", "retry"), ("headers", "give up"), ("first_event", "give up")],
)
def test_what_must_not_be_sent_twice_is_tried_again_only_if_it_was_not_sent(
    make_call: MakeCall, phase: Any, kind: str
) -> None:
    """A request that does something says so; once the server may have it, it stays with the failure."""
    call = make_call(phase=phase)
    call.current = evolve(call.request, repeatable=False)
    answer = Retry().should_retry(call, NetworkError("reset"))
    assert verdict(answer) == kind
    call.current = call.request
    assert verdict(Retry().should_retry(call, NetworkError("reset"))) == "retry"


class Resuming(Dialect):
    """Its streams go on by a GET."""

    def resume_request(self, call: Any) -> Request | None:
        return evolve(call.request, method="GET", repeatable=True) if call.last_event_id else None


def lost(make_call: MakeCall, **seen: Any) -> Call:
    call = make_call(**{"phase": "streaming", "last_event_id": "7", "committed_at": 0.0, **seen})
    call.dialect = Resuming()
    return call


@pytest.mark.parametrize(
    "error",
    [NetworkError("reset"), TruncatedStreamError("cut"), TimeoutError("late", timeout="idle", seconds=60)],
    ids=lambda error: type(error).__name__,
)
def test_a_lost_stream_goes_on_if_its_dialect_knows_how(make_call: MakeCall, error: Error) -> None:
    """Behind the commit, and before it where the request must not be sent twice."""
    once = lost(make_call, committed_at=None)
    once.request = once.current = evolve(once.request, repeatable=False)
    for call in (lost(make_call), once):
        answer = Retry(jitter=0).should_retry(call, error)
        assert isinstance(answer, decisions.TryAgain)
        assert (answer.resume, answer.request) == (True, call.dialect.resume_request(call))
        assert answer.reason.endswith("behind the last event")


def test_a_request_that_may_be_sent_twice_is(make_call: MakeCall) -> None:
    """Until the commit it is simpler, and brings the whole answer."""
    answer = Retry().should_retry(lost(make_call, committed_at=None), NetworkError("reset"))
    assert isinstance(answer, decisions.TryAgain)
    assert (answer.resume, answer.request) == (False, None)


def test_the_server_says_how_long_to_wait_before_a_stream_goes_on(make_call: MakeCall) -> None:
    """Within the same limits as any hint."""
    call = lost(make_call, reconnection_time=7.0)
    assert Retry(jitter=0).should_retry(call, NetworkError("reset")).delay == 7.0  # type: ignore[union-attr]
    assert verdict(Retry(max_retry_after=5).should_retry(call, NetworkError("reset"))) == "give up"
    busy = answered(call, 503, retry_after="9")
    assert Retry(jitter=0).should_retry(call, busy).delay == 9.0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "error",
    [
        ServerError("told in the stream"),
        NetworkError("told", kind="network_error"),
        NetworkError("the client is closed", is_local=True, retryable=False),
        StreamError("garbled", retryable=True),
    ],
    ids=str,
)
def test_only_a_stream_that_was_lost_goes_on(make_call: MakeCall, error: Error) -> None:
    """What the server reports is its answer."""
    assert Retry().should_retry(lost(make_call), error) is None


def test_a_stream_goes_on_as_often_as_a_call_is_retried(make_call: MakeCall) -> None:
    """And no further than an answer about it."""
    assert verdict(Retry().should_retry(lost(make_call, attempt=4), NetworkError("reset"))) == "give up"
    call = lost(make_call)
    assert Retry().should_retry(call, answered(call, 404)) is None
    assert Retry().should_retry(lost(make_call, last_event_id=""), NetworkError("reset")) is None


def test_the_request_for_the_rest_is_not_taken_for_the_one_that_must_not_be_sent_twice(make_call: MakeCall) -> None:
    """An error that the server reports in the rest is that of the call."""
    call = lost(make_call, committed_at=None)
    call.request = evolve(call.request, repeatable=False)
    call.current = evolve(call.request, method="GET", repeatable=True)
    assert verdict(Retry().should_retry(call, ServerError("told"))) == "give up"


def test_silence_before_the_first_event_is_retried_once_per_target(make_call: MakeCall) -> None:
    """Each such timeout takes minutes; other failures between two of them change nothing."""
    call, retry = make_call(), Retry()
    silent = TimeoutError("x", timeout="first_event", seconds=600)
    asked = [(1, 1, silent), (2, 2, NetworkError("x")), (3, 3, silent), (1, 4, silent), (2, 5, silent)]
    said = []
    for call.attempt, call.attempts, error in asked:  # the fourth is the first attempt at another target
        said.append(verdict(retry.should_retry(call, error)))
    assert said == ["retry", "retry", "give up", "retry", "give up"]
    assert "first_event, twice" in retry.should_retry(call, silent).reason  # type: ignore[union-attr]
    idle = TimeoutError("x", timeout="idle", seconds=60)
    assert [verdict(retry.should_retry(call, idle)) for _ in range(3)] == ["retry"] * 3


@pytest.mark.parametrize(
    ("http", "error", "expected"),
    [
        pytest.param(500, ValidationError("x", status_code=400), "no opinion", id="number-inside"),
        pytest.param(500, RateLimitError("x", status_code=429), "retry", id="a-limit-inside"),
        pytest.param(500, ValidationError("x", status_code=500), "no opinion", id="name-inside"),
        pytest.param(400, RateLimitError("x", status_code=400), "retry", id="a-limit-by-name"),
        pytest.param(200, RateLimitError("x", status_code=429), "retry", id="event"),
        pytest.param(501, ServerError("x", status_code=501), "no opinion", id="status-that-is-not-listed"),
    ],
)
def test_what_decided_the_class_decides_whether_it_is_retried(
    make_call: MakeCall, http: int, error: Error, expected: str
) -> None:
    """The statuses are those of HTTP; where the body says more, the error itself tells."""
    call = make_call()
    call.response = Response(status_code=http)
    assert verdict(Retry().should_retry(call, error)) == expected
