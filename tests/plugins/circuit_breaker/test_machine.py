"""Any sequence of events, against a model that says the same in the plainest way."""

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from unbroken_circuit_breaker import CircuitBreakerConfig, CircuitState
from unbroken_circuit_breaker._circuit import Circuit, Permit
from unbroken_circuit_breaker._values import IGNORED, SLOW, SUCCESS, Refusal, Result, Verdict

THRESHOLD, SUCCESSES, PROBES, LEASE, RECOVERY = 2, 2, 2, 20, 10
CHANCE = 1.0
FAILURE = Result(Verdict.FAILURE, "ServerError")
RESULTS = {"success": SUCCESS, "failure": FAILURE, "slow": SLOW, "ignored": IGNORED}
RESULT = st.sampled_from(["success", "success", "failure", "failure", "slow", "ignored"])
reached: Counter[str] = Counter()


class Ticket:
    """What the model knows of a call on its way: during which stay in a state it was admitted."""

    def __init__(self, permit: Permit, stay: int, probe: bool, now: int) -> None:
        self.permit, self.stay, self.probe, self.since = permit, stay, probe, now
        self.succeeded = False


class Breaker(RuleBasedStateMachine):
    """The circuit beside its model: a state, a count, the time of opening, and the calls on their way."""

    def __init__(self) -> None:
        super().__init__()
        config = CircuitBreakerConfig(
            failure_threshold=THRESHOLD,
            half_open_success_threshold=SUCCESSES,
            half_open_max_probes=PROBES,
            probe_lease=LEASE,
            recovery_timeout=RECOVERY,
            max_open_time=RECOVERY * 4,
        )
        self.circuit = Circuit("key", config, [].append, 0.0)
        self.now = 0
        self.state, self.stay = "closed", 0
        self.failures = self.successes = self.opens = 0
        self.until = 0.0
        self.out: list[Ticket] = []
        self.states: set[str] = set()
        self.person = False

    def go(self, state: str) -> None:
        self.state, self.stay, self.successes = state, self.stay + 1, 0
        self.states.add(state)

    def open(self) -> None:
        self.opens += 1
        self.until = self.now + min(RECOVERY * 2 ** (self.opens - 1), RECOVERY * 4)
        self.go("open")

    def counts(self, ticket: Ticket, result: str) -> None:
        """Say what a result means for the model."""
        if ticket.stay != self.stay or result == "ignored" or self.state == "disabled":
            return
        if self.state in {"closed", "metrics_only"}:
            self.failures = 0 if result == "success" else self.failures + 1
            if self.state == "closed" and self.failures >= THRESHOLD:
                self.open()
        elif result == "success":
            self.successes += 1
            if self.successes == SUCCESSES:
                stay = self.stay
                self.failures = self.opens = 0
                self.go("closed")
                self.states.add("closed again")
                for other in self.out:
                    if other.stay == stay and other.succeeded:
                        other.stay = self.stay
        else:
            self.failures += 1
            self.open()

    @initialize(number=st.integers(0, 3))
    def somebody_is_there(self, number: int) -> None:
        """In one example of four: a person who interferes keeps the circuit from getting far by itself."""
        self.person = number == 3

    @rule(seconds=st.one_of(st.none(), st.integers(1, 12)))
    def time_passes(self, seconds: int | None) -> None:
        """So much, or as much as an open circuit needs."""
        self.now = max(self.now, int(self.until)) if seconds is None else self.now + seconds

    @rule(results=st.lists(RESULT, min_size=1, max_size=4), pause=st.booleans())
    def whole_calls(self, results: list[str], pause: bool) -> None:
        """One after the other; such are most."""
        for result in results:
            if pause:
                self.time_passes(None)
            before = len(self.out)
            self.a_call_begins()
            if len(self.out) > before:
                self.ends(self.out[-1], result)

    @rule()
    def a_call_begins(self) -> None:
        answer = self.circuit.admit(float(self.now))
        if self.state == "open" and self.now >= self.until:
            self.go("half_open")
        probing = [
            one
            for one in self.out
            if one.stay == self.stay and one.probe and not one.succeeded and one.since + LEASE > self.now
        ]
        if self.state in {"open", "forced_open"} or (self.state == "half_open" and len(probing) >= PROBES):
            assert isinstance(answer, Refusal)
            when = {"open": self.until, "forced_open": None}
            if self.state in when:
                assert answer.recovers_at == when[self.state]
            else:
                assert answer.recovers_at == min(one.since for one in probing) + LEASE
        else:
            assert isinstance(answer, Permit)
            assert answer.probe is (self.state == "half_open")
            self.out.append(Ticket(answer, self.stay, answer.probe, self.now))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), slow=st.booleans())
    def a_first_event_comes(self, data: st.DataObject, slow: bool) -> None:
        ticket = data.draw(st.sampled_from(self.out))
        self.circuit.prove(ticket.permit, SLOW if slow else SUCCESS, float(self.now), lambda: CHANCE)
        if ticket.probe and not ticket.succeeded and ticket.stay == self.stay:
            ticket.succeeded = True
            self.counts(ticket, "slow" if slow else "success")

    @precondition(lambda self: self.out)
    @rule(data=st.data(), result=RESULT)
    def a_call_ends(self, data: st.DataObject, result: str) -> None:
        self.ends(data.draw(st.sampled_from(self.out)), result)

    def ends(self, ticket: Ticket, result: str) -> None:
        self.out.remove(ticket)
        self.circuit.record(ticket.permit, RESULTS[result], float(self.now), lambda: CHANCE)
        if not ticket.succeeded or result == "failure":
            self.counts(ticket, result)

    @precondition(lambda self: self.person)
    @rule(state=st.sampled_from(["closed", "forced_open", "disabled", "metrics_only"]))
    def a_person_decides(self, state: str) -> None:
        self.circuit.force(CircuitState(state), float(self.now))
        self.failures = self.opens = 0
        self.go(state)

    @invariant()
    def they_agree(self) -> None:
        snapshot = self.circuit.snapshot(float(self.now))
        state = "half_open" if self.state == "open" and self.now >= self.until else self.state
        assert (snapshot.state, snapshot.failure_count) == (state, self.failures)
        assert (snapshot.in_flight, snapshot.opens) == (len(self.out), self.opens)
        assert snapshot.probes <= PROBES

    def teardown(self) -> None:
        for ticket in self.out:
            self.circuit.record(ticket.permit, IGNORED, float(self.now), lambda: CHANCE)
        assert self.circuit.in_flight == 0
        reached.update({"examples": 1, **dict.fromkeys(self.states, 1)})


def test_the_circuit_and_its_model_agree() -> None:
    """And most examples get to the states where it is interesting: a model that is never tried proves nothing."""
    reached.clear()
    run_state_machine_as_test(
        Breaker,
        settings=settings(
            derandomize=True,
            database=None,
            deadline=None,
            max_examples=150,
            stateful_step_count=40,
            suppress_health_check=list(HealthCheck),
        ),
    )
    share = {state: count / reached["examples"] for state, count in reached.items()}
    assert reached["examples"] >= 100
    assert share["half_open"] >= 0.35, share
    assert share["closed again"] >= 0.25, share
    assert min(share.get(state, 0.0) for state in CircuitState) > 0.0, share
