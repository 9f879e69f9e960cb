"""One circuit as a state machine. Pure: time and randomness are arguments; it takes no lock and runs no observer.

============  =======================================  =============================  ===============================
state         a call arrives                           a success is recorded          a failure is recorded
============  =======================================  =============================  ===============================
CLOSED        admitted                                 counted                        counted; OPEN if the meter trips
OPEN          refused before `recovers_at`; from then  dropped                        dropped
              on HALF_OPEN, admitted as first probe
HALF_OPEN     admitted as a probe; refused if all      CLOSED, once there are         OPEN, for longer than before
              `half_open_max_probes` places are taken  `half_open_success_threshold`
FORCED_OPEN   refused                                  dropped                        dropped
DISABLED      admitted                                 not counted                    not counted
METRICS_ONLY  admitted                                 counted                        counted
============  =======================================  =============================  ===============================

A slow call is a failure in this table; a window with a `slow_rate` counts slow calls apart from failures, but a slow
probe opens the circuit all the same. An ignored result (a 400, a consumer that left) is not counted; it only frees the
place of a probe. `force` leads from any state to the one that an operator chooses.

Every transition begins a new generation, and results of an older generation are dropped: a call that was admitted
before the circuit opened says nothing about the time after. Each permit is returned with `record`; a second time has
no effect.
"""

from collections.abc import Callable

from attrs import define, field

from ._config import CircuitBreakerConfig
from ._values import Change, CircuitSnapshot, CircuitState, Refusal, Result, Verdict
from ._windows import Meter, adjusted, make_meter

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
FORCED_OPEN, DISABLED = CircuitState.FORCED_OPEN, CircuitState.DISABLED
_SUCCESS, _FAILURE, _IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED

# 2.0 ** 1024 raises OverflowError; an exponent of 60 is already beyond every limit.
_LARGEST_EXPONENT = 60


@define(eq=False)
class Permit:
    """Held by an admitted attempt until it ends. Times are monotonic seconds."""

    circuit: "Circuit | None" = None
    """The circuit that it was asked of; None while it was asked of none."""
    generation: int = 0
    probe: bool = False
    lease: float = 0.0
    """Seconds for which a probe keeps its place."""
    lease_until: float = 0.0
    """From when on the place of this probe may go to another call."""
    proven: bool = False
    """Whether this probe has already succeeded, at its first content event."""
    slow: bool = False

    def postpone(self, until: float) -> None:
        """Let the lease begin at `until`, until when the attempt waits before it is sent."""
        self.lease_until = max(self.lease_until, until + self.lease)


