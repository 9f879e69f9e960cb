"""How many retries all calls together may start: a token bucket that pays one token per retry."""

import itertools
import math
from typing import Final, final

from unbroken import Inbox

from ._config import RetryBudget

# A deposit may be counted as older than it is by up to this share of the window.
_GRAIN: Final = 0.01


@final
class Allowance:
    """The tokens left of a `RetryBudget`. Thread-safe.

    It has two parts. The reserve is full at first; `min_per_second` refills it up to what flows in within one window.
    The earned part grows with each call and decays to 1/e within one window.
    """

    __slots__ = ("_at", "_calls", "_counted", "_earned", "_inbox", "_ratio", "_refill", "_reserve", "_size", "_window")

    def __init__(self, budget: RetryBudget) -> None:
        self._set(budget)
        self._reserve = self._size
        self._earned = 0.0
        # Every successful call comes here, so it must take no lock: next() of a count is atomic.
        self._calls = itertools.count()
        self._counted = 0
        self._at = 0.0
        self._inbox = Inbox()

    @property
    def is_untouched(self) -> bool:
        """Whether no call has come yet."""
        return self._at == 0.0

    def adjust(self, budget: RetryBudget) -> None:
        """Go on with another budget and the tokens that are left, as far as they fit into its reserve."""
        self._inbox.do(self._set, budget)

    def _set(self, budget: RetryBudget) -> None:
        self._ratio = float(budget.ratio)
        self._refill = float(budget.min_per_second)
        self._window = float(budget.window)
        # At least 1, so that a slow inflow still adds up to one retry now and then.
        self._size = max(1.0, self._refill * self._window) if self._refill else 0.0

    def deposit(self, now: float) -> None:
        """Count one call."""
        if now - self._at > self._window * _GRAIN:
            self._inbox.do(self._advance, now)
        next(self._calls)

    def withdraw(self, now: float) -> bool:
        """Take one token for a retry. Return whether there was one."""
        return self._inbox.do(self._withdraw, now)

    def _withdraw(self, now: float) -> bool:
        self._advance(now)
        if self._earned + self._reserve < 1.0:
            return False
        self._earned -= 1.0  # what decays goes first
        if self._earned < 0.0:
            self._reserve += self._earned
            self._earned = 0.0
        return True

    def _advance(self, now: float) -> None:
        """Update the bucket to `now`. Calls since the last update count as made at that time, so never for too much."""
        calls = next(self._calls)
        self._earned += self._ratio * (calls - self._counted)
        self._counted = calls + 1
        # Two threads may read the clock in one order and arrive here in the other.
        elapsed = max(0.0, now - self._at)
        self._at = max(self._at, now)
        self._earned *= math.exp(-elapsed / self._window)
        self._reserve = min(self._size, self._reserve + elapsed * self._refill)
