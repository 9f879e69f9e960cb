"""Which targets a call passes over, for how long, and where it goes when all of them are cooling."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from unbroken import Plugin, Request, ServerError
from unbroken.testing import Answer, FakeClock, Played
from unbroken.testing import play as play_sync
from unbroken_fallback import Fallback, Target
from unbroken_fallback._cooldowns import MOST, Cooldowns
from unbroken_retry import Retry

from .servers import WHOLE, hosts, keys, status, url, with_key, world

Play = Callable[..., Played]
EU = Target(url=url("eu"), name="eu")
US = Target(url=url("us"), name="us")
OWN = "the first target of https://api.example.org:443"


def test_the_first_target_cools_too(play: Play, fake_clock: FakeClock) -> None:
    """The next calls go straight to the second one, and come back when the time is over."""
    fallback = Fallback(targets=[EU], cooldown=60)
    script = world(api=[status(500), WHOLE], eu=WHOLE)
    assert hosts(play(script, [fallback])) == ["api", "eu"]
    straight = play(script, [fallback])
    assert (hosts(straight), straight.attempts, straight.history) == (["eu"], 1, ())
    fake_clock.advance(59.9)
    assert hosts(play(script, [fallback])) == ["eu"]
    fake_clock.advance(0.1)
    assert hosts(play(script, [fallback])) == ["api"]
    assert fallback.snapshot() == {}


def test_a_call_that_began_elsewhere_stays_there_for_its_retries(play: Play) -> None:
    """And goes on to the next target from there, never to the one that cools."""
    fallback = Fallback(targets=[EU, US])
    play(world(api=status(501), eu=WHOLE), [fallback])
    played = play(world(eu=status(503), us=WHOLE), [fallback, Retry(max_retries=1)])
    assert hosts(played) == ["eu", "eu", "us"]


def test_a_call_stays_where_it_is_while_others_cool_that(fake_clock: FakeClock) -> None:
    """Its own retries are not over yet."""
    fallback = Fallback(targets=[EU])
    answers = iter([status(503), status(503), WHOLE])

    def answer(request: Request) -> Answer:
        if not fallback.snapshot():
            play_sync(world(api=status(501), eu=status(501)), [fallback], clock=fake_clock)
        assert OWN in fallback.snapshot()
        return next(answers)

    played = play_sync(answer, [fallback, Retry(initial_delay=1)], clock=fake_clock)
    assert (hosts(played), played.data) == (["api"] * 3, ["whole"])


def test_a_call_does_not_return_to_a_target_that_failed(play: Play) -> None:
    """Not with another key either, even if nothing cools."""
    targets = [Target(url=url("eu"), keys=with_key("a", "b")), US]
    played = play(world(api=status(500), eu=status(500), us=status(429)), [Fallback(targets=targets, cooldown=0)])
    assert hosts(played) == ["api", "eu", "us"]


def test_a_short_hint_cools_shortly(play: Play) -> None:
    """The server knows better than the setting."""
    fallback = Fallback(targets=[EU])
    play(world(api=status(429, retry_after_ms="500"), eu=WHOLE), [fallback])
    assert fallback.snapshot() == {OWN: 0.5}


def test_other_calls_pass_over_a_target_that_failed_as_the_second(play: Play) -> None:
    """Each target has a time of its own."""
    fallback = Fallback(targets=[EU, US])
    assert hosts(play(world(api=status(500), eu=status(500), us=WHOLE), [fallback])) == ["api", "eu", "us"]
    assert fallback.snapshot() == {OWN: 60.0, "eu": 60.0}
    assert hosts(play(world(us=WHOLE), [fallback])) == ["us"]


def test_if_all_are_cooling_the_first_to_recover_is_tried(play: Play, fake_clock: FakeClock) -> None:
    """Never refuse without an attempt. It is the only one: nobody loads servers that are down with all targets."""
    fallback = Fallback(targets=[EU, US])
    play(world(api=status(500), eu=status(429, retry_after="20"), us=status(500, retry_after="50")), [fallback])
    assert fallback.snapshot() == {OWN: 60.0, "eu": 20.0, "us": 50.0}
    played = play(world(eu=status(500)), [fallback])
    assert (hosts(played), type(played.error)) == (["eu"], ServerError)
    assert hosts(play(world(us=WHOLE), [fallback])) == ["us"]


def test_a_429_cools_one_key(play: Play) -> None:
    """The next call begins with the other one."""
    target = Target(url=url("eu"), keys=with_key("a", "b"), name="eu")
    fallback = Fallback(targets=[target])
    play(world(api=status(500), eu=[status(429, retry_after="30"), WHOLE]), [fallback])
    assert fallback.snapshot() == {OWN: 60.0, "eu, key 1": 30.0}
    assert keys(play(world(eu=WHOLE), [fallback])) == ["b"]


def test_a_401_disables_a_key(play: Play, fake_clock: FakeClock) -> None:
    """Until `reset`: it will not become right by itself."""
    target = Target(url=url("eu"), keys=with_key("a", "b"), name="eu")
    fallback = Fallback(targets=[target])
    script = world(api=status(500), eu=[status(401), WHOLE])
    assert keys(play(script, [fallback])) == [None, "a", "b"]
    fake_clock.advance(1e9)
    assert fallback.snapshot() == {"eu, key 1": math.inf}
    assert keys(play(script, [fallback])) == [None, "b"]
    fallback.reset()
    assert keys(play(script, [fallback])) == [None, "a"]


def test_a_403_only_cools_a_key(play: Play) -> None:
    """It may be about a model or a country."""
    fallback = Fallback(targets=[Target(url=url("eu"), keys=with_key("a"), name="eu")])
    play(world(api=status(500), eu=status(403)), [fallback])
    assert fallback.snapshot() == {OWN: 60.0, "eu": 60.0}


def test_the_credentials_of_the_caller_only_cool(play: Play, fake_clock: FakeClock) -> None:
    """The next call may have others, so the endpoint is not lost for good, nor for other callers."""
    fallback = Fallback(targets=[EU])
    script = world(api=[status(401), WHOLE], eu=WHOLE)
    refused = {"headers": {"x-api-key": "old"}}
    assert hosts(play(script, [fallback], **refused)) == ["api", "eu"]
    assert fallback.snapshot() == {OWN: 60.0}
    assert hosts(play(script, [fallback], **refused)) == ["eu"]
    assert hosts(play(script, [fallback], headers={"x-api-key": "new"})) == ["api"]
    fake_clock.advance(60.0)
    assert hosts(play(script, [fallback], **refused)) == ["api"]


def test_if_only_refused_keys_are_left_the_first_target_is_tried(play: Play) -> None:
    """A refused key is never sent again."""
    fallback = Fallback(targets=[Target(url=url("eu"), keys=with_key("a"), name="eu")])
    play(world(api=status(500), eu=status(401)), [fallback])
    assert hosts(play(world(api=WHOLE), [fallback])) == ["api"]


def test_the_endpoints_of_other_requests_do_not_cool(play: Play) -> None:
    """One client may send to several hosts; what is said of one is not said of another."""
    fallback = Fallback(targets=[EU, Target(body={"model": "small"})])
    play(world(api=status(500), eu=WHOLE), [fallback])
    assert hosts(play(world(other=WHOLE), [fallback], url="https://other.example.org/v1/messages")) == ["other"]


def test_a_target_that_cannot_be_used_is_not_chosen_at_the_start(play: Play) -> None:
    """A body that is no JSON object cannot name another model."""
    fallback = Fallback(targets=[Target(body={"model": "small"})])
    play(world(api=status(500)), [fallback])
    assert hosts(play(world(api=WHOLE), [fallback], json=None, content=b"[1]")) == ["api"]


def test_a_cooldown_of_nothing_cools_nothing(play: Play) -> None:
    """Each call begins with the first target."""
    fallback = Fallback(targets=[EU], cooldown=0)
    script = world(api=status(500), eu=WHOLE)
    assert [hosts(play(script, [fallback])) for _ in range(2)] == [["api", "eu"]] * 2


def test_a_hint_of_years_cools_for_a_day(play: Play) -> None:
    """A server that is mistaken about time is not lost."""
    fallback = Fallback(targets=[EU])
    play(world(api=status(429, retry_after="99999999"), eu=WHOLE), [fallback])
    assert fallback.snapshot() == {OWN: 86_400.0}


def test_it_is_told_where_an_attempt_goes(play: Play) -> None:
    """For keys of limits and circuits, and for logs."""
    fallback = Fallback(targets=[Target(keys=with_key("a", "b")), EU])

    class Places(Plugin):
        name = "places"

        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def before_request(self, call: Any, request: Any) -> None:
            self.seen.append(fallback.place(call))

    places = Places()
    play(world(api=[status(429), status(429), status(500)], eu=WHOLE), [fallback, places])
    assert places.seen == [
        "https://api.example.org:443",
        "https://api.example.org:443 target 1, key 1",
        "https://api.example.org:443 target 1, key 2",
        "https://eu.example.net:443 eu",
    ]


def test_the_number_of_places_is_bounded() -> None:
    """A client may send to any number of hosts: expired ones go first, then the one that recovers first."""
    cooldowns = Cooldowns()
    for number in range(MOST):
        cooldowns.cool((str(number), "", None), 10.0 + number, 0.0)
    cooldowns.cool(("more", "", None), 5.0, 0.0)
    assert (len(cooldowns), cooldowns.until(("0", "", None))) == (MOST, -math.inf)
    cooldowns.cool(("later", "", None), 999.0, 500.0)
    assert len(cooldowns) < MOST
    cooldowns.cool(("never", "", None), 500.0, 500.0)
    assert cooldowns.until(("never", "", None)) == -math.inf


@pytest.mark.parametrize("later", [5.0, 50.0])
def test_a_place_cools_for_the_longer_of_two_times(later: float) -> None:
    """A short hint does not end a long one."""
    cooldowns, place = Cooldowns(), ("", "eu", None)
    cooldowns.cool(place, 20.0, 0.0)
    cooldowns.cool(place, later, 0.0)
    assert cooldowns.until(place) == max(20.0, later)
    assert cooldowns.left(1.0) == {"eu": max(20.0, later) - 1.0}
