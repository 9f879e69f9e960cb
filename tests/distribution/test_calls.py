"""Whole calls with the dialect and the policies of the house: the promises of the engine hold with them too."""

from hypothesis import given, settings

from unbroken import TimeoutError
from unbroken.testing import STALL, Answer
from unbroken_anthropic import Anthropic
from unbroken_retry import Retry
from unbroken_timeout import Timeout

from ..core.engine.test_engine_properties import check_promises, stories, tell


@settings(max_examples=200, deadline=None)
@given(stories())
def test_every_call_keeps_the_promises(story):
    """Those of the engine's own test, with jitter, a budget and a policy that knows commit and deadline."""
    check_promises(story, *tell(story, policies=(Timeout, Retry), dialect=Anthropic()))


def test_E56_a_deadline_of_two_seconds_is_two_seconds(play):
    """Default retries against a server that never answers: not seven."""
    played = play(lambda _: Answer(latency=STALL), [Timeout(total=2), Retry()])
    assert isinstance(played.error, TimeoutError)
    assert (played.error.timeout, played.error.seconds, played.elapsed) == ("total", 2, 2.0)


def test_E56_with_retries_in_between_too(play):
    """No wait and no attempt goes past the deadline."""
    policies = [Timeout(first_event=0.4, total=2), Retry(initial_delay=0.1, jitter=0)]
    played = play(lambda _: Answer(latency=STALL), policies)
    assert isinstance(played.error, TimeoutError)
    assert played.elapsed <= 2.0
    assert len(played.requests) > 1
