"""One circuit: who passes, what counts, what opens and closes it."""

from typing import Any

import pytest

from unbroken_circuit_breaker import CircuitBreakerConfig, CircuitState, Window
from unbroken_circuit_breaker._circuit import Circuit, Permit
from unbroken_circuit_breaker._values import IGNORED, SLOW, SUCCESS, Change, Refusal, Result, Verdict

FAILURE = Result(Verdict.FAILURE, "ServerError")
RESULTS = {"success": SUCCESS, "failure": FAILURE, "slow": SLOW, "ignored": IGNORED}


class Driven:
    """A circuit with its clock and chance."""

    def __init__(self, chance: float = 1.0, state: CircuitState = CircuitState.CLOSED, **values: Any) -> None:
        self.now = 100.0
        self.chance = chance
        self.changes: list[Change] = []
        self.circuit = Circuit("key", CircuitBreakerConfig(**values), self.changes.append, self.now, state)

    def admit(self) -> Permit:
        permit = self.circuit.admit(self.now)
        assert isinstance(permit, Permit)
        return permit

    def refused(self) -> Refusal:
        refusal = self.circuit.admit(self.now)
        assert isinstance(refusal, Refusal)
        return refusal

    def end(self, permit: Permit, result: Result) -> None:
        self.circuit.record(permit, result, self.now, lambda: self.chance)

    def prove(self, permit: Permit, result: Result = SUCCESS) -> None:
        self.circuit.prove(permit, result, self.now, lambda: self.chance)

    def calls(self, *results: str) -> None:
        for result in results:
            self.end(self.admit(), RESULTS[result])

    @property
    def state(self) -> str:
        return self.circuit.state_at(self.now)

    @property
    def moves(self) -> list[tuple[str, str, int]]:
        return [(change.old, change.new, change.failure_count) for change in self.changes]


def half_open(**values: Any) -> Driven:
    """Return a circuit whose time to recover is just over."""
    driven = Driven(**values)
    driven.calls(*["failure"] * driven.circuit.config.failure_threshold)
    driven.now = driven.circuit.recovers_at
    return driven


F, S, L, N = "failure", "success", "slow", "ignored"


@pytest.mark.parametrize(
    ("results", "state", "count"),
    [
        ([F, F], "closed", 2),
        ([F, F, F], "open", 3),
        ([F, F, S, F, F], "closed", 2),
        ([F, F, N, F], "open", 3),
        ([F, N, N, N], "closed", 1),
        ([F, L, F], "open", 3),
        ([N] * 50, "closed", 0),
        ([S] * 50, "closed", 0),
    ],
)
def test_failures_in_a_row_open_the_circuit(results: list[str], state: str, count: int) -> None:
    """A success starts the row anew; what is ignored does not touch it."""
    driven = Driven(failure_threshold=3)
    driven.calls(*results)
    assert (driven.state, driven.circuit.failure_count(driven.now)) == (state, count)


def test_open_refuses_until_its_time_is_over() -> None:
    """The refusal says when that is and what went wrong; at that moment it is half-open, without a call."""
    driven = Driven(failure_threshold=1, recovery_timeout=30.0)
    driven.calls(F)
    assert driven.refused() == Refusal(CircuitState.OPEN, 130.0, "ServerError")
    driven.now = 129.999
    assert driven.refused().recovers_at == 130.0
    driven.now = 130.0
    assert (driven.state, driven.circuit.state) == ("half_open", "open")
    driven.admit()
    assert driven.circuit.state == "half_open"


@pytest.mark.parametrize(
    ("results", "state", "moves"),
    [
        ([S], "half_open", []),
        ([S, S], "closed", [("half_open", "closed", 0)]),
        ([S, N, S], "closed", [("half_open", "closed", 0)]),
        ([N] * 20, "half_open", []),
        ([S, F], "open", [("half_open", "open", 6)]),
        ([L], "open", [("half_open", "open", 6)]),
        ([F], "open", [("half_open", "open", 6)]),
    ],
)
def test_probes_decide(results: list[str], state: str, moves: list[Any]) -> None:
    """So many successes close the circuit, one failure opens it again, what is ignored decides nothing."""
    driven = half_open()
    driven.calls(*results)
    assert driven.state == state
    assert driven.moves == [("closed", "open", 5), ("open", "half_open", 5), *moves]


