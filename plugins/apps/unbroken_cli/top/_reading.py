"""The numbers of one scrape, and what two of them say of the time between."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Self

from attrs import frozen

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PREFIX: Final = "unbroken_"


@frozen
class Reading:
    """All samples of Unbroken, without the prefix of their names."""

    at: float
    """When they were read, in monotonic seconds."""
    samples: tuple[tuple[str, Mapping[str, str], float], ...]

    @classmethod
    def of(cls, families: "Iterable[Metric]", at: float) -> Self:
        """Take those of Unbroken from what a parser or a collector gives. Raises ValueError for text that is none."""
        return cls(
            at,
            tuple(
                (sample.name.removeprefix(PREFIX), sample.labels, float(sample.value))
                for family in families
                if family.name.startswith(PREFIX)
                for sample in family.samples
                if math.isfinite(sample.value)
            ),
        )

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return the sums of a metric by the values of some of its labels."""
        sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for sample, values, number in self.samples:
            if sample == name:
                sums[tuple(values.get(label, "") for label in labels)] += number
        return dict(sums)

    def total(self, name: str) -> float:
        """Return the sum of a metric over everything."""
        return sum(self.by(name).values())


@frozen
class Window:
    """What happened between two readings; with one reading alone, since the process began."""

    now: Reading
    before: Reading | None = None
    exact: Mapping[tuple[str, float], float | None] | None = None
    """Quantiles by metric, where they are known better than from the buckets."""

    @property
    def seconds(self) -> float | None:
        """How long it is; None since the beginning."""
        return None if self.before is None else self.now.at - self.before.at

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return the growth of a counter. One that is less than it was has begun anew: the process was restarted."""
        earlier = {} if self.before is None else self.before.by(name, *labels)
        found = self.now.by(name, *labels)
        return {
            key: number - earlier.get(key, 0.0) * (earlier.get(key, 0.0) <= number) for key, number in found.items()
        }

    def total(self, name: str) -> float:
        """Return the growth of a counter over everything."""
        return self.by(name).get((), 0.0)

    def rate(self, name: str) -> float | None:
        """Return the growth of a counter for each second, None since the beginning."""
        return self.total(name) / self.seconds if self.seconds else None

    def quantile(self, name: str, quantile: float) -> float | None:
        """Return a quantile of a histogram as Prometheus' `histogram_quantile` does: linear within its bucket.

        None where there is nothing. What is beyond the last bound counts as that bound.
        """
        if self.exact is not None:
            return self.exact[name, quantile]
        buckets = sorted((_bound(le), count) for (le,), count in self.by(f"{name}_bucket", "le").items())
        if not buckets or not buckets[-1][1]:
            return None
        rank = quantile * buckets[-1][1]
        low, below = 0.0, 0.0
        for bound, count in buckets:
            if count >= rank and count > below:
                return low if math.isinf(bound) else low + (bound - low) * max(0.0, rank - below) / (count - below)
            low, below = bound, count
        return low


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
