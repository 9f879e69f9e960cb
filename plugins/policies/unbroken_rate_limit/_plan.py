"""The turns of places that wait, worked out one after the other from what the buckets and the gate are like."""

from collections.abc import Sequence
from math import inf
from typing import Self

from attrs import define

from ._gate import Gate
from ._gcra import Bucket


@define(eq=False)
class Plan:
    """What the buckets and the gate will be like when all places that were added have been granted."""

    buckets: Sequence[Bucket]
    gate: Gate
    ends: list[float]
    """When each bucket will be full."""
    steps: float
    """The steps of the ramp that are used."""
    last: float
    """The last turn."""

    @classmethod
    def begin(cls, buckets: Sequence[Bucket], gate: Gate, last: float) -> Self:
        """Return a plan without any place."""
        return cls(buckets, gate, [bucket.full_at for bucket in buckets], gate.steps, last)

    def turn(self, units: Sequence[float], chance: float, earliest: float = -inf) -> float:
        """Return the turn of the next place, which is not before `earliest`."""
        at = self.gate.turn(max(self.last, earliest), chance, self.steps)
        return max([at, *map(Bucket.earliest, self.buckets, units, self.ends)])

    def add(self, units: Sequence[float], at: float) -> None:
        """Add a place whose turn is `at`."""
        self.ends = list(map(Bucket.after, self.buckets, units, [at] * len(self.ends), self.ends))
        self.steps, self.last = self.gate.used(at, self.steps), at
