"""With the real policies: the load is counted where it is, and what is open or full there is passed by."""

from collections import Counter
from collections.abc import Callable

import pytest

from unbroken import CircuitOpenError, Client, Plugin
from unbroken.registry import PluginOrderWarning
from unbroken.testing import Answer, FakeClock, Played, sse
from unbroken_chat.credentials import Credentials, RefreshAuth
from unbroken_circuit_breaker import CircuitBreaker, CircuitState
from unbroken_fallback import Fallback, Target
from unbroken_metrics import Metrics
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry
from unbroken_timeout import Timeout

from .servers import WHOLE, hosts, keys, status, url, with_key, world

Play = Callable[..., Played]
EU = Target(url=url("eu"), name="eu")
API_ORIGIN, EU_ORIGIN = "https://api.example.org:443", "https://eu.example.net:443"


def test_the_circuit_of_each_host_counts_what_that_host_did(play: Play) -> None:
    """Two failures here, one success there."""
    breaker = CircuitBreaker(failure_threshold=2)
    fallback = Fallback(targets=[EU])
    play(world(api=status(500), eu=WHOLE), [Timeout(), fallback, Retry(max_retries=1), breaker])
    assert breaker.state_of(API_ORIGIN) is CircuitState.OPEN
    assert breaker.state_of(EU_ORIGIN) is CircuitState.CLOSED
    assert set(breaker.snapshot()) == {API_ORIGIN, EU_ORIGIN}


def test_an_open_circuit_is_passed_by(play: Play) -> None:
    """At no cost: nothing is sent there, and nothing waits."""
    breaker = CircuitBreaker()
    breaker.force_open(API_ORIGIN)
    played = play(world(eu=WHOLE), [Fallback(targets=[EU]), Retry(), breaker])
    assert (hosts(played), played.elapsed) == (["eu"], 0.0)
    assert [(attempt.error, attempt.reason) for attempt in played.history] == [("CircuitOpenError", "to eu")]


def test_if_all_circuits_are_open_the_call_is_refused(play: Play) -> None:
    """By the last one."""
    breaker = CircuitBreaker()
    breaker.force_open()
    played = play(world(), [Fallback(targets=[EU]), Retry(), breaker])
    assert isinstance(played.error, CircuitOpenError)
    assert (played.error.key, played.attempts) == (EU_ORIGIN, 2)


def test_the_limit_of_each_host_counts_what_is_sent_there(play: Play) -> None:
    """A call that begins at the second target pays there alone."""
    limit = RateLimit(requests=5, per=60)
    fallback = Fallback(targets=[EU])
    plugins = [Timeout(), fallback, Retry(), limit]
    play(world(api=status(501), eu=WHOLE), plugins)
    play(world(eu=WHOLE), plugins)
    left = {str(key): state.levels["requests"] for key, state in limit.snapshot().items()}
    assert left == {API_ORIGIN: pytest.approx(4), EU_ORIGIN: pytest.approx(3)}


def test_a_full_limiter_is_passed_by(play: Play) -> None:
    """The queue here is too long, there it is empty."""
    limit = RateLimit(requests=1, per=60, max_wait=0)
    plugins = [Timeout(), Fallback(targets=[EU]), Retry(), limit]
    assert hosts(play(world(api=WHOLE), plugins)) == ["api"]
    assert hosts(play(world(eu=WHOLE), plugins)) == ["eu"]


def test_keys_of_one_host_have_gates_of_their_own_with_place(play: Play) -> None:
    """Otherwise the limiter holds the second key back for as long as the server asked of the first."""
    target = Target(keys=with_key("a", "b"))
    busy = status(429, retry_after="30")

    def tried(limit_by_place: bool) -> Played:
        fallback = Fallback(targets=[target])
        limit = RateLimit(key=fallback.place) if limit_by_place else RateLimit()
        return play(world(api=[status(501), busy, WHOLE]), [Timeout(), fallback, Retry(), limit])

    assert (keys(tried(True)), tried(True).elapsed) == ([None, "a", "b"], 0.0)
    assert tried(False).elapsed >= 30.0


def test_metrics_name_the_host_of_each_attempt(play: Play, fake_clock: FakeClock) -> None:
    """The failure here, the success there."""
    metrics = Metrics()
    play(world(api=status(500), eu=WHOLE), [metrics, Fallback(targets=[EU])])
    attempts = {each.labels.origin: each.totals.attempts for each in metrics.snapshot().series}
    assert {origin: +Counter(counts) for origin, counts in attempts.items()} == {
        API_ORIGIN: {"failure": 1},
        EU_ORIGIN: {"success": 1},
    }


def test_timeouts_hold_for_each_target(play: Play) -> None:
    """Those of the timeout policy are set anew for the other request."""
    slow = Answer(body=(4.0, sse("late")))
    played = play(world(api=slow, eu=slow), [Timeout(first_event=3), Fallback(targets=[EU])])
    assert (hosts(played), played.elapsed) == (["api", "eu"], 6.0)


def test_the_key_of_the_chat_facade_goes_to_its_own_endpoint_only(play: Play) -> None:
    """It is added in the transport, behind all policies."""
    plugins = [Fallback(targets=[EU]), Retry(max_retries=0), Credentials("x-api-key", "mine")]
    played = play(world(api=status(500), eu=WHOLE), plugins)
    assert keys(played) == ["mine", None]


def test_a_token_that_was_refreshed_goes_to_its_own_endpoint_only(play: Play) -> None:
    """And the 401 of another target is not its business."""
    asked: list[int] = []

    def refresh() -> str:
        asked.append(1)
        return "mine"

    target = Target(url=url("eu"), keys=({"authorization": "Bearer theirs"},))
    plugins = [Fallback(targets=[target]), RefreshAuth(refresh)]
    played = play(world(api=status(401), eu=status(401)), plugins)
    assert keys(played, "authorization") == [None, "Bearer mine", "Bearer theirs"]
    assert len(asked) == 1


@pytest.mark.parametrize("policy", [CircuitBreaker, RateLimit])
def test_a_policy_with_a_key_in_front_is_warned_about(policy: type[Plugin]) -> None:
    """It would count for the first target what is sent to another."""
    with pytest.warns(PluginOrderWarning, match="for the first one"):
        Client([policy(), Fallback(targets=[EU])]).close()
