"""Counting results: failures in a row, or a sliding window by count or by time. Pure; every operation is O(1)."""

from collections import deque
from typing import Protocol

from attrs import define, field

from ._config import CircuitBreakerConfig, Window
from ._values import Verdict

BUCKETS = 10


# Looking a member up on its class is slow before Python 3.12.
_SUCCESS, _FAILURE, _SLOW = Verdict.SUCCESS, Verdict.FAILURE, Verdict.SLOW


@define
class Totals:
    """Results by kind."""

    calls: int = 0
    failures: int = 0
    slow: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count a result."""
        self.calls += 1
        if verdict is not _SUCCESS:
            self._add_bad(verdict, 1)

    def remove(self, verdict: Verdict) -> None:
        """Count a result no longer."""
        self.calls -= 1
        if verdict is not _SUCCESS:
            self._add_bad(verdict, -1)

    def _add_bad(self, verdict: Verdict, sign: int) -> None:
        if verdict is _SLOW:
            self.slow += sign
        else:
            self.failures += sign


class Meter(Protocol):
    """Counts the results of one closed circuit."""

    def add(self, verdict: Verdict, now: float) -> None:
        """Count a result, which is not IGNORED."""
        ...

    def tripped(self) -> bool:
        """Whether the last result is one too many."""
        ...

    def totals(self, now: float) -> Totals:
        """Return what counts at `now`."""
        ...


def make_meter(config: CircuitBreakerConfig) -> Meter:
    """Return an empty meter of the kind that `config` asks for."""
    if config.window is None:
        return Consecutive(config.failure_threshold)
    return CountWindow(config.window) if config.window.kind == "count" else TimeWindow(config.window)


@define(eq=False)
class Consecutive:
    """Failures in a row; slow calls are failures."""

    threshold: int
    failures: int = 0

    def add(self, verdict: Verdict, now: float) -> None:
        """Go on counting, or start again after a success."""
        self.failures = 0 if verdict is _SUCCESS else self.failures + 1

    def tripped(self) -> bool:
        """Whether there are as many as allowed."""
        return self.failures >= self.threshold

    def totals(self, now: float) -> Totals:
        """Return the row."""
        return Totals(self.failures, self.failures)


def _tripped(window: Window, totals: Totals) -> bool:
    if totals.calls < window.min_calls:
        return False
    # Divided, not multiplied: 0.1 * 30 is more than 3.
    by_failures = window.failure_rate is not None and totals.failures / totals.calls >= window.failure_rate
    return by_failures or (window.slow_rate is not None and totals.slow / totals.calls >= window.slow_rate)


def _slow_as(window: Window) -> Verdict:
    return _FAILURE if window.slow_rate is None else _SLOW


@define(eq=False)
class CountWindow:
    """The last `size` results: a ring with running sums."""

    window: Window
    _ring: deque[Verdict] = field(factory=deque[Verdict], init=False)
    _totals: Totals = field(factory=Totals, init=False)

    def add(self, verdict: Verdict, now: float) -> None:
        """Put the result in the place of the oldest."""
        if verdict is _SLOW:
            verdict = _slow_as(self.window)
        if self._totals.calls >= self.window.size:
            self._totals.remove(self._ring.popleft())
        self._ring.append(verdict)
        self._totals.add(verdict)

    def tripped(self) -> bool:
        """Whether the share of bad results is too large."""
        return _tripped(self.window, self._totals)

    def totals(self, now: float) -> Totals:
        """Return the sums."""
        return self._totals


@define(eq=False)
class TimeWindow:
    """The last `size` seconds, in ten buckets: the oldest goes as a whole when a new one begins."""

    window: Window
    _buckets: deque[tuple[int, Totals]] = field(factory=deque[tuple[int, Totals]], init=False)
    """Number and sums of the buckets that hold anything, oldest first."""
    _latest: int = field(default=-1, init=False)
    """The number of the latest time that was looked at."""
    _totals: Totals = field(factory=Totals, init=False)

    def add(self, verdict: Verdict, now: float) -> None:
        """Put the result in the bucket of `now`."""
        if verdict is _SLOW:
            verdict = _slow_as(self.window)
        self._move_to(now)
        buckets = self._buckets
        if not buckets or buckets[-1][0] != self._latest:
            buckets.append((self._latest, Totals()))
        buckets[-1][1].add(verdict)
        self._totals.add(verdict)

    def tripped(self) -> bool:
        """Whether the share of bad results is too large."""
        return _tripped(self.window, self._totals)

    def totals(self, now: float) -> Totals:
        """Return the sums of the buckets that are not too old."""
        self._move_to(now)
        return self._totals

    def _move_to(self, now: float) -> None:
        """Drop the buckets that are too old at `now`. Threads come a little out of order; there is no way back."""
        number = int(now * BUCKETS / self.window.size)
        if number <= self._latest:
            return
        self._latest = number
        while self._buckets and self._buckets[0][0] <= number - BUCKETS:
            _, old = self._buckets.popleft()
            self._totals.calls -= old.calls
            self._totals.failures -= old.failures
            self._totals.slow -= old.slow
