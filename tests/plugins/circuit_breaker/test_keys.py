"""The circuits by key: how many are kept, which go, which never."""

from typing import Any

import pytest

from unbroken_circuit_breaker import CircuitBreakerConfig, CircuitState
from unbroken_circuit_breaker._circuit import Permit
from unbroken_circuit_breaker._keys import Circuits
from unbroken_circuit_breaker._values import SUCCESS, Change, Result, Verdict


class Kept(Circuits):
    """Circuits that a test drives by key."""

    def __init__(self, state: CircuitState = CircuitState.CLOSED, **values: Any) -> None:
        self.changes: list[Change] = []
        super().__init__(CircuitBreakerConfig(failure_threshold=1, **values), state, self.changes.append)

    def begin(self, key: str, now: float = 0.0) -> Permit:
        circuit = self.get(key, now)
        assert circuit is not None
        permit = circuit.admit(now)
        assert isinstance(permit, Permit)
        return permit

    def use(self, key: str, now: float = 0.0, result: Result = SUCCESS) -> None:
        permit = self.begin(key, now)
        permit.circuit.record(permit, result, now, lambda: 1.0)

    def open(self, key: str, now: float = 0.0) -> None:
        self.use(key, now, Result(Verdict.FAILURE))

    def keys(self, now: float = 0.0) -> list[str]:
        return [circuit.key for circuit in self.all(now)]


def test_the_one_idle_for_longest_makes_room() -> None:
    """Least recently used first."""
    kept = Kept(max_keys=3)
    for key in "abcad":
        kept.use(key)
    assert kept.keys() == ["c", "a", "d"]


def test_a_key_that_is_open_or_in_use_stays() -> None:
    """However long it has been idle, and however many others come."""
    kept = Kept(max_keys=3, idle_expiry=10.0)
    kept.open("open")
    kept.begin("used")
    for number in range(100):
        kept.use(f"key-{number}", 20.0 + number)
    assert set(kept.keys(120.0)) == {"open", "used", "key-99"}
    assert len(kept) == 3


@pytest.mark.parametrize("state", ["forced_open", "disabled", "metrics_only"])
def test_a_key_that_a_person_set_stays(state: str) -> None:
    """And is made at once when there is none yet, even over the limit."""
    kept = Kept(max_keys=1, idle_expiry=10.0)
    kept.use("other")
    kept.force("set", CircuitState(state), 0.0)
    for number in range(50):
        kept.get(f"key-{number}", 100.0 * number)
    circuit = kept.find("set", 1e6)
    assert circuit is not None
    assert circuit.state == state


def test_while_nothing_can_go_further_keys_are_not_tracked() -> None:
    """Bounded comes first; they get a circuit as soon as there is room."""
    kept = Kept(max_keys=2)
    kept.open("a")
    permit = kept.begin("b")
    assert [kept.get("c", 0.0) for _ in range(5)] == [None] * 5
    permit.circuit.record(permit, SUCCESS, 0.0, lambda: 1.0)
    kept.use("c")
    assert kept.keys() == ["a", "c"]


def test_room_is_found_behind_many_that_cannot_go() -> None:
    """Only a few are looked at each time, but others each time."""
    kept = Kept(max_keys=100)
    for number in range(99):
        kept.open(f"open-{number}")
    kept.use("idle")
    tries = 1
    while kept.get("new", 0.0) is None:
        tries += 1
    assert tries <= 7
    assert kept.find("idle", 0.0) is None


def test_circuits_that_are_open_and_long_forgotten_make_room_only_when_it_is_needed() -> None:
    """They would let the next call pass anyway; a thousand dead hosts must not keep the breaker from the living."""
    kept = Kept(max_keys=2, idle_expiry=100.0, recovery_timeout=30.0)
    kept.open("dead")
    kept.use("half", 0.0, Result(Verdict.FAILURE))
    probe = kept.begin("half", 30.0)
    assert kept.get("new", 129.9) is None
    kept.use("new", 130.0)
    assert set(kept.keys(130.0)) == {"half", "new"}
    permit = kept.begin("new", 130.0)
    assert kept.get("newer", 1000.0) is None
    probe.circuit.record(probe, Result(Verdict.IGNORED), 1000.0, lambda: 1.0)
    assert kept.get("newer", 1099.9) is None
    kept.use("newer", 1100.0)
    assert set(kept.keys(1100.0)) == {"new", "newer"}
    assert permit.circuit.in_flight == 1


def test_an_idle_circuit_is_forgotten_with_its_count() -> None:
    """Four failures of yesterday and one of today are not five in a row."""
    kept = Kept(idle_expiry=10.0)
    for key in "abc":
        kept.use(key)
    old = kept.find("a", 9.9)
    assert old is not None
    assert (kept.find("a", 10.0), kept.keys(10.0)) == (None, [])
    assert kept.get("a", 10.0) is not old
    assert len(kept) == 1


def test_memory_stays_bounded() -> None:
    """Keys that come once."""
    kept = Kept(max_keys=50)
    for number in range(5_000):
        (kept.open if number % 3 == 0 else kept.use)(f"key-{number}", number * 100.0)
    assert len(kept) <= 50


def test_what_is_set_for_all_is_for_those_to_come_too() -> None:
    """And such circuits are kept no longer than closed ones."""
    kept = Kept(max_keys=2)
    kept.use("a")
    kept.force(None, CircuitState.METRICS_ONLY, 0.0)
    for key in "bcd":
        kept.use(key)
    assert [circuit.state for circuit in kept.all(0.0)] == ["metrics_only"] * 2
    kept.force(None, CircuitState.CLOSED, 0.0)
    assert [circuit.state for circuit in kept.all(0.0)] == ["closed"] * 2


def test_a_breaker_without_circuits_changes_as_a_whole() -> None:
    """Told once, under the key ``*``."""
    kept = Kept()
    kept.force(None, CircuitState.FORCED_OPEN, 0.0)
    kept.force(None, CircuitState.FORCED_OPEN, 0.0)
    assert [(change.key, change.old, change.new) for change in kept.changes] == [("*", "closed", "forced_open")]
