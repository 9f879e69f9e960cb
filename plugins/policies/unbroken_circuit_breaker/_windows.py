"""Count results: failures in a row, or a sliding window by count or by time. Pure; every operation is O(1)."""

from collections import deque
from typing import Protocol, Self

from attrs import define, field

from ._config import CircuitBreakerConfig, Window
from ._values import Verdict

BUCKETS = 10


# Before Python 3.12 the lookup of an enum member on its class is slow.
_SUCCESS, _FAILURE, _SLOW = Verdict.SUCCESS, Verdict.FAILURE, Verdict.SLOW


@define
class Totals:
    """The number of results of each kind."""

    calls: int = 0
    failures: int = 0
    slow: int = 0

    def add(self, verdict: Verdict) -> None:
        """Add one result."""
        self.calls += 1
        if verdict is not _SUCCESS:
            self._add_bad(verdict, 1)

    def remove(self, verdict: Verdict) -> None:
        """Subtract a result that has left the window."""
        self.calls -= 1
        if verdict is not _SUCCESS:
            self._add_bad(verdict, -1)

    def _add_bad(self, verdict: Verdict, sign: int) -> None:
        if verdict is _SLOW:
            self.slow += sign
        else:
            self.failures += sign


class Meter(Protocol):
    """Counts the results of one circuit."""

    def add(self, verdict: Verdict, now: float) -> None:
        """Count a result. `verdict` is never IGNORED."""
        ...

    def tripped(self) -> bool:
        """Return whether the results so far are bad enough to open the circuit."""
        ...

    def totals(self, now: float) -> Totals:
        """Return the results that count at `now`."""
        ...

    def adopt(self, old: Self, now: float) -> None:
        """Take over the results of a meter with other settings, as far as they still count at `now`."""
        ...


def make_meter(config: CircuitBreakerConfig) -> Meter:
    """Return an empty meter for `config`."""
    if config.window is None:
        return Consecutive(config.failure_threshold)
    return CountWindow(config.window) if config.window.kind == "count" else TimeWindow(config.window)


def adjusted(meter: Meter, config: CircuitBreakerConfig, now: float) -> Meter:
    """Return a meter for `config` with the results of `meter`; an empty one if it counts in another way."""
    made = make_meter(config)
    if type(made) is type(meter):
        made.adopt(meter, now)
    return made


@define(eq=False)
class Consecutive:
    """Failures in a row; slow calls are failures."""

    threshold: int
    failures: int = 0

    def add(self, verdict: Verdict, now: float) -> None:
        """Count a failure; a success resets the count to 0."""
        self.failures = 0 if verdict is _SUCCESS else self.failures + 1

    def tripped(self) -> bool:
        """Return whether the threshold is reached."""
        return self.failures >= self.threshold

    def totals(self, now: float) -> Totals:
        """Return the failures in a row, as calls and as failures."""
        return Totals(self.failures, self.failures)

    def adopt(self, old: Self, now: float) -> None:
        """Take over the failures in a row."""
        self.failures = old.failures


def _tripped(window: Window, totals: Totals) -> bool:
    if totals.calls < window.min_calls:
        return False
    # Divided, not multiplied: 0.07 * 100 is more than 7 in floating point.
    by_failures = window.failure_rate is not None and totals.failures / totals.calls >= window.failure_rate
    return by_failures or (window.slow_rate is not None and totals.slow / totals.calls >= window.slow_rate)


def _slow_as(window: Window) -> Verdict:
    return _FAILURE if window.slow_rate is None else _SLOW


@define(eq=False)
class CountWindow:
    """The latest `size` results, in a ring with running sums."""

    window: Window
    _ring: deque[Verdict] = field(factory=deque[Verdict], init=False)
    _totals: Totals = field(factory=Totals, init=False)

    def add(self, verdict: Verdict, now: float) -> None:
        """Add a result; in a full window it replaces the oldest."""
        if verdict is _SLOW:
            verdict = _slow_as(self.window)
        if self._totals.calls >= self.window.size:
            self._totals.remove(self._ring.popleft())
        self._ring.append(verdict)
        self._totals.add(verdict)

    def tripped(self) -> bool:
        """Return whether the share of bad results is too large."""
        return _tripped(self.window, self._totals)

    def totals(self, now: float) -> Totals:
        """Return the running sums."""
        return self._totals

    def adopt(self, old: Self, now: float) -> None:
        """Take over the latest results, as many as there is room for."""
        for verdict in old._ring:
            self.add(verdict, now)


@define(eq=False)
class TimeWindow:
    """The last `size` seconds, in ten buckets: when a new one begins, the oldest is dropped as a whole."""

    window: Window
    _buckets: deque[tuple[int, Totals]] = field(factory=deque[tuple[int, Totals]], init=False)
    """Number and sums of each bucket that has results, oldest first."""
    _latest: int = field(default=-1, init=False)
    """The number of the newest bucket so far."""
    _totals: Totals = field(factory=Totals, init=False)

    def add(self, verdict: Verdict, now: float) -> None:
        """Add a result to the bucket of `now`."""
        if verdict is _SLOW:
            verdict = _slow_as(self.window)
        self._move_to(now)
        buckets = self._buckets
        if not buckets or buckets[-1][0] != self._latest:
            buckets.append((self._latest, Totals()))
        buckets[-1][1].add(verdict)
        self._totals.add(verdict)

    def tripped(self) -> bool:
        """Return whether the share of bad results is too large."""
        return _tripped(self.window, self._totals)

    def totals(self, now: float) -> Totals:
        """Return the sums of the buckets that are within the window at `now`."""
        self._move_to(now)
        return self._totals

    def _move_to(self, now: float) -> None:
        """Drop the buckets that are too old at `now`. A slightly older `now`, from another thread, changes nothing."""
        number = int(now * BUCKETS / self.window.size)
        if number <= self._latest:
            return
        self._latest = number
        while self._buckets and self._buckets[0][0] <= number - BUCKETS:
            _, old = self._buckets.popleft()
            self._totals.calls -= old.calls
            self._totals.failures -= old.failures
            self._totals.slow -= old.slow

    def adopt(self, old: Self, now: float) -> None:
        """Take over the buckets that are within the window at `now`, each whole and from when it began."""
        before, size = old.window.size, self.window.size
        slow_as = _slow_as(self.window)
        for number, sums in old._buckets:
            number = number if before == size else int(number * before / size)
            if not self._buckets or self._buckets[-1][0] != number:
                self._buckets.append((number, Totals()))
            for totals in (self._buckets[-1][1], self._totals):
                totals.calls += sums.calls
                totals.failures += sums.failures + sums.slow * (slow_as is _FAILURE)
                totals.slow += sums.slow * (slow_as is _SLOW)
        self._move_to(now)