def test_E58_no_more_probes_at_a_time_than_allowed() -> None:
    """The place of a probe that has ended is free again."""
    driven = half_open(half_open_max_probes=3, half_open_success_threshold=9)
    probes = [driven.admit() for _ in range(3)]
    assert driven.refused() == Refusal(CircuitState.HALF_OPEN, driven.now + 60.0, "ServerError")
    driven.end(probes[1], SUCCESS)
    driven.admit()
    driven.refused()


def test_E57_a_cancelled_probe_gives_its_place_back() -> None:
    """E60 too: it neither closes the circuit nor opens it."""
    driven = half_open(half_open_success_threshold=1)
    driven.end(driven.admit(), IGNORED)
    assert driven.state == "half_open"
    driven.calls(S)
    assert driven.state == "closed"


def test_a_probe_that_hangs_loses_its_place() -> None:
    """When its lease is over another passes; its own result still counts."""
    driven = half_open(probe_lease=10.0, half_open_success_threshold=1)
    hanging = driven.admit()
    driven.now += 9.999
    assert driven.refused().recovers_at == pytest.approx(driven.now + 0.001)
    driven.now += 0.001
    assert driven.circuit.snapshot(driven.now).probes == 0
    second = driven.admit()
    driven.end(hanging, SUCCESS)
    assert driven.state == "closed"
    driven.end(second, FAILURE)
    assert driven.circuit.failure_count(driven.now) == 0


def test_a_wait_before_the_request_is_sent_does_not_use_up_the_lease() -> None:
    """The limiter behind the breaker may take its time."""
    driven = half_open(probe_lease=10.0)
    probe = driven.admit()
    probe.postpone(driven.now + 5.0)
    probe.postpone(driven.now + 1.0)  # it was woken and waits again: no longer than before
    driven.now += 12.0
    driven.refused()
    driven.now += 3.0
    driven.admit()


def test_a_probe_succeeds_with_its_first_content_event() -> None:
    """Its place is free while its stream goes on, and its end is no second success."""
    driven = half_open(half_open_success_threshold=2)
    first = driven.admit()
    driven.prove(first)
    driven.prove(first)
    driven.end(first, SUCCESS)
    assert driven.state == "half_open"
    driven.prove(driven.admit())
    assert driven.state == "closed"


def test_a_probe_whose_stream_breaks_later_is_downgraded() -> None:
    """Half-open: the circuit opens again, whatever else has succeeded."""
    driven = half_open(half_open_success_threshold=2)
    probe = driven.admit()
    driven.prove(probe)
    driven.end(probe, FAILURE)
    assert driven.state == "open"


def test_a_probe_that_closed_the_circuit_and_breaks_later_is_a_failure_of_the_closed_circuit() -> None:
    """It proved the circuit closed, so it is not late; but one broken stream is one failure."""
    driven = half_open(half_open_success_threshold=1)
    probe = driven.admit()
    driven.prove(probe)
    assert driven.state == "closed"
    driven.end(probe, FAILURE)
    assert (driven.state, driven.circuit.failure_count(driven.now)) == ("closed", 1)


def test_a_proven_probe_that_is_left_or_ends_well_changes_nothing_more() -> None:
    """Its success was counted, once."""
    for result in (SUCCESS, IGNORED, SLOW):
        driven = half_open(half_open_success_threshold=1)
        probe = driven.admit()
        driven.prove(probe)
        driven.calls(F)
        driven.end(probe, result)
        assert driven.circuit.failure_count(driven.now) == 1


def test_a_late_first_event_of_a_probe_is_its_failure() -> None:
    """A server that is slow has not recovered."""
    driven = half_open(slow_call=1.0)
    probe = driven.admit()
    driven.prove(probe, SLOW)
    assert driven.state == "open"
    driven.end(probe, SLOW)
    assert driven.circuit.snapshot(driven.now).opens == 2


