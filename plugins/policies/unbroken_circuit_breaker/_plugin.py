"""The policy: which calls may pass, and what their ends say of the upstream."""

from typing import Any, ClassVar, Unpack

from unbroken import (
    Call,
    CircuitOpenError,
    Clock,
    Error,
    Event,
    Inbox,
    Key,
    NetworkError,
    Order,
    Outcome,
    Plugin,
    RateLimitError,
    Reject,
    Request,
    ServerError,
    SystemClock,
    TimeoutError,
    Wait,
)

from ._circuit import Permit
from ._config import CircuitBreakerConfig, CircuitBreakerOptions
from ._keys import Circuits
from ._notify import CircuitBreakerSpecs, Notifier
from ._values import IGNORED, SLOW, SUCCESS, CircuitSnapshot, CircuitState, Refusal, Result, Verdict

PERMIT: Key[Permit] = Key("circuit-breaker.permit")

# The worst is first: what `state` says of many circuits.
_SEVERITY = (
    CircuitState.FORCED_OPEN,
    CircuitState.OPEN,
    CircuitState.HALF_OPEN,
    CircuitState.CLOSED,
    CircuitState.METRICS_ONLY,
    CircuitState.DISABLED,
)


class CircuitBreaker(Plugin):
    """Refuses to send to an upstream that keeps failing, and lets probes find out when it is back.

    ``CircuitBreaker(failure_threshold=5, recovery_timeout=30)``. A refused call raises `CircuitOpenError` at once. Put
    it behind the retry policy, so that it sees each attempt, and in front of the rate limit. One breaker may serve
    several clients: they share its circuits, and it keeps the observers of all of them for as long as it lives.
    """

    name: ClassVar[str] = "circuit-breaker"
    Config: ClassVar[type[Any]] = CircuitBreakerConfig
    hookspecs: ClassVar[Any] = CircuitBreakerSpecs
    order: ClassVar[tuple[Order, ...]] = (
        Order(("rate-limit",), "calls that an open circuit refuses have already spent tokens"),
    )
    config: CircuitBreakerConfig

    def __init__(self, config: CircuitBreakerConfig | None = None, /, **options: Unpack[CircuitBreakerOptions]) -> None:
        super().__init__(config, **options)
        self._key, self._slow_call = self.config.key, self.config.slow_call
        self._notifier = Notifier(self.config.circuit)
        self._circuits = Circuits(self.config, CircuitState(self.config.initial_state), self._notifier.add)
        self._inbox = Inbox()
        self._untold = self._notifier.changes
        self._clock: Clock = SystemClock()

    def bind(self, relay: Any, clock: Clock) -> None:
        """Take the observers and the clock of a client."""
        self._notifier.observe(relay)
        self._clock = clock

    # What a call does.

    def before_request(self, call: Call, request: Request) -> Reject | None:
        """Let the attempt pass, or refuse it."""
        key = request.origin if self._key is None else self._key(call)
        now = call.now()
        answer = self._inbox.do(self._admit, key, now)
        refusal = None
        if isinstance(answer, Permit):
            call.set(PERMIT, answer)
        elif answer is not None:
            refusal = Reject(self._refused(key, answer, now))
        if self._untold:
            self._tell()
        return refusal

    def _admit(self, key: str, now: float) -> Permit | Refusal | None:
        circuit = self._circuits.get(key, now)
        return None if circuit is None else circuit.admit(now)

    def on_decision(self, call: Call, decision: object, plugin: str) -> None:
        """Do not blame the upstream for what a policy behind waits for."""
        permit = call.get(PERMIT)
        if permit is not None and isinstance(decision, Wait):
            permit.postpone(decision.seconds)

    def on_commit(self, call: Call, event: Event) -> None:
        """See how long the first event took, and judge a probe by it."""
        permit, slow_call = call.get(PERMIT), self._slow_call
        if permit is None or not (permit.probe or slow_call) or call.response is None:
            return
        now = call.now()
        permit.slow = slow_call is not None and now - permit.started_at > slow_call
        if permit.probe:
            self._inbox.put(permit.circuit.prove, permit, SLOW if permit.slow else SUCCESS, now, call.random)
            self._tell()

    def after_request(self, call: Call, outcome: Outcome) -> None:
        """Take the permit back, however the attempt ended."""
        permit = call.pop(PERMIT)
        if permit is not None:
            result = self._judged(call, outcome, permit)
            self._inbox.put(permit.circuit.record, permit, result, call.now(), call.random)
            if self._untold:
                self._tell()

    def _tell(self) -> None:
        """Tell of what has changed, unless this very thread is still changing circuits: it comes here afterwards."""
        if not self._inbox.held_here:
            self._untold.drain()

    def _judged(self, call: Call, outcome: Outcome, permit: Permit) -> Result:
        if outcome.status == "success" and call.response is not None:  # a replay says nothing of the upstream
            return SLOW if permit.slow else SUCCESS
        error = outcome.error
        if outcome.status != "failure" or error is None or not self._to_blame(call, error):
            return IGNORED
        return Result(Verdict.FAILURE, type(error).__name__, error.retry_after)

    def _to_blame(self, call: Call, error: Error) -> bool:
        """Whether `error` is the upstream's failure: not ours, not the request's, not the consumer's impatience."""
        if error.is_local:
            return False
        if isinstance(error, RateLimitError):
            return self.config.count_429
        if isinstance(error, TimeoutError):
            # The total timeout also ends a healthy stream that is long; before its first event nothing speaks for it.
            return error.timeout != "total" or call.committed_at is None
        return isinstance(error, NetworkError | ServerError) or (error.status_code or 0) >= 500

    def _refused(self, key: str, refusal: Refusal, now: float) -> CircuitOpenError:
        name, recovers_at = self.config.circuit, refusal.recovers_at
        where = f" for {key}" if self._key is None else ""  # what else a key is made of is not for messages
        why = f"; the last failure was {refusal.last_failure}" if refusal.last_failure else ""
        return CircuitOpenError(
            f"the circuit {name!r}{where} is {refusal.state.replace('_', ' ')}{why}",
            circuit=name,
            key=key,
            recovers_at=recovers_at,
            last_failure=refusal.last_failure,
            retry_after=None if recovers_at is None else max(0.0, recovers_at - now),
            retryable=recovers_at is not None,
        )

    # What a person does. Without a key it is for all circuits, those to come included.

    @property
    def state(self) -> CircuitState:
        """The state of the circuit; of several, the worst. Open turns into half-open with the time, without a call."""
        states = {snapshot.state for snapshot in self.snapshot().values()} or {self._circuits.state}
        return min(states, key=_SEVERITY.index)

    @property
    def failure_count(self) -> int:
        """The failures in a row, or those in the window; of several circuits, the most."""
        return max((snapshot.failure_count for snapshot in self.snapshot().values()), default=0)

    def state_of(self, key: str) -> CircuitState:
        """Return the state of one circuit."""
        snapshot = self._looked(key).get(key)
        return self._circuits.state if snapshot is None else snapshot.state

    def failure_count_of(self, key: str) -> int:
        """Return the failures of one circuit."""
        snapshot = self._looked(key).get(key)
        return 0 if snapshot is None else snapshot.failure_count

    def snapshot(self) -> dict[str, CircuitSnapshot]:
        """Return all circuits by key, as they are at this moment."""
        return self._looked(None)

    def _looked(self, key: str | None) -> dict[str, CircuitSnapshot]:
        circuits = self._inbox.do(self._snapshots, key, self._clock.monotonic())
        self._tell()
        return circuits

    def _snapshots(self, key: str | None, now: float) -> dict[str, CircuitSnapshot]:
        found = self._circuits.all(now) if key is None else [self._circuits.find(key, now)]
        return {circuit.key: circuit.snapshot(now) for circuit in found if circuit is not None}

    def reset(self, key: str | None = None) -> None:
        """Close the circuit and forget what was counted. Calls on their way no longer count."""
        self._force(key, CircuitState.CLOSED)

    def force_open(self, key: str | None = None) -> None:
        """Refuse all calls until `reset`."""
        self._force(key, CircuitState.FORCED_OPEN)

    def disable(self, key: str | None = None) -> None:
        """Let all calls pass and count nothing, until `reset`."""
        self._force(key, CircuitState.DISABLED)

    def metrics_only(self, key: str | None = None) -> None:
        """Let all calls pass and only count, until `reset`."""
        self._force(key, CircuitState.METRICS_ONLY)

    def _force(self, key: str | None, state: CircuitState) -> None:
        self._inbox.do(self._circuits.force, key, state, self._clock.monotonic())
        self._tell()
