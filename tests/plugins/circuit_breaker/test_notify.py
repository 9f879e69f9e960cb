"""Telling observers of transitions: in order, outside the lock, contained."""

import itertools
import logging
import threading
from typing import Any

import pytest

from unbroken import Client, ConfigurationError, Plugin, hookimpl
from unbroken.testing import Answer, FakeClock, ScriptedTransport, play, sse
from unbroken_circuit_breaker import CircuitBreaker, CircuitBreakerSpecs, CircuitState
from unbroken_circuit_breaker._circuit import Permit
from unbroken_circuit_breaker._values import Result, Verdict

ORIGIN = "https://api.example.org:443"
DOWN, GOOD = Answer(status=503), Answer(body=sse("a"))


class Watcher(Plugin):
    """Notes all transitions."""

    name = "watcher"

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Any, ...]] = []

    def on_circuit_state_change(
        self, circuit: str, key: str, old: CircuitState, new: CircuitState, failure_count: int
    ) -> None:
        self.seen.append((circuit, key, old, new, failure_count))


def client_of(*plugins: object) -> Client:
    clock = FakeClock()
    return Client(list(plugins), transport=ScriptedTransport([], clock), clock=clock)


def test_on_circuit_state_change_tells_of_every_transition() -> None:
    """With the count that opened the circuit, and 0 when it closed."""
    breaker, watcher, clock = CircuitBreaker(failure_threshold=2, circuit="upstream"), Watcher(), FakeClock()
    for reply, pause in ((DOWN, 0.0), (DOWN, 30.0), (DOWN, 60.0), (GOOD, 0.0), (GOOD, 0.0)):
        play([reply], [breaker, watcher], clock=clock)
        clock.advance(pause)
    assert watcher.seen == [
        ("upstream", ORIGIN, "closed", "open", 2),
        ("upstream", ORIGIN, "open", "half_open", 2),
        ("upstream", ORIGIN, "half_open", "open", 3),
        ("upstream", ORIGIN, "open", "half_open", 3),
        ("upstream", ORIGIN, "half_open", "closed", 0),
    ]


def test_what_a_person_does_between_calls_is_told_too() -> None:
    """Before there is any circuit under the key ``*``."""
    breaker, watcher = CircuitBreaker(), Watcher()
    breaker.reset()
    client_of(breaker, watcher)
    breaker.force_open()
    breaker.reset()
    breaker.force_open("b")
    breaker.disable()
    assert [(key, old, new) for _, key, old, new, _ in watcher.seen] == [
        ("*", "closed", "forced_open"),
        ("*", "forced_open", "closed"),
        ("b", "closed", "forced_open"),
        ("b", "forced_open", "disabled"),
    ]


def test_an_observer_of_two_clients_is_told_once() -> None:
    """And those of all clients are told, in the order of the plugins."""
    breaker, watcher, other, told = CircuitBreaker(), Watcher(), Watcher(), list[str]()

    class Module:
        name = "module"

        @hookimpl
        def on_circuit_state_change(self, new: str) -> None:
            told.append(f"{new} after {len(watcher.seen)}")

    for _ in range(3):
        client_of(breaker, watcher, Module())
    client_of(other, breaker)
    breaker.force_open()
    assert len(watcher.seen) == len(other.seen) == 1
    assert told == ["forced_open after 1"] * 3


def test_an_observer_that_fails_is_contained(caplog: pytest.LogCaptureFixture) -> None:
    """It is reported; the others are told and the call goes on."""

    class Failing(Plugin):
        name = "failing"

        def on_circuit_state_change(self, circuit: str) -> None:
            raise RuntimeError("observer")

    breaker, watcher = CircuitBreaker(failure_threshold=1), Watcher()
    with caplog.at_level(logging.ERROR, "unbroken"):
        played = play([DOWN], [Failing(), breaker, watcher])
    assert type(played.error).__name__ == "ServerError"
    assert [seen[3] for seen in watcher.seen] == ["open"]
    assert [record.getMessage() for record in caplog.records] == [
        "plugin 'failing' failed in on_circuit_state_change; the call goes on"
    ]


