"""The policy: which attempts may be sent, and what their outcomes say about the upstream."""

from typing import Any, ClassVar, Self, Unpack

from unbroken import (
    Call,
    CircuitOpenError,
    Clock,
    Error,
    Event,
    EventTooLargeError,
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
    StreamError,
    SystemClock,
    TimeoutError,
    Wait,
)
from unbroken.validators import checked_seconds

from ._circuit import Permit
from ._config import CircuitBreakerConfig, CircuitBreakerOptions
from ._keys import Circuits
from ._notify import CircuitBreakerSpecs, Notifier
from ._values import IGNORED, SLOW, SUCCESS, CircuitSnapshot, CircuitState, Refusal, Result, Verdict

# Worst first: `CircuitBreaker.state` is the worst state of several circuits.
_SEVERITY = (
    CircuitState.FORCED_OPEN,
    CircuitState.OPEN,
    CircuitState.HALF_OPEN,
    CircuitState.CLOSED,
    CircuitState.METRICS_ONLY,
    CircuitState.DISABLED,
)


class CircuitBreaker(Plugin):
    """Rejects calls to an upstream that keeps failing, and probes it until it has recovered.

    ``CircuitBreaker(failure_threshold=5, recovery_timeout=30)``. A rejected call raises `CircuitOpenError` at once. Put
    the breaker behind the retry policy, so that it sees each attempt, and in front of the rate limit. One breaker may
    serve several clients: they share its circuits, and it keeps the observers of all of them for as long as it exists.
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
        self._permit: Key[Permit] = Key("circuit-breaker.permit")  # its own, as another breaker may be in the list
        self._key, self._slow_call = self.config.key, self.config.slow_call
        self._told_as = self.config.circuit + " (shadow)" * self.config.shadow
        self._notifier = Notifier(self._told_as)
        self._circuits = Circuits(self.config, CircuitState(self.config.initial_state), self._notifier.add)
        self._inbox = Inbox()
        self._untold = self._notifier.changes
        self._clock: Clock = SystemClock()

    def bind(self, relay: Any, clock: Clock) -> None:
        """Add the observers of a client and take its clock."""
        self._notifier.observe(relay)
        self._clock = clock

    def adopt(self, old: Self) -> None:
        """Go on with the circuits of `old`, which are common to both from now on, under the settings of this one.

        A breaker that has circuits of its own keeps them.
        """
        if self._circuits is old._circuits or self._circuits.is_untouched:
            old._inbox.do(self._take_over, old, self._clock.monotonic())
            self._tell()

    def _take_over(self, old: Self, now: float) -> None:
        self._circuits, self._inbox = old._circuits, old._inbox
        old._notifier.become(self._told_as, self._notifier)
        self._notifier, self._untold = old._notifier, old._untold
        self._circuits.adjust(self.config, now)

    # Hooks of a call.

    def before_request(self, call: Call, request: Request) -> Reject | None:
        """Admit the attempt, or return `Reject` with a CircuitOpenError."""
        key = request.origin if self._key is None else self._key(call)
        now = call.now()
        permit = Permit()
        call.set(self._permit, permit)  # before it is granted, so that an interrupt cannot lose it
        answer = self._inbox.do(self._admit, key, now, permit)
        refusal = None
        if answer is not permit:
            call.pop(self._permit)
        if isinstance(answer, Refusal):
            refusal = Reject(self._refused(key, answer, now), shadow=self.config.shadow)
        if self._untold:
            self._tell()
        return refusal

    def _admit(self, key: str, now: float, permit: Permit) -> Permit | Refusal | None:
        circuit = self._circuits.get(key, now)
        return None if circuit is None else circuit.admit(now, permit)

    def on_decision(self, call: Call, decision: object, plugin: str) -> None:
        """Let the lease of a probe begin after a wait that a later policy asks for."""
        permit = call.get(self._permit)
        if permit is not None and isinstance(decision, Wait) and not decision.shadow:
            permit.postpone(call.now() + decision.seconds)

    def on_commit(self, call: Call, event: Event) -> None:
        """Note whether the first content event was slow, and count a probe by it."""
        permit, slow_call = call.get(self._permit), self._slow_call
        if permit is None or not (permit.probe or slow_call) or call.sent_at is None or permit.circuit is None:
            return
        now = call.now()
        first = now if call.first_content_at is None else call.first_content_at
        permit.slow = slow_call is not None and first - call.sent_at > slow_call
        if permit.probe:
            self._inbox.put(permit.circuit.prove, permit, SLOW if permit.slow else SUCCESS, now, call.random)
            self._tell()

    def after_request(self, call: Call, outcome: Outcome) -> None:
        """Return the permit, however the attempt ended, and count its outcome."""
        permit = call.get(self._permit)
        if permit is not None and permit.circuit is not None:
            result = self._judged(call, outcome, permit)
            self._inbox.put(permit.circuit.record, permit, result, call.now(), call.random)
            call.pop(self._permit)  # not before: after an interrupt this hook is called again
            if self._untold:
                self._tell()

    def _tell(self) -> None:
        """Notify the observers, unless this thread is still inside a change: it comes here again after that."""
        if not self._inbox.held_here:
            self._untold.drain()

    def _judged(self, call: Call, outcome: Outcome, permit: Permit) -> Result:
        if outcome.status == "success" and call.response is not None:  # a replay says nothing about the upstream
            return SLOW if permit.slow else SUCCESS
        error = outcome.error
        if outcome.status != "failure" or error is None or not self._to_blame(call, error):
            return IGNORED
        return Result(Verdict.FAILURE, type(error).__name__, error.retry_after)

    def _to_blame(self, call: Call, error: Error) -> bool:
        """Return whether `error` is the fault of the upstream: not of this client, the request or a short timeout."""
        if error.is_local:
            return False
        if isinstance(error, RateLimitError):
            return self.config.count_429
        if isinstance(error, TimeoutError):
            # The total timeout also ends a long but healthy stream. Without a first event there is no sign of health.
            return error.timeout != "total" or call.first_content_at is None
        if isinstance(error, StreamError):
            # An answer that began well and then breaks its format. The limit that an event exceeds is this client's.
            return call.first_content_at is not None and not isinstance(error, EventTooLargeError)
        return isinstance(error, NetworkError | ServerError) or (error.status_code or 0) >= 500

    def _refused(self, key: str, refusal: Refusal, now: float) -> CircuitOpenError:
        name, recovers_at = self.config.circuit, refusal.recovers_at
        where = f" for {key}" if self._key is None else ""  # the user's own keys may hold secrets
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

    # Methods for operators. Without a key they apply to all circuits, including those created later.

    @property
    def state(self) -> CircuitState:
        """The state of the circuit; of several, the worst. Open becomes half-open with time alone, without a call."""
        states = {snapshot.state for snapshot in self.snapshot().values()} or {self._circuits.state}
        return min(states, key=_SEVERITY.index)

    @property
    def failure_count(self) -> int:
        """The failures in a row or, with a window, those in the window; of several circuits, the largest number."""
        return max((snapshot.failure_count for snapshot in self.snapshot().values()), default=0)

    def state_of(self, key: str) -> CircuitState:
        """Return the state of the circuit of `key`, or the state in which it would begin."""
        snapshot = self._looked(key).get(key)
        return self._circuits.state if snapshot is None else snapshot.state

    def failure_count_of(self, key: str) -> int:
        """Return the failure count of the circuit of `key`, 0 if there is none."""
        snapshot = self._looked(key).get(key)
        return 0 if snapshot is None else snapshot.failure_count

    def snapshot(self) -> dict[str, CircuitSnapshot]:
        """Return the present state of all circuits by key."""
        return self._looked(None)

    def _looked(self, key: str | None) -> dict[str, CircuitSnapshot]:
        circuits = self._inbox.do(self._snapshots, key, self._clock.monotonic())
        self._tell()
        return circuits

    def _snapshots(self, key: str | None, now: float) -> dict[str, CircuitSnapshot]:
        found = self._circuits.all(now) if key is None else [self._circuits.find(key, now)]
        return {circuit.key: circuit.snapshot(now) for circuit in found if circuit is not None}

    def reset(self, key: str | None = None) -> None:
        """Close the circuit and reset its counts. Calls that are still running no longer count."""
        self._force(key, CircuitState.CLOSED)

    def force_open(self, key: str | None = None) -> None:
        """Reject all calls until `reset`."""
        self._force(key, CircuitState.FORCED_OPEN)

    def trip(self, key: str, seconds: float) -> None:
        """Open the circuit of `key` for `seconds`, after which it is probed: another process has seen it fail."""
        now = self._clock.monotonic()
        self._inbox.do(self._trip, key, now + checked_seconds(seconds), now)
        self._tell()

    def _trip(self, key: str, until: float, now: float) -> None:
        circuit = self._circuits.get(key, now)
        if circuit is not None:
            circuit.trip(until, now)

    def disable(self, key: str | None = None) -> None:
        """Admit all calls and count nothing, until `reset`."""
        self._force(key, CircuitState.DISABLED)

    def metrics_only(self, key: str | None = None) -> None:
        """Admit all calls and only count their outcomes, until `reset`."""
        self._force(key, CircuitState.METRICS_ONLY)

    def _force(self, key: str | None, state: CircuitState) -> None:
        self._inbox.do(self._circuits.force, key, state, self._clock.monotonic())
        self._tell()
