"""Where a call goes when a target has failed, and when it goes nowhere else."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from unbroken import (
    AuthenticationError,
    CircuitOpenError,
    Error,
    EventTooLargeError,
    GiveUp,
    NetworkError,
    Plugin,
    RateLimitError,
    Reject,
    Replay,
    ServerError,
    TimeoutError,
    TryAgain,
    ValidationError,
)
from unbroken.messages import Event, Timeouts
from unbroken.registry import PluginOrderWarning
from unbroken.testing import STALL, Answer, Played, sse
from unbroken_fallback import Fallback, Target
from unbroken_retry import Retry

from .servers import WHOLE, hosts, keys, reasons, status, url, with_key, world

Play = Callable[..., Played]
EU = Target(url=url("eu"), name="eu")
US = Target(url=url("us"), name="us")
SHORT = Timeouts(connect=1, first_event=2, idle=3)

FAILURES = {
    "refused": Answer(failure=NetworkError("refused")),
    "untrusted": Answer(failure=NetworkError("untrusted certificate", retryable=False)),
    "connect-timeout": Answer(connect=STALL),
    "slow-head": Answer(latency=STALL),
    "silence": Answer(body=(STALL,)),
    "401": status(401),
    "403": status(403),
    "429": status(429),
    "429-hint": status(429, retry_after="600"),
    "500": status(500),
    "501": status(501),
    "529": status(529),
    "cut": Answer(body=(b"data: half", NetworkError("reset"))),
    "redirect": status(307, location="https://elsewhere.example.net"),
    "page": Answer(headers={"content-type": "text/html"}, body=b"<html>"),
}


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
def test_a_failure_of_the_target_moves_on(play: Play, answer: Answer) -> None:
    """Every way to fail before the commit, without any other policy: the next target answers."""
    played = play(world(api=answer, eu=WHOLE), [Fallback(targets=[EU])], timeouts=SHORT)
    assert played.data == ["whole"]
    assert (hosts(played), reasons(played)) == (["api", "eu"], ["to eu"])
    assert played.outcome is not None
    assert (played.outcome.status, played.attempts) == ("success", 2)


@pytest.mark.parametrize("code", [400, 404, 408, 409, 413, 422])
def test_R17_a_wrong_request_never_moves_on(play: Play, code: int) -> None:
    """It would be wrong everywhere: one attempt, and the error of the server."""
    played = play(world(api=status(code)), [Fallback(targets=[EU, US]), Retry()])
    assert (played.attempts, type(played.error)) == (1, ValidationError)


def test_a_wrong_request_at_the_second_target_ends_the_call(play: Play) -> None:
    """There too."""
    played = play(world(api=status(500), eu=status(400)), [Fallback(targets=[EU, US])])
    assert (hosts(played), type(played.error)) == (["api", "eu"], ValidationError)


def test_targets_are_tried_in_order_each_with_its_own_retries(play: Play) -> None:
    """The retries begin again with each target, and their delays with the first one."""
    retry = Retry(max_retries=2, jitter=0, initial_delay=1)
    played = play(world(api=status(503), eu=status(503), us=WHOLE), [Fallback(targets=[EU, US]), retry])
    assert hosts(played) == ["api"] * 3 + ["eu"] * 3 + ["us"]
    assert [attempt.delay for attempt in played.history] == [1, 2, 0, 1, 2, 0]
    assert reasons(played)[2] == "to eu: max_retries 2 reached"
    assert [attempt.decided_by for attempt in played.history][2:4] == ["fallback", "retry"]


def test_R17_attempts_are_bounded_over_all_targets(play: Play) -> None:
    """Each key of each target once per call, with its retries, and no target twice."""
    targets = [Target(url=url("eu"), keys=with_key("a", "b", "c")), US, Target(body={"model": "small"})]
    played = play(lambda _: status(429), [Fallback(targets=targets), Retry(max_retries=2, budget=None)])
    assert played.attempts == 3 + 3 * 1 + 2 + 3 + 3  # a 429 does not wait where there is another key
    assert type(played.error) is RateLimitError
    assert keys(played)[3:8] == ["a", "b", "c", "c", "c"]


def test_the_last_error_is_raised_when_all_have_failed(play: Play) -> None:
    """With the history of all."""
    played = play(world(api=status(500), eu=status(401)), [Fallback(targets=[EU])])
    assert type(played.error) is AuthenticationError
    assert [(attempt.error, attempt.reason) for attempt in played.failure.history] == [
        ("ServerError", "to eu"),
        ("AuthenticationError", ""),
    ]


def test_after_the_commit_nothing_moves(play: Play) -> None:
    """The consumer has part of the first answer, so no other can follow it."""
    cut = Answer(body=(sse("first"), NetworkError("reset")))
    fallback = Fallback(targets=[EU])
    played = play(world(api=cut), [fallback, Retry()])
    assert (played.data, played.attempts) == (["first"], 1)
    assert played.failure.delivered
    assert fallback.snapshot() == {}


def test_a_held_answer_moves_on_after_content(play: Play) -> None:
    """With ``commit="complete"`` the consumer has nothing until the end."""
    cut = Answer(body=(sse("first"), NetworkError("reset")))
    played = play(world(api=cut, eu=WHOLE), [Fallback(targets=[EU])], client={"commit": "complete"})
    assert played.data == ["whole"]


def test_another_key_is_used_at_once_after_a_429(play: Play) -> None:
    """Retry would wait for half a minute, as the server asks of this key."""
    target = Target(url=url("eu"), keys=with_key("a", "b"), name="eu")
    busy = status(429, retry_after="30")
    played = play(world(api=status(501), eu=[busy, WHOLE]), [Fallback(targets=[target]), Retry()])
    assert (played.elapsed, keys(played)) == (0.0, [None, "a", "b"])
    assert reasons(played) == ["to eu, key 1", "to eu, key 2"]


def test_without_another_key_a_429_waits_as_retry_says(play: Play) -> None:
    """Another target is for when retry has given up."""
    busy = status(429, retry_after="30")
    played = play(world(api=[busy, WHOLE], eu=WHOLE), [Fallback(targets=[EU]), Retry(jitter=0)])
    assert (played.elapsed, hosts(played)) == (30.0, ["api", "api"])


def test_a_hint_beyond_the_limit_of_retry_moves_on(play: Play) -> None:
    """And is the time for which the key cools."""
    fallback = Fallback(targets=[EU])
    played = play(world(api=status(429, retry_after="600"), eu=WHOLE), [fallback, Retry()])
    assert (played.elapsed, hosts(played)) == (0.0, ["api", "eu"])
    assert fallback.snapshot() == {"the first target of https://api.example.org:443": 600.0}


def test_a_server_failure_leaves_out_the_other_keys(play: Play) -> None:
    """They are for the same server."""
    targets = [Target(url=url("eu"), keys=with_key("a", "b")), US]
    played = play(world(api=status(500), eu=status(500), us=WHOLE), [Fallback(targets=targets)])
    assert hosts(played) == ["api", "eu", "us"]


def test_a_timeout_of_minutes_is_not_repeated_where_there_is_another_target(play: Play) -> None:
    """Retry would wait for a second one."""
    played = play(world(api=Answer(body=(STALL,)), eu=WHOLE), [Fallback(targets=[EU]), Retry()])
    assert (played.elapsed, hosts(played)) == (600.0, ["api", "eu"])


def test_the_last_target_repeats_it_once_as_without_fallback(play: Play) -> None:
    """Nothing is behind it."""
    silence = Answer(body=(STALL,))
    played = play(world(api=silence, eu=silence), [Fallback(targets=[EU]), Retry()], timeouts=SHORT)
    assert hosts(played) == ["api", "eu", "eu"]
    assert played.failure.history[-1].reason == "no content within first_event, twice"


class Deciding(Plugin):
    """A policy that decides about every failure."""

    name = "deciding"

    def __init__(self, *answers: Any) -> None:
        super().__init__()
        self.answers = list(answers)

    def should_retry(self, call: Any, error: Error) -> Any:
        return self.answers.pop(0) if self.answers else None


def test_what_another_policy_does_instead_stays(play: Play) -> None:
    """A retry and a replay are no reason to go elsewhere; giving up with another error is."""
    again, replay = TryAgain(1.0), Replay((Event.make("message", "stored"),))
    played = play(world(api=status(500)), [Fallback(targets=[EU]), Deciding(again, replay)])
    assert (hosts(played), played.data) == (["api", "api"], ["stored"])
    gave_up = GiveUp(ServerError("so be it"))
    played = play(world(api=status(500), eu=WHOLE), [Fallback(targets=[EU]), Deciding(gave_up)])
    assert played.data == ["whole"]


def test_a_policy_that_renews_a_refused_key_is_waited_for(play: Play) -> None:
    """It may have a new one; only a 429 is about this key for certain."""
    fallback = Fallback(targets=[Target(keys=with_key("a", "b"))])
    played = play(world(api=[status(500), status(401), WHOLE]), [fallback, Deciding(None, TryAgain(1.0))])
    assert (keys(played), played.data) == ([None, "a", "a"], ["whole"])
    assert "key 1" not in str(fallback.snapshot())


def test_behind_retry_it_decides_the_same_and_is_warned_about(play: Play) -> None:
    """A wrapper stands around all policies that decide, but the list would not read like that."""
    with pytest.warns(PluginOrderWarning, match="each has retries of its own"):
        played = play(world(api=status(503), eu=WHOLE), [Retry(max_retries=1), Fallback(targets=[EU])])
    assert hosts(played) == ["api", "api", "eu"]


class Refusing(Plugin):
    """Rejects attempts to some origin."""

    name = "refusing"

    def __init__(self, error: Callable[[], Error], host: str = "api") -> None:
        super().__init__()
        self.error, self.host = error, host

    def before_request(self, call: Any, request: Any) -> Any:
        return Reject(self.error()) if f"//{self.host}." in request.url else None


@pytest.mark.parametrize("error", [CircuitOpenError, RateLimitError])
def test_a_refusal_of_a_local_policy_moves_on_and_cools_nothing(play: Play, error: type[Error]) -> None:
    """An open circuit, a full limiter: the other target has its own, and the policy knows for how long."""
    fallback = Fallback(targets=[EU])
    played = play(world(eu=WHOLE), [fallback, Refusing(lambda: error("no", retry_after=5.0))])
    assert (played.data, hosts(played), played.attempts) == (["whole"], ["eu"], 2)
    assert fallback.snapshot() == {}


@pytest.mark.parametrize(
    "error",
    [lambda: AuthenticationError("no token"), lambda: NetworkError("closed"), lambda: TimeoutError("full")],
    ids=["auth", "network", "timeout"],
)
def test_another_failure_of_this_client_does_not_move_on(play: Play, error: Callable[[], Error]) -> None:
    """No target is to blame."""
    played = play(world(), [Fallback(targets=[EU]), Refusing(error)])
    assert (played.attempts, played.failure.is_local) == (1, True)


def test_an_event_over_the_limit_does_not_move_on(play: Play) -> None:
    """The limit is this client's, and the answer would be as long elsewhere."""
    answer = Answer(body=sse("x" * 500))
    played = play(world(api=answer), [Fallback(targets=[EU])], client={"max_event_size": 100})
    assert (played.attempts, type(played.error)) == (1, EventTooLargeError)


