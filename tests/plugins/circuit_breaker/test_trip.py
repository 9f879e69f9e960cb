"""A circuit that is opened for failures that another process has seen."""

import pytest

from unbroken.testing import FakeClock
from unbroken_circuit_breaker import CircuitBreaker, CircuitState

KEY = "https://up.example:443"


class Relay:
    """No observers."""

    def get_hookimpls(self) -> list[object]:
        return []


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> CircuitBreaker:
    made = CircuitBreaker()
    made._clock = clock
    return made


def test_a_tripped_circuit_is_open_and_then_probed(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.trip(KEY, 20.0)
    assert breaker.state_of(KEY) is CircuitState.OPEN
    assert breaker.snapshot()[KEY].retry_after == 20.0
    clock.advance(20.0)
    assert breaker.state_of(KEY) is CircuitState.HALF_OPEN


def test_an_open_circuit_stays_open_for_the_longer_of_two_times(breaker: CircuitBreaker) -> None:
    breaker.trip(KEY, 20.0)
    breaker.trip(KEY, 5.0)
    assert breaker.snapshot()[KEY].retry_after == 20.0
    breaker.trip(KEY, 30.0)
    assert breaker.snapshot()[KEY].retry_after == 30.0


def test_what_an_operator_has_forced_stays(breaker: CircuitBreaker) -> None:
    breaker.disable(KEY)
    breaker.trip(KEY, 20.0)
    assert breaker.state_of(KEY) is CircuitState.DISABLED


def test_a_breaker_without_room_for_the_key_opens_nothing(clock: FakeClock) -> None:
    made = CircuitBreaker(max_keys=1)
    made._clock = clock
    made.trip("a", 20.0)
    made.trip("b", 20.0)
    assert set(made.snapshot()) == {"a"}
