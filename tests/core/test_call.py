"""What a plugin sees of a call, where it keeps its state, and the clock behind it."""

import random
import time

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Call, Clock, Dialect, Key, Outcome, Request, SystemClock
from unbroken.testing import FakeClock

CANARY = "sk-canary-1234567890"


def make_call(clock: Clock | None = None) -> Call:
    request = Request.build(
        "POST",
        f"https://Example.org/v1?key={CANARY}",
        headers={"Authorization": CANARY},
        json={"key": CANARY},
    )
    return Call("req_1", request, Dialect(), clock or FakeClock(), 1000.0)


def test_a_call_begins_before_its_first_attempt() -> None:
    """Nothing sent, nothing received; what is to be sent is what was asked for."""
    call = make_call()
    assert (call.attempt, call.phase, call.events, call.bytes, call.last_event_id) == (0, "before", 0, 0, "")
    assert (call.response, call.committed_at, call.deadline, call.usage, call.history) == (
        None,
        None,
        None,
        None,
        (),
    )
    assert call.current is call.request
    assert call.origin == "https://example.org:443"


def test_time_and_chance_are_the_clients() -> None:
    """So that a test can replace them."""
    clock = FakeClock(start=5.0, wall=100.0, seed=3)
    call = make_call(clock)
    assert (call.now(), call.time()) == (5.0, 100.0)
    clock.advance(2.0)
    assert (call.now(), call.time()) == (7.0, 102.0)
    assert call.random() == random.Random(3).random()


def test_the_remaining_time_is_counted_to_the_deadline() -> None:
    """None without one, negative past it."""
    clock = FakeClock(start=5.0)
    call = make_call(clock)
    assert call.remaining() is None
    call.deadline = 6.0
    assert call.remaining() == 1.0
    clock.advance(3.0)
    assert call.remaining() == -2.0


def test_state_is_kept_by_key_and_not_by_name() -> None:
    """Two plugins that chose one name do not share."""
    call = make_call()
    one: Key[int] = Key("state")
    other: Key[str] = Key("state")
    assert call.get(one) is None
    assert call.get(one, 7) == 7
    call.set(one, 1)
    call.set(other, "a")
    assert (call.get(one), call.get(other)) == (1, "a")
    assert call.pop(one) == 1
    assert call.pop(one) is None
    assert call.get(other) == "a"


def test_state_belongs_to_one_call() -> None:
    """Another call knows nothing of it."""
    key: Key[int] = Key("state")
    call = make_call()
    call.set(key, 1)
    assert make_call().get(key) is None


@given(st.lists(st.tuples(st.sampled_from(["get", "set", "pop"]), st.integers(0, 2), st.integers())))
def test_state_is_a_dictionary_of_keys(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is done with it, it behaves as one."""
    keys: list[Key[int]] = [Key("same") for _ in range(3)]
    call, model = make_call(), dict[int, int]()
    for step, place, value in steps:
        if step == "set":
            call.set(keys[place], value)
            model[place] = value
        elif step == "get":
            assert call.get(keys[place], value) == model.get(place, value)
        else:
            assert call.pop(keys[place]) == model.pop(place, None)


def test_E68_a_call_shows_no_secret() -> None:
    """It is in the repr of streams, and in the log of whoever prints it."""
    assert repr(make_call()) == "<Call req_1 attempt 0 before POST https://example.org:443>"


def test_an_outcome_is_a_value() -> None:
    """How it ended, after how many attempts and how long."""
    outcome = Outcome(status="success", attempts=1, duration=0.5)
    assert outcome == Outcome(status="success", attempts=1, duration=0.5)
    assert outcome.error is None
    with pytest.raises(AttributeError):
        outcome.status = "failure"  # type: ignore[misc]


def test_the_system_clock_is_the_machines() -> None:
    """The functions themselves: nothing between."""
    clock: Clock = SystemClock()
    assert clock.monotonic is time.monotonic
    assert clock.time is time.time
    assert clock.random is random.random
    assert clock.sleep is time.sleep


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_system_clock_lets_tasks_run(backend: str) -> None:
    """Under both libraries."""
    anyio.run(SystemClock().asleep, 0.0, backend=backend)