@pytest.mark.parametrize("late", [SUCCESS, FAILURE, SLOW, IGNORED], ids=lambda result: result.verdict.value)
def test_E60_results_of_an_older_generation_are_dropped(late: Result) -> None:
    """A call from before the circuit opened, whatever its end, moves nothing in any later state."""
    driven = Driven(failure_threshold=1, half_open_success_threshold=1)
    old = [driven.admit() for _ in range(4)]
    driven.calls(F)
    driven.prove(old[0])
    driven.end(old[0], late)
    assert driven.state == "open"
    driven.now += 30.0
    probe = driven.admit()
    driven.end(old[1], late)
    assert (driven.circuit.state, driven.circuit.snapshot(driven.now).probes) == ("half_open", 1)
    driven.end(probe, SUCCESS)
    driven.end(old[2], late)
    assert (driven.state, driven.circuit.failure_count(driven.now)) == ("closed", 0)
    driven.circuit.force(CircuitState.CLOSED, driven.now)
    driven.end(old[3], late)
    assert driven.circuit.snapshot(driven.now).in_flight == 0


def test_E60_a_probe_of_an_earlier_half_open_is_late_too() -> None:
    """The second probe fails and opens the circuit; the first succeeds in the next half-open time."""
    driven = half_open(half_open_max_probes=2, half_open_success_threshold=1)
    first, second = driven.admit(), driven.admit()
    driven.end(second, FAILURE)
    driven.now = driven.circuit.recovers_at
    driven.admit()
    driven.prove(first)
    driven.end(first, SUCCESS)
    assert driven.circuit.state == "half_open"


def opened_for(driven: Driven, result: Result = FAILURE) -> float:
    driven.now = max(driven.now, driven.circuit.recovers_at)
    driven.end(driven.admit(), result)
    return driven.circuit.recovers_at - driven.now


@pytest.mark.parametrize(
    ("chance", "expected"),
    [
        pytest.param(0.0, [15.0, 30.0, 60.0, 120.0, 150.0, 150.0], id="earliest"),
        pytest.param(1.0, [30.0, 60.0, 120.0, 240.0, 300.0, 300.0], id="latest"),
    ],
)
def test_the_open_time_grows_with_each_open_in_a_row(chance: float, expected: list[float]) -> None:
    """Equal jitter: between half of it and all of it; 300 s at most."""
    driven = Driven(chance, failure_threshold=1)
    assert [opened_for(driven) for _ in expected] == pytest.approx(expected)


def test_the_open_time_does_not_overflow_and_starts_anew_after_closing() -> None:
    """2.0 ** 1024 raises."""
    driven = Driven(failure_threshold=1, half_open_success_threshold=1)
    assert [opened_for(driven) for _ in range(1100)][-1] == 300.0
    driven.now = driven.circuit.recovers_at
    driven.calls(S)
    assert opened_for(driven) == 30.0


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(None, 30.0), (0.0, 30.0), (10.0, 30.0), (100.0, 100.0), (86400.0, 300.0)],
)
def test_the_open_time_is_no_shorter_than_the_server_asks(asked: float | None, expected: float) -> None:
    """Up to the limit."""
    driven = Driven(failure_threshold=1)
    assert opened_for(driven, Result(Verdict.FAILURE, "OverloadedError", asked)) == expected


def test_a_recovery_timeout_over_the_limit_is_the_limit() -> None:
    """Who sets 600 s gets 600 s."""
    driven = Driven(failure_threshold=1, recovery_timeout=600.0)
    assert [opened_for(driven) for _ in range(3)] == [600.0] * 3


WINDOW = Window(size=10, min_calls=4, failure_rate=0.5)