def test_an_observer_may_use_the_breaker() -> None:
    """No lock is held; what it changes is told when it has returned, after what came before."""

    class Insists(Watcher):
        name = "insists"

        def on_circuit_state_change(self, new: CircuitState, **_: Any) -> None:  # type: ignore[override]
            self.seen.append(("begin", new, breaker.state))
            if new == "open":
                breaker.force_open()
                breaker.reset()
            self.seen.append(("end", new))

    breaker = CircuitBreaker(failure_threshold=1)
    insists = Insists()
    play([DOWN], [breaker, insists])
    assert insists.seen == [
        ("begin", "open", "open"),
        ("end", "open"),
        ("begin", "forced_open", "closed"),
        ("end", "forced_open"),
        ("begin", "closed", "closed"),
        ("end", "closed"),
    ]


def test_a_coroutine_is_refused() -> None:
    """Nobody would await it."""

    class Awaits(Plugin):
        name = "awaits"

        async def on_circuit_state_change(self) -> None: ...

    with pytest.raises(ConfigurationError, match=r"awaits\.on_circuit_state_change: is a coroutine function"):
        client_of(CircuitBreaker(), Awaits())


def test_threads_tell_in_order_and_one_at_a_time() -> None:
    """Each transition begins where the one before ended, and none is lost."""
    breaker, watcher = CircuitBreaker(), Watcher()
    inside = threading.Lock()

    class Careful(Watcher):
        name = "careful"

        def on_circuit_state_change(self, **values: Any) -> None:
            assert inside.acquire(blocking=False)
            self.seen.append(tuple(values.values()))
            inside.release()

    careful = Careful()
    client_of(breaker, watcher, careful)

    def flip() -> None:
        for _ in range(200):
            breaker.force_open("key")
            breaker.reset("key")

    threads = [threading.Thread(target=flip) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moves = [(old, new) for _, _, old, new, _ in watcher.seen]
    assert len(moves) >= 400
    assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(moves))
    assert moves[-1][1] == "closed"


def test_the_hook_is_documented() -> None:
    """As every hook is."""
    assert "Called after each transition" in (CircuitBreakerSpecs.on_circuit_state_change.__doc__ or "")


def test_a_circuit_that_becomes_half_open_is_told_before_its_probe_is_sent() -> None:
    """Not when the probe has ended, which may take minutes."""
    breaker, watcher, clock = CircuitBreaker(failure_threshold=1), Watcher(), FakeClock()
    play([DOWN], [breaker, watcher], clock=clock)
    clock.advance(30.0)
    seen: list[list[str]] = []

    def script(request: Any) -> Answer:
        seen.append([str(new) for *_, new, _ in watcher.seen])
        return GOOD

    play(script, [breaker, watcher], clock=clock)
    assert seen == [["open", "half_open"]]


@pytest.mark.parametrize(("method", "state"), [("reset", "closed"), ("force_open", "forced_open")])
def test_results_that_were_put_off_come_before_what_an_operator_says(method: str, state: str) -> None:
    """They ended before it, so they are counted before it, and then forgotten."""
    breaker, watcher, clock = CircuitBreaker(failure_threshold=2), Watcher(), FakeClock()
    play([GOOD], [breaker, watcher], clock=clock)
    circuit = breaker._circuits.find(ORIGIN, clock.monotonic())
    assert circuit is not None
    for _ in range(3):
        permit = circuit.admit(clock.monotonic())
        assert isinstance(permit, Permit)
        failure = Result(Verdict.FAILURE, "ServerError")
        breaker._inbox.add(circuit.record, permit, failure, clock.monotonic(), clock.random)
    getattr(breaker, method)()
    assert (breaker.state, breaker.failure_count, breaker.snapshot()[ORIGIN].in_flight) == (state, 0, 0)
    assert [(str(old), str(new)) for _, _, old, new, _ in watcher.seen] == [("closed", "open"), ("open", state)]
