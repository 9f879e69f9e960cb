"""The numbers of one scrape, and the differences between two."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

from attrs import frozen

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PREFIX: Final = "unbroken_"


@frozen
class Reading:
    """All samples of Unbroken, with names without the prefix."""

    at: float
    """The time of the scrape in monotonic seconds."""
    samples: tuple[tuple[str, Mapping[str, str], float], ...]

    @classmethod
    def of(cls, families: "Iterable[Metric]", at: float) -> Self:
        """Return the samples of Unbroken among `families`. Raises ValueError when a parser finds invalid text."""
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
        """Return the sums of a metric, keyed by the values of these labels."""
        sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for sample, values, number in self.samples:
            if sample == name:
                sums[tuple(values.get(label, "") for label in labels)] += number
        return dict(sums)

    def total(self, name: str) -> float:
        """Return the sum of a metric over all labels."""
        return sum(self.by(name).values())


@frozen
class Quantile:
    """A quantile of times, in seconds, and the bounds of the bucket in which it is."""

    value: float
    """As Prometheus' `histogram_quantile` has it: linear within the bucket; beyond the last bound it is that bound."""
    low: float
    high: float

    def __str__(self) -> str:
        """Return what is known of it: a bound in the first and the last bucket, an estimate in the others."""
        if self.low == self.high:
            return seconds(self.value)
        if math.isinf(self.high):
            return f"> {seconds(self.low)}"
        return f"~{seconds(self.value)}" if self.low else f"< {seconds(self.high)}"


def seconds(value: float) -> str:
    """Return a duration for people."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


@frozen
class Window:
    """The time between two readings; with one reading, the time since the process began."""

    now: Reading
    before: Reading | None = None
    exact: Mapping[tuple[str, float], float | None] | None = None
    """Quantiles keyed by metric and quantile, where they are known exactly and not only from the buckets."""

    @property
    def seconds(self) -> float | None:
        """The length; None for the time since the process began."""
        return None if self.before is None else self.now.at - self.before.at

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return the increase of a counter by labels. A counter that is less than before counts from zero.

        The process was restarted then.
        """
        earlier = {} if self.before is None else self.before.by(name, *labels)
        found = self.now.by(name, *labels)
        return {
            key: number - earlier.get(key, 0.0) * (earlier.get(key, 0.0) <= number) for key, number in found.items()
        }

    def total(self, name: str) -> float:
        """Return the increase of a counter over all labels."""
        return self.by(name).get((), 0.0)

    def rate(self, name: str) -> float | None:
        """Return the increase of a counter per second; None for the time since the process began."""
        return self.total(name) / self.seconds if self.seconds else None

    def quantile(self, name: str, quantile: float) -> "Quantile | None":
        """Return a quantile of a histogram; None for an empty one."""
        if self.exact is not None:
            exact = self.exact[name, quantile]
            return None if exact is None else Quantile(exact, exact, exact)
        buckets = sorted((_bound(le), count) for (le,), count in self.by(f"{name}_bucket", "le").items())
        if not buckets or buckets[-1][1] <= 0.0:
            return None
        rank = quantile * buckets[-1][1]
        (low, below), (high, count) = next(
            (before, bucket)
            for before, bucket in pairwise([(0.0, 0.0), *buckets])
            if bucket[1] >= rank and bucket[1] > before[1]
        )
        share = max(0.0, rank - below) / (count - below)
        return Quantile(low if math.isinf(high) else low + (high - low) * share, low, high)


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