@pytest.mark.parametrize(
    ("window", "results", "state"),
    [
        pytest.param(WINDOW, [F, F, F], "closed", id="too-few-calls"),
        pytest.param(WINDOW, [F, F, F, N], "closed", id="ignored-is-in-no-denominator"),
        pytest.param(WINDOW, [F, F, S, S], "closed", id="a-success-does-not-open"),
        pytest.param(WINDOW, [F, S, S, F], "open", id="the-rate-is-reached"),
        pytest.param(WINDOW, [S, S, S, F, F], "closed", id="below-the-rate"),
        pytest.param(WINDOW, [S, S, L, L], "open", id="slow-counts-as-failure"),
        pytest.param(
            Window(size=10, min_calls=4, failure_rate=None, slow_rate=0.5), [F, F, F, L], "closed", id="only-slow"
        ),
        pytest.param(
            Window(size=10, min_calls=4, failure_rate=None, slow_rate=0.5), [S, L, F, L], "open", id="slow-rate"
        ),
        pytest.param(
            Window(size=10, min_calls=4, failure_rate=0.5, slow_rate=0.75), [S, S, L, F], "closed", id="apart"
        ),
        pytest.param(Window(kind="time", min_calls=4), [F, S, S, F], "open", id="by-time"),
        pytest.param(Window(size=30, min_calls=30, failure_rate=0.1), [S] * 27 + [F] * 3, "open", id="0.1-of-30"),
    ],
)
def test_a_window_judges_by_shares(window: Window, results: list[str], state: str) -> None:
    """`failure_threshold` has no say then."""
    driven = Driven(window=window, slow_call=1.0, failure_threshold=1)
    driven.calls(*results)
    assert driven.state == state


def test_after_closing_the_window_is_empty() -> None:
    """The failures that opened the circuit do not open it again."""
    driven = Driven(window=WINDOW, half_open_success_threshold=1)
    driven.calls(F, F, F, F)
    driven.now += 30.0
    driven.calls(S, F, F, F)
    assert (driven.state, driven.circuit.snapshot(driven.now).call_count) == ("closed", 3)


@pytest.mark.parametrize("state", ["forced_open", "disabled", "metrics_only"])
def test_a_person_decides(state: str) -> None:
    """Until the reset, whatever happens and however long it takes."""
    driven = Driven(failure_threshold=2)
    before = driven.admit()
    driven.calls(F)
    driven.circuit.force(CircuitState(state), driven.now)
    driven.end(before, FAILURE)
    for _ in range(10):
        driven.now += 1000.0
        if state == "forced_open":
            assert driven.refused() == Refusal(CircuitState.FORCED_OPEN, None, None)
        else:
            driven.calls(F)
    assert driven.state == state
    assert driven.circuit.failure_count(driven.now) == (10 if state == "metrics_only" else 0)
    driven.circuit.force(CircuitState.CLOSED, driven.now)
    assert (driven.state, driven.circuit.failure_count(driven.now)) == ("closed", 0)
    assert driven.moves == [("closed", state, 0), (state, "closed", 0)]


def test_a_reset_of_a_closed_circuit_is_no_transition() -> None:
    """But the count is gone, and calls on their way no longer count."""
    driven = Driven(failure_threshold=2)
    on_its_way = driven.admit()
    driven.calls(F)
    driven.circuit.force(CircuitState.CLOSED, driven.now)
    driven.end(on_its_way, FAILURE)
    assert (driven.moves, driven.circuit.failure_count(driven.now)) == ([], 0)


def test_a_snapshot_shows_it_all() -> None:
    """Counts, probes, times."""
    driven = Driven(failure_threshold=2)
    driven.calls(F, F)
    driven.refused()
    driven.now += 10.0
    snapshot = driven.circuit.snapshot(driven.now)
    assert (snapshot.state, snapshot.failure_count, snapshot.call_count, snapshot.slow_count) == ("open", 2, 2, 0)
    assert (snapshot.refused, snapshot.opens, snapshot.retry_after, snapshot.in_flight) == (1, 1, 20.0, 0)
    assert snapshot.last_failure == "ServerError"
    driven.now += 20.0
    driven.admit()
    snapshot = driven.circuit.snapshot(driven.now)
    assert (snapshot.state, snapshot.probes, snapshot.in_flight, snapshot.retry_after) == ("half_open", 1, 1, None)
