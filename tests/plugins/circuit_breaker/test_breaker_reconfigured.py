"""A breaker that replaces another one in a running client goes on with its circuits, under its own settings."""

import itertools
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unbroken import Call, CircuitOpenError, Client, Dialect, Outcome, Plugin, Reject, Request, Response, ServerError
from unbroken.testing import Answer, FakeClock, ScriptedTransport, sse
from unbroken_circuit_breaker import CircuitBreaker, CircuitSnapshot, CircuitState, Window

HOST = "https://api.example.org"
OK = Answer(body=sse("one", "two"))
DOWN = Answer(status=503)
FAILED = Outcome(status="failure", attempts=1, duration=0.0, error=ServerError("down"))
DONE = Outcome(status="success", attempts=1, duration=0.0)
LEFT = Outcome(status="cancelled", attempts=1, duration=0.0)


class Told(Plugin):
    """Notes the transitions."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name  # type: ignore[misc]
        self.changes: list[tuple[str, str]] = []

    def on_circuit_state_change(self, circuit: str, new: str) -> None:
        self.changes.append((circuit, str(new)))


def made(breaker: CircuitBreaker, *others: Plugin, script: Any = lambda _: OK) -> tuple[Client, FakeClock]:
    clock = FakeClock()
    return Client([*others, breaker], transport=ScriptedTransport(script, clock), clock=clock), clock


def ask(client: Client) -> None:
    with client.stream("POST", HOST) as stream:
        list(stream)


def fail(client: Client, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ServerError):
            ask(client)


def state(breaker: CircuitBreaker) -> CircuitSnapshot:
    (found,) = breaker.snapshot().values()
    return found


def test_an_open_circuit_stays_open_and_recovers_as_planned() -> None:
    """The new recovery time is that of the next opening."""
    client, clock = made(CircuitBreaker(failure_threshold=2), script=[DOWN, DOWN, OK])
    fail(client, 2)
    new = CircuitBreaker(failure_threshold=9, recovery_timeout=500.0, half_open_success_threshold=1)
    client.reconfigure([new])
    assert state(new).state == "open"
    assert 15.0 <= (state(new).retry_after or 0.0) <= 30.0
    with pytest.raises(CircuitOpenError):
        ask(client)
    clock.advance(30.0)
    ask(client)
    assert state(new).state == "closed"


def test_failures_count_on_under_the_new_threshold() -> None:
    """If it is lower than what was counted, the next failure opens the circuit."""
    client, _ = made(CircuitBreaker(failure_threshold=5), script=lambda _: DOWN)
    fail(client, 3)
    new = CircuitBreaker(failure_threshold=2)
    client.reconfigure([new])
    assert (state(new).state, state(new).failure_count) == ("closed", 3)
    fail(client, 1)
    assert state(new).state == "open"


def test_a_probe_of_before_still_counts_and_still_has_its_place() -> None:
    """The new breaker admits no second one meanwhile, and is closed by the first."""
    client, clock = made(CircuitBreaker(failure_threshold=1), script=[DOWN, OK, OK])
    fail(client, 1)
    clock.advance(30.0)
    probe = client.stream("POST", HOST)
    with probe:
        new = CircuitBreaker(half_open_success_threshold=2)
        client.reconfigure([new])
        assert (state(new).in_flight, state(new).state) == (1, "half_open")
        list(probe)
    assert state(new).in_flight == 0
    ask(client)
    assert state(new).state == "closed"


def test_the_latest_results_stay_in_a_window_of_another_size() -> None:
    """As many as fit; a window of another kind begins empty."""
    script = [OK, DOWN, DOWN, OK]
    client, _ = made(CircuitBreaker(window=Window(size=10)), script=script)
    ask(client)
    fail(client, 2)
    ask(client)
    seen = []
    for window in (Window(size=3), Window(size=50), Window(kind="time", size=60), None):
        new = CircuitBreaker(window=window)
        client.reconfigure([new])
        seen.append((state(new).call_count, state(new).failure_count))
    assert seen == [(3, 2), (3, 2), (0, 0), (0, 0)]


@pytest.mark.parametrize(
    ("slow_rate", "size", "expected"),
    [(0.9, 60, (3, 0, 3)), (None, 60, (3, 3, 0)), (0.9, 600, (3, 0, 3)), (0.9, 20, (1, 0, 1)), (None, 5, (0, 0, 0))],
)
def test_results_of_a_window_by_time_stay_as_long_as_they_are_in_it(
    slow_rate: float | None, size: float, expected: tuple[int, int, int]
) -> None:
    """Each with its age; slow calls become failures where no rate of them is set."""
    slow = Answer(latency=2.0, body=sse("one"))
    window = Window(kind="time", size=60, slow_rate=0.9)
    client, clock = made(CircuitBreaker(window=window, slow_call=1.0), script=lambda _: slow)
    for _ in range(3):
        ask(client)
        clock.advance(10.0)
    new = CircuitBreaker(window=Window(kind="time", size=size, slow_rate=slow_rate), slow_call=1.0)
    client.reconfigure([new])
    found = state(new)
    assert (found.call_count, found.failure_count, found.slow_count) == expected


def test_what_an_operator_forced_stays_forced() -> None:
    """Also for circuits to come; another `initial_state` is a new word of an operator."""
    breaker = CircuitBreaker()
    client, _ = made(breaker)
    ask(client)
    breaker.force_open()
    client.reconfigure([second := CircuitBreaker(failure_threshold=2)])
    assert second.state == second.state_of("https://other.example.org") == "forced_open"
    client.reconfigure([third := CircuitBreaker(initial_state="disabled")])
    assert third.state == third.state_of("https://other.example.org") == "disabled"
    client.reconfigure([fourth := CircuitBreaker()])
    assert (fourth.state, state(fourth).in_flight) == ("closed", 0)


def test_observers_hear_of_every_transition_once_under_the_present_name() -> None:
    """Those that came with the change too, those that left no more, those of another client as before."""
    breaker, here, there = CircuitBreaker(failure_threshold=1), Told("here"), Told("there")
    client, clock = made(breaker, here, script=[DOWN, DOWN, OK, OK])
    other, _ = made(breaker, there)
    fail(client, 1)
    fresh = Told("fresh")
    client.reconfigure([here, fresh, CircuitBreaker(failure_threshold=1, circuit="second")])
    clock.advance(30.0)
    fail(client, 1)
    client.reconfigure([fresh, breaker])
    clock.advance(60.0)
    ask(client)
    ask(client)
    rest = [("second", "half_open"), ("second", "open")]
    end = [("default", "half_open"), ("default", "closed")]
    assert here.changes == [("default", "open"), *rest]
    assert fresh.changes == [*rest, *end]
    assert there.changes == [("default", "open"), *rest, *end]
    other.close()


def test_a_breaker_that_has_circuits_keeps_them() -> None:
    """It serves another client."""
    busy, forced = CircuitBreaker(), CircuitBreaker()
    other, _ = made(busy, script=[DOWN])
    fail(other, 1)
    forced.disable()
    client, _ = made(CircuitBreaker(), script=[OK])
    ask(client)
    for kept, expected in ((busy, 1), (forced, 0)):
        client.reconfigure([kept])
        assert kept.failure_count == expected
    assert forced.state == CircuitState.DISABLED


def test_threads_lose_no_permit_whenever_the_breaker_is_replaced() -> None:
    """Eight make calls meanwhile, some of which fail; in the end nothing is in flight."""
    clock, numbers = FakeClock(), itertools.count()
    transport = ScriptedTransport(lambda _: DOWN if next(numbers) % 3 == 0 else OK, clock)
    client = Client([CircuitBreaker(failure_threshold=1000)], transport=transport, clock=clock)
    outcomes: list[str] = []

    def calls() -> None:
        for _ in range(25):
            try:
                ask(client)
                outcomes.append("success")
            except ServerError:
                outcomes.append("failure")

    threads = [threading.Thread(target=calls) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        client.reconfigure([CircuitBreaker(failure_threshold=1000, window=Window(size=200, min_calls=200))])
    client.reconfigure([last := CircuitBreaker()])
    assert len(outcomes) == 200
    assert state(last).in_flight == 0


class World:
    """Calls of one client, made through the hooks of the breaker with which each began."""

    def __init__(self, kind: str) -> None:
        window = {"row": None, "count": Window(size=3, min_calls=2), "time": Window(kind="time", size=30, min_calls=2)}
        self.settings: dict[str, Any] = {"failure_threshold": 2, "recovery_timeout": 10.0, "window": window[kind]}
        self.told, self.breaker = Told("told"), CircuitBreaker(**self.settings)
        self.client, self.clock = made(self.breaker, self.told)
        self.calls: list[tuple[CircuitBreaker, Call]] = []

    def begin(self) -> object:
        call = Call("call", Request.build("POST", HOST), Dialect(), self.clock, self.clock.monotonic())
        answer = self.breaker.before_request(call, call.request)
        call.sent_at, call.response = self.clock.monotonic(), Response(status_code=200)
        self.calls.append((self.breaker, call))
        return None if not isinstance(answer, Reject) else answer.error.retry_after

    def act(self, what: str, number: int) -> object:
        if what == "begin":
            return self.begin()
        if what == "pass":
            self.clock.advance(number)
        elif self.calls:
            breaker, call = self.calls[number % len(self.calls)]
            if what == "commit":
                breaker.on_commit(call, None)  # type: ignore[arg-type]
            else:
                breaker.after_request(call, {"fail": FAILED, "end": DONE, "leave": LEFT}[what])
        return None

    def swap(self, number: int) -> None:
        # The number of keys changes nothing here, but the settings are not the same.
        self.breaker = CircuitBreaker(**self.settings, max_keys=500 + number)
        self.client.reconfigure([self.told, self.breaker])


ACTION = st.tuples(
    st.sampled_from(["begin", "begin", "fail", "fail", "end", "commit", "leave", "pass"]), st.integers(0, 12)
)


@settings(max_examples=60)
@given(kind=st.sampled_from(["row", "count", "time"]), actions=st.lists(st.tuples(ACTION, st.booleans()), max_size=40))
def test_without_a_change_of_settings_nothing_is_different(kind: str, actions: list[Any]) -> None:
    """Decisions, counts and transitions are those of a client that is left alone, wherever it is reconfigured."""
    alone, changed = World(kind), World(kind)
    for number, ((what, value), swap) in enumerate(actions):
        if swap:
            changed.swap(number)
        assert changed.act(what, value) == alone.act(what, value)
        assert changed.breaker.snapshot() == alone.breaker.snapshot()
        assert changed.told.changes == alone.told.changes
