"""How many retries all calls together may start: a bucket of tokens, one for each retry."""

import itertools
import math
import threading
from typing import Final, final

from ._config import RetryBudget

# By this share of the window a deposit may be taken for older than it is.
_GRAIN: Final = 0.01


@final
class Allowance:
    """What is left of a `RetryBudget`; safe to use from many threads.

    It holds a reserve, full at first, that `min_per_second` fills up to what flows in within the window, and what calls
    have earned, which decays to 1/e within the window.
    """

    __slots__ = ("_at", "_calls", "_counted", "_earned", "_lock", "_ratio", "_refill", "_reserve", "_size", "_window")

    def __init__(self, budget: RetryBudget) -> None:
        self._ratio = float(budget.ratio)
        self._refill = float(budget.min_per_second)
        self._window = float(budget.window)
        # A slow flow still adds up to one retry now and then.
        self._size = max(1.0, self._refill * self._window) if self._refill else 0.0
        self._reserve = self._size
        self._earned = 0.0
        # Every call that goes well comes by here, so it takes no lock: the next() of a count is one step.
        self._calls = itertools.count()
        self._counted = 0
        self._at = 0.0
        self._lock = threading.Lock()

    def deposit(self, now: float) -> None:
        """Count a call."""
        if now - self._at > self._window * _GRAIN:
            with self._lock:
                self._advance(now)
        next(self._calls)

    def withdraw(self, now: float) -> bool:
        """Take a token for a retry. Returns whether there was one."""
        with self._lock:
            self._advance(now)
            if self._earned + self._reserve < 1.0:
                return False
            self._earned -= 1.0  # what decays goes first
            if self._earned < 0.0:
                self._reserve += self._earned
                self._earned = 0.0
            return True

    def _advance(self, now: float) -> None:
        """Bring the bucket to `now`. Calls since the last time count as of then, so never for more than they are."""
        calls = next(self._calls)
        self._earned += self._ratio * (calls - self._counted)
        self._counted = calls + 1
        # Two threads may look at the clock in one order and come here in the other.
        elapsed = max(0.0, now - self._at)
        self._at = max(self._at, now)
        self._earned *= math.exp(-elapsed / self._window)
        self._reserve = min(self._size, self._reserve + elapsed * self._refill)