@define(eq=False)
class Circuit:
    """The circuit of one key: admits attempts and counts their results."""

    key: str
    config: CircuitBreakerConfig
    changed: Callable[[Change], object]
    """Called with each transition; it must only queue it for the observers."""
    last_used: float
    state: CircuitState = CLOSED
    recovers_at: float = 0.0
    last_failure: str | None = None
    _generation: int = 0
    _opens: int = 0
    _refused: int = 0
    _successes: int = 0
    _held: set[Permit] = field(factory=set[Permit])
    """All permits that are not given back."""
    _probes: set[Permit] = field(factory=set[Permit])
    """Probes that take one of the `half_open_max_probes` places."""
    _proven: set[Permit] = field(factory=set[Permit])
    """Probes that have succeeded and whose streams still run. They take no place."""
    _meter: Meter = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._meter = make_meter(self.config)

    @property
    def in_flight(self) -> int:
        """How many permits are not given back."""
        return len(self._held)

    def state_at(self, now: float) -> CircuitState:
        """Return the state that a call would find at `now`: an open circuit that may be probed is half-open."""
        return HALF_OPEN if self.state is OPEN and now >= self.recovers_at else self.state

    def admit(self, now: float, permit: Permit | None = None) -> Permit | Refusal:
        """Admit an attempt at `now` with `permit`, or return the `Refusal`.

        A caller that has stored `permit` beforehand can return it even after an interrupt.
        """
        permit = Permit() if permit is None else permit
        permit.circuit = self
        self.last_used = now
        state = self.state
        if state is CLOSED:
            return self._grant(permit)
        if state is OPEN and now >= self.recovers_at:
            self._move(HALF_OPEN, now)
            state = HALF_OPEN
        if state is HALF_OPEN:
            return self._probe(now, permit)
        if state is OPEN or state is FORCED_OPEN:
            return self._refuse(self.recovers_at if state is OPEN else None)
        return self._grant(permit)

    def _grant(self, permit: Permit) -> Permit:
        permit.generation = self._generation
        self._held.add(permit)
        return permit

    def _probe(self, now: float, permit: Permit) -> Permit | Refusal:
        self._probes = {probe for probe in self._probes if probe.lease_until > now}
        if len(self._probes) >= self.config.half_open_max_probes:
            return self._refuse(min(probe.lease_until for probe in self._probes))
        permit.probe, permit.lease = True, self.config.probe_lease
        permit.postpone(now)
        self._probes.add(permit)
        return self._grant(permit)

    def _refuse(self, recovers_at: float | None) -> Refusal:
        self._refused += 1
        return Refusal(self.state, recovers_at, self.last_failure)

    def prove(self, permit: Permit, result: Result, now: float, random: Callable[[], float]) -> None:
        """Count a probe at its first content event, while its stream continues. Other attempts count at their end."""
        if not permit.probe or permit.proven or permit.generation != self._generation:
            return
        permit.proven = True
        self._probes.discard(permit)
        self._proven.add(permit)
        self._count(result, now, random)

    def record(self, permit: Permit, result: Result, now: float, random: Callable[[], float]) -> None:
        """Take `permit` back and count how its attempt ended. A probe that has succeeded can only become a failure."""
        if permit not in self._held:  # it was refused, or has been returned
            self._probes.discard(permit)
            return
        self.last_used = now
        current = permit.generation == self._generation and result.verdict is not _IGNORED
        if permit.probe:
            self._probes.discard(permit)
            self._proven.discard(permit)
        if current and (not permit.proven or result.verdict is _FAILURE):
            self._count(result, now, random)
        self._held.discard(permit)

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
        """Return the seconds to stay open: doubled each time in a row, with equal jitter; `asked` if that is longer.

        `asked` is the server's ``Retry-After``. Both are capped at `max_open_time`, or `recovery_timeout` if longer.
        """
        first = self.config.recovery_timeout
        limit = max(first, self.config.max_open_time)
        whole = min(first * 2.0 ** min(self._opens - 1, _LARGEST_EXPONENT), limit)
        return max(whole * (1 + chance) / 2, min(asked or 0.0, limit))

    def _close(self, now: float) -> None:
        proven = self._proven
        self._fresh()
        self._move(CLOSED, now)
        # These probes closed the circuit: if one of their streams breaks later, the new generation has a failure.
        for permit in proven:
            permit.generation = self._generation

    def force(self, state: CircuitState, now: float) -> None:
        """Go to `state` because an operator says so, and reset all counts."""
        self._fresh()
        self.last_failure = None
        if self.state is state:
            self._generation += 1
        else:
            self._move(state, now)

    def trip(self, until: float, now: float) -> None:
        """Open until `until` for failures that another has seen. A circuit that an operator has forced stays so."""
        self.last_used = now
        if self.state is OPEN:
            self.recovers_at = max(self.recovers_at, until)
        elif self.state is CLOSED or self.state is HALF_OPEN:
            self.recovers_at = until
            self._move(OPEN, now)

    def adjust(self, config: CircuitBreakerConfig, now: float) -> None:
        """Go on with other settings. The state, the counts and the permits stay; what is open recovers as planned."""
        self.config, self._meter = config, adjusted(self._meter, config, now)

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
        """Return the number of failures in a row or, with a window, of those in the window."""
        return self._meter.totals(now).failures

    def snapshot(self, now: float) -> CircuitSnapshot:
        """Return the state and the counts at `now`."""
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