def test_the_total_timeout_holds_for_all_targets(play: Play) -> None:
    """What is left of it, and no more."""
    times = Timeouts(first_event=5, total=8)
    silence = Answer(body=(STALL,))
    played = play(world(api=silence, eu=silence), [Fallback(targets=[EU, US])], timeouts=times)
    assert (hosts(played), played.elapsed) == (["api", "eu"], 8.0)
    assert isinstance(played.error, TimeoutError)
    assert played.error.timeout == "total"


def test_a_request_that_may_not_be_repeated_moves_only_if_it_was_not_sent(play: Play) -> None:
    """A tool may have been called."""

    class Once(Plugin):
        name = "once"

        def before_request(self, call: Any, request: Any) -> Any:
            return attrs.evolve(request, repeatable=False)

    played = play(world(api=status(500)), [Once(), Fallback(targets=[EU])])
    assert (played.attempts, type(played.error)) == (1, ServerError)
    unsent = Answer(connect=STALL)
    played = play(world(api=unsent, eu=WHOLE), [Once(), Fallback(targets=[EU])], timeouts=SHORT)
    assert hosts(played) == ["api", "eu"]


def test_the_body_and_the_headers_of_a_target_replace_those_of_the_request(play: Play) -> None:
    """Another model at the same endpoint, with the same credentials."""
    target = Target(body={"model": "small"}, headers={"anthropic-version": "2"})
    call = {"json": {"model": "large", "stream": True}, "headers": {"anthropic-version": "1", "x-api-key": "mine"}}
    played = play(world(api=[status(529), WHOLE]), [Fallback(targets=[target])], **call)
    first, second = played.requests
    assert (first.json(), second.json()) == (
        {"model": "large", "stream": True},
        {"model": "small", "stream": True},
    )
    assert second.headers["anthropic-version"] == "2"
    assert (second.url, keys(played), reasons(played)) == (first.url, ["mine", "mine"], ["to target 1"])


def test_a_target_that_cannot_change_the_body_is_passed_over(play: Play) -> None:
    """The request is no JSON object, so there is no model to name."""
    targets = [Target(body={"model": "small"}), EU]
    played = play(
        world(api=status(500), eu=WHOLE), [Fallback(targets=targets)], json=None, content=b"[1]", method="POST"
    )
    assert hosts(played) == ["api", "eu"]
