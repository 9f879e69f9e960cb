"""A breaker that is tried out, and the circuits of calls that go elsewhere."""

from typing import Any

import pytest

from unbroken import Call, CircuitOpenError, Plugin, Reject, Request, TryAgain, hookimpl
from unbroken.decisions import Decision
from unbroken.testing import BACKENDS, Answer, FakeClock, check_plugin, play, sse
from unbroken_circuit_breaker import CircuitBreaker

OK, DOWN = Answer(body=sse("word")), Answer(status=503)
ONE, OTHER = "https://api.example.org:443", "https://other.example.org:443"


class Watches(Plugin):
    """Notes what is decided, and how circuits change."""

    name = "watches"

    def __init__(self) -> None:
        super().__init__()
        self.decided: list[Decision] = []
        self.changed: list[tuple[str, str]] = []

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        self.decided.append(decision)

    @hookimpl(optional=True)
    def on_circuit_state_change(self, circuit: str, new: str) -> None:
        self.changed.append((circuit, str(new)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_open_circuit_in_shadow_rejects_nobody(backend: Any) -> None:
    """It says whom it would have rejected, opens, and closes by the probes that it would have admitted."""
    clock, watches = FakeClock(), Watches()
    breaker = CircuitBreaker(failure_threshold=2, half_open_success_threshold=1, shadow=True)

    def call(answer: Answer) -> None:
        played = play([answer], [breaker, watches], clock=clock, backend=backend)
        assert (len(played.requests), played.error is None) == (1, answer is OK)

    for answer in (DOWN, DOWN, OK, DOWN):
        call(answer)
    assert breaker.state == "open"
    refused = [decision for decision in watches.decided if isinstance(decision, Reject)]
    assert len(refused) == len(watches.decided) == 2
    for decision in refused:
        assert decision.shadow
        assert isinstance(decision.error, CircuitOpenError)
        assert decision.error.is_local
    clock.advance(30.0)
    call(OK)
    assert (breaker.state, len(watches.decided)) == ("closed", 2)
    assert watches.changed == [("default (shadow)", state) for state in ("open", "half_open", "closed")]
    assert breaker.snapshot()[ONE].in_flight == 0


def test_the_contract_holds_in_shadow() -> None:
    """Nothing is held back there either."""
    check_plugin(
        lambda: CircuitBreaker(failure_threshold=1, shadow=True),
        held=lambda breaker: sum(circuit.in_flight for circuit in breaker.snapshot().values()),
    )


class Elsewhere(Plugin):
    """Goes to another host after the first failure."""

    name = "elsewhere"

    def should_retry(self, call: Call, error: Exception) -> TryAgain | None:
        other = Request.build("POST", "https://other.example.org/")
        return TryAgain(request=other, fresh=True) if len(call.history) == 0 else None


@pytest.mark.parametrize("settings", [{}, {"key": lambda call: call.current.origin}], ids=["default", "function"])
def test_the_circuit_is_that_of_the_host_where_the_attempt_goes(settings: dict[str, Any]) -> None:
    """The failure of the first host is its own."""
    breaker = CircuitBreaker(failure_threshold=1, **settings)
    assert play([DOWN, OK], [Elsewhere(), breaker]).error is None
    assert {key: str(circuit.state) for key, circuit in breaker.snapshot().items()} == {ONE: "open", OTHER: "closed"}
    assert all(circuit.in_flight == 0 for circuit in breaker.snapshot().values())
    breaker.reset()
    played = play([DOWN, DOWN], [Elsewhere(), breaker])
    assert played.failure.status_code == 503
    assert {key: circuit.failure_count for key, circuit in breaker.snapshot().items()} == {ONE: 1, OTHER: 1}


def test_a_permit_remembers_its_circuit() -> None:
    """A plugin behind sends the attempt elsewhere: it counts where it was admitted."""

    class Moves(Plugin):
        name = "moves"

        def before_request(self, call: Call, request: Request) -> Request:
            return Request.build("POST", "https://other.example.org/")

    breaker = CircuitBreaker(failure_threshold=1)
    play([DOWN], [breaker, Moves()])
    assert {key: str(circuit.state) for key, circuit in breaker.snapshot().items()} == {ONE: "open"}
