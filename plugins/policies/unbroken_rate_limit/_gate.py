"""The gate in front of a queue, and the ramp behind it.

After a gate has opened, the calls that waited for it do not start all at once: the rate grows by `growth` requests per
second each second (the ramp). The first request starts when the gate opens, and the n-th behind it (n = 1, 2, …) at

    gate + √(2 · (n + chance) / growth)

where `chance` in [0, 1) is drawn for each request. With a growth of 10 and 200 requests that wait, the last one starts
after 6.3 s, and there are never more than 8 within a tenth of a second.
"""

from math import floor, inf, sqrt
from typing import Final

from attrs import define, field

# After that the ramp is over if nobody waits. With the default growth the rate has reached 100 requests per second.
_RAMP_SECONDS: Final = 10.0


@define(eq=False)
class Gate:
    """No turn is before the gate opens. Times are monotonic seconds."""

    growth: float | None = None
    """By how many requests per second the rate grows each second; None: no ramp."""
    until: float = field(default=-inf, init=False)
    """When the gate opens or has opened; -inf if there is no gate and no ramp."""
    steps: float = field(default=0.0, init=False)
    """The steps of the ramp that are used."""

    def close(self, until: float) -> bool:
        """Close the gate until `until`. Return whether that is later than before."""
        if until <= self.until:
            return False
        self.until, self.steps = until, 0.0
        return True

    def open(self) -> None:
        """Open the gate, without a ramp."""
        self.until = -inf

    def is_over(self, now: float) -> bool:
        """Return whether the ramp has ended if nobody waits."""
        return now > self.until + _RAMP_SECONDS

    def turn(self, at: float, chance: float, steps: float) -> float:
        """Return the earliest turn from `at` on when `steps` of the ramp are used."""
        if self.growth is None or self.until == -inf or not steps:
            return max(at, self.until)
        return max(at, self.until + sqrt(2.0 * (steps + chance) / self.growth))

    def used(self, at: float, steps: float) -> float:
        """Return how many steps are used after a turn `at`, if `steps` were before. Those not used by then are lost."""
        if self.growth is None or at < self.until or self.until == -inf:
            return steps
        return max(steps, floor(self.growth * (at - self.until) ** 2 / 2.0)) + 1.0
