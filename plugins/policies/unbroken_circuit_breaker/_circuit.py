"""One circuit as a state machine. Pure: time and chance are arguments, nothing is locked and nobody is called.

Every transition begins a new generation, and the results of older ones are dropped: what was let through before the
circuit opened says nothing of the time after. Each permit is given back exactly once, with `record`.
"""

from collections.abc import Callable

from attrs import define, field

from ._config import CircuitBreakerConfig
from ._values import Change, CircuitSnapshot, CircuitState, Refusal, Result, Verdict
from ._windows import Meter, make_meter

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
FORCED_OPEN, DISABLED = CircuitState.FORCED_OPEN, CircuitState.DISABLED
_SUCCESS, _FAILURE, _IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED

# 2.0 ** 1024 overflows; this much is beyond every limit.
_LARGEST_EXPONENT = 60


@define(eq=False)
class Permit:
    """What a call that passed holds until it ends."""

    circuit: "Circuit"
    generation: int
    started_at: float
    probe: bool = False
    lease_until: float = 0.0
    """When a probe loses its place to another."""
    proven: bool = False
    """Whether this probe has succeeded already, with its first content event."""
    slow: bool = False

    def postpone(self, seconds: float) -> None:
        """Leave out `seconds` that the call spends waiting before it is sent."""
        self.started_at += seconds
        self.lease_until += seconds


@define(eq=False)
class Circuit:
    """Judges the calls of one key."""

    key: str
    config: CircuitBreakerConfig
    changed: Callable[[Change], object]
    """Is given each transition, to tell of it later."""
    last_used: float
    state: CircuitState = CLOSED
    in_flight: int = 0
    recovers_at: float = 0.0
    last_failure: str | None = None
    _generation: int = 0
    _opens: int = 0
    _refused: int = 0
    _successes: int = 0
    _probes: set[Permit] = field(factory=set[Permit])
    """The probes that hold a place."""
    _proven: set[Permit] = field(factory=set[Permit])
    """The probes that have succeeded and are not over."""
    _meter: Meter = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._meter = make_meter(self.config)

    def state_at(self, now: float) -> CircuitState:
        """Return the state that a call would meet at `now`."""
        return HALF_OPEN if self.state is OPEN and now >= self.recovers_at else self.state

    def admit(self, now: float) -> Permit | Refusal:
        """Let a call pass, or not."""
        self.last_used = now
        state = self.state
        if state is CLOSED:
            self.in_flight += 1
            return Permit(self, self._generation, now)
        if state is OPEN and now >= self.recovers_at:
            self._move(HALF_OPEN, now)
            state = HALF_OPEN
        if state is HALF_OPEN:
            return self._probe(now)
        if state is OPEN or state is FORCED_OPEN:
            return self._refuse(self.recovers_at if state is OPEN else None)
        self.in_flight += 1
        return Permit(self, self._generation, now)

    def _probe(self, now: float) -> Permit | Refusal:
        self._probes = {probe for probe in self._probes if probe.lease_until > now}
        if len(self._probes) >= self.config.half_open_max_probes:
            return self._refuse(min(probe.lease_until for probe in self._probes))
        permit = Permit(self, self._generation, now, True, now + self.config.probe_lease)
        self._probes.add(permit)
        self.in_flight += 1
        return permit

    def _refuse(self, recovers_at: float | None) -> Refusal:
        self._refused += 1
        return Refusal(self.state, recovers_at, self.last_failure)

    def prove(self, permit: Permit, result: Result, now: float, random: Callable[[], float]) -> None:
        """Judge a probe by its first content event, while its stream goes on. Others are judged at their end."""
        if not permit.probe or permit.proven or permit.generation != self._generation:
            return
        permit.proven = True
        self._probes.discard(permit)
        self._proven.add(permit)
        self._count(result, now, random)

    def record(self, permit: Permit, result: Result, now: float, random: Callable[[], float]) -> None:
        """Take the permit back, and count how its call ended. A probe that has succeeded can only get worse."""
        self.in_flight -= 1
        self.last_used = now
        if permit.probe:
            self._probes.discard(permit)
            self._proven.discard(permit)
        if permit.generation != self._generation or result.verdict is _IGNORED:
            return
        if not permit.proven or result.verdict is _FAILURE:
            self._count(result, now, random)

    def _count(self, result: Result, now: float, random: Callable[[], float]) -> None:
        verdict = result.verdict
        if self.state is DISABLED:
            return
        good = verdict is _SUCCESS
        if not good:
            self.last_failure = result.cause
        if self.state is HALF_OPEN and good:
            self._successes += 1
            if self._successes >= self.config.half_open_success_threshold:
                self._close(now)
            return
        self._meter.add(verdict, now)
        if self.state is HALF_OPEN or (self.state is CLOSED and not good and self._meter.tripped()):
            self._opens += 1
            self.recovers_at = now + self._open_time(result.retry_after, random())
            self._move(OPEN, now)

    def _open_time(self, asked: float | None, chance: float) -> float:
        """Return the seconds to stay open: doubled with each open in a row, equal-jittered, or as `asked` if longer."""
        first = self.config.recovery_timeout
        limit = max(first, self.config.max_open_time)
        whole = min(first * 2.0 ** min(self._opens - 1, _LARGEST_EXPONENT), limit)
        return max(whole * (1 + chance) / 2, min(asked or 0.0, limit))

    def _close(self, now: float) -> None:
        proven = self._proven
        self._fresh()
        self._move(CLOSED, now)
        # They closed the circuit, so if their streams break after all, that is a failure of the new time.
        for permit in proven:
            permit.generation = self._generation

    def force(self, state: CircuitState, now: float) -> None:
        """Go to `state` by decision of a person, with nothing counted."""
        self._fresh()
        self.last_failure = None
        if self.state is state:
            self._generation += 1
        else:
            self._move(state, now)

    def _fresh(self) -> None:
        self._meter = make_meter(self.config)
        self._opens = 0

    def _move(self, new: CircuitState, now: float) -> None:
        old, self.state = self.state, new
        self._generation += 1
        self._successes = 0
        self._probes, self._proven = set(), set()
        self.changed(Change(self.key, old, new, self.failure_count(now)))

    def failure_count(self, now: float) -> int:
        """Return the failures in a row, or those in the window."""
        return self._meter.totals(now).failures

    def snapshot(self, now: float) -> CircuitSnapshot:
        """Return everything there is to see."""
        totals, state = self._meter.totals(now), self.state_at(now)
        return CircuitSnapshot(
            state=state,
            failure_count=totals.failures,
            call_count=totals.calls,
            slow_count=totals.slow,
            in_flight=self.in_flight,
            probes=sum(probe.lease_until > now for probe in self._probes),
            refused=self._refused,
            opens=self._opens,
            retry_after=self.recovers_at - now if state is OPEN else None,
            last_failure=self.last_failure,
        )
