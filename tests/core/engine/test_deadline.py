"""A wait that would pass the deadline is not begun: the call fails at once, with the last error."""

import attrs
import pytest

from unbroken import GiveUp, RateLimitError, ServerError, TimeoutError, Wait
from unbroken import TryAgain as Again
from unbroken.messages import Timeouts
from unbroken.testing import STALL, Answer, sse

from ..kit import Retry, Timeout


def total(seconds: float) -> Timeouts:
    return Timeouts(total=seconds)


def test_a_server_that_asks_for_more_than_is_left_is_not_waited_for(play):
    """The error surfaces at once and keeps `retry_after`, for whoever has more time."""
    reply = Answer(status=429, headers={"retry-after": "30"})
    played = play([reply], [Retry()], timeouts=total(20))
    assert isinstance(played.error, RateLimitError)
    assert (played.error.retry_after, played.elapsed) == (30.0, 0.0)
    assert len(played.requests) == 1


@pytest.mark.parametrize(("delay", "passes"), [(1.75, False), (2.0, True), (9.0, True)])
def test_the_engine_refuses_a_retry_that_passes_the_deadline(play, make_spy, delay, passes):
    """Whatever policy it comes from."""
    spy = make_spy(should_retry=lambda call, error: Again(delay) if call.attempt == 1 else None)
    played = play([Answer(status=500), Answer(body=sse("a"))], [spy], timeouts=total(2))
    assert (played.error is not None) is passes
    assert played.elapsed == (0.0 if passes else delay)
    if passes:
        assert isinstance(played.error, ServerError)
        (attempt,) = played.failure.history
        reason = f"a wait of {delay:g} s would pass the deadline"
        assert (attempt.decided_by, attempt.delay, attempt.reason) == ("engine", None, reason)
        assert spy.payloads("on_decision") == [("engine", GiveUp(reason=reason))]


def test_after_the_deadline_not_even_a_retry_without_delay_is_begun(play, make_spy, fake_clock):
    """A wait of nothing passes a deadline that has passed."""
    spy = make_spy(should_retry=Again(0.0), on_response=lambda call, response: fake_clock.advance(5.0))
    played = play([Answer(status=500)], [spy], timeouts=total(2))
    assert isinstance(played.error, ServerError)
    assert len(played.requests) == 1


def test_a_limiters_wait_over_the_deadline_fails_at_once(play, make_spy):
    """Nothing has failed before, so it is the total clock; the error is local and says when to come back."""
    spy = make_spy(before_request=Wait(5.0, reason="full"))
    played = play([], [spy, Retry()], timeouts=total(2))
    error = played.error
    assert isinstance(error, TimeoutError)
    assert (error.timeout, error.seconds, error.is_local, error.retry_after) == ("total", 2, True, 5.0)
    assert error.message == "a wait of 5 s would pass the deadline"
    assert (played.elapsed, played.requests) == (0.0, [])
    assert spy.statuses("after_request") == spy.statuses("on_finish") == ["rejected"]
    assert [(attempt.decided_by, attempt.reason) for attempt in error.history] == [("engine", error.message)]


def test_a_wait_that_is_refused_took_no_effect(play, make_spy):
    """Observers hear of the engine's decision, not of the wait."""
    spy = make_spy(before_request=Wait(5.0))
    play([], [spy], timeouts=total(2))
    reason = "a wait of 5 s would pass the deadline"
    assert spy.payloads("on_decision") == [("engine", GiveUp(reason=reason))]


def test_a_limiters_wait_over_the_deadline_surfaces_the_last_error(play, make_spy):
    """What failed before is what the consumer needs to know; no policy is asked again."""
    spy = make_spy(before_request=lambda call, request: Wait(5.0) if call.attempt == 2 else None)
    reply = Answer(status=429, headers={"retry-after": "1"})
    played = play([reply], [spy, Retry(initial_delay=1.0)], timeouts=total(4))
    assert isinstance(played.error, RateLimitError)
    assert (played.error.retry_after, played.elapsed) == (1.0, 1.0)
    assert spy.statuses("after_request") == ["failure", "rejected"]
    assert spy.statuses("on_finish") == ["failure"]
    assert spy.hooks.count("should_retry") == 1
    assert [attempt.decided_by for attempt in played.failure.history] == ["retry", "engine"]
    assert "deadline" in played.failure.history[1].reason


def test_a_limiters_wait_within_the_deadline_is_waited_for(play, make_spy):
    """Several waits add up, in the order of the plugins; each is told of."""
    one, two = (make_spy(name, before_request=Wait(seconds)) for name, seconds in (("one", 1.0), ("two", 0.5)))
    played = play([Answer(body=sse("a"))], [one, two], timeouts=total(2))
    assert played.error is None
    assert played.elapsed == 1.5
    assert [plugin for plugin, _ in one.payloads("on_decision")] == ["one", "two"]


def test_waits_that_together_pass_the_deadline_are_refused_one_by_one(play, make_spy):
    """The second is compared with what the first has left."""
    one, two = (make_spy(name, before_request=Wait(1.5)) for name in ("one", "two"))
    played = play([], [one, two], timeouts=total(2))
    assert (played.failure.timeout, played.elapsed) == ("total", 1.5)


def test_E56_a_deadline_of_two_seconds_is_two_seconds(play):
    """Default retries against a server that never answers: not seven."""
    played = play(lambda _: Answer(latency=STALL), [Timeout(total=2), Retry()])
    assert isinstance(played.error, TimeoutError)
    assert (played.error.timeout, played.error.seconds, played.elapsed) == ("total", 2, 2.0)


def test_E56_with_retries_in_between_too(play):
    """The last attempt is cut at the deadline."""
    played = play(
        lambda _: Answer(latency=STALL),
        [Timeout(first_event=0.4, total=2), Retry(initial_delay=0.1)],
    )
    assert isinstance(played.error, TimeoutError)
    assert played.elapsed <= 2.0
    assert len(played.requests) > 1


def test_a_plugin_may_shorten_the_deadline_with_the_request(play, make_spy):
    """The clocks are those of the request as it is sent."""
    spy = make_spy(before_request=lambda call, request: attrs.evolve(request, timeouts=total(3)))
    played = play([Answer(body=[STALL])], [spy], timeouts=total(9))
    assert (played.failure.timeout, played.failure.seconds, played.elapsed) == ("total", 3, 3.0)
