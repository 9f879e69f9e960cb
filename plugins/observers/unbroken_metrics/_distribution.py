"""The distribution of times: percentiles from a sketch, and the buckets of a histogram.

The sketch is a t-digest (Dunning, Ertl: "Computing Extremely Accurate Quantiles Using t-Digests", 2019). It keeps up to
500 means of neighbouring times, most finely at both ends. With fewer times than that, percentiles are exact. The
digests of several series can be merged.
"""

from bisect import bisect_left
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from unbroken import ConfigurationError, Problem

from ._values import Timing

if TYPE_CHECKING:
    from fastdigest import TDigest

MOST_MEANS: Final = 500
"""The most means that a digest keeps, of 16 bytes each."""


def need_digests() -> None:
    """Raise ConfigurationError if fastdigest is not installed."""
    if find_spec("fastdigest") is None:
        raise ConfigurationError.of(Problem("metrics", "needs fastdigest: pip install 'unbroken[metrics]'"))


class Distribution:
    """The times of one kind of one series, in seconds."""

    __slots__ = ("_bounds", "_counts", "_digest", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._digest = _digest()
        self._sum = 0.0

    def extend(self, times: Sequence[float]) -> None:
        """Add `times`, in seconds."""
        bounds, counts = self._bounds, self._counts
        for seconds in times:
            counts[bisect_left(bounds, seconds)] += 1
        self._digest.batch_update(times)
        self._sum += sum(times)

    def absorb(self, other: "Distribution") -> None:
        """Add all times of `other`, which must have the same bounds."""
        self._counts = [one + more for one, more in zip(self._counts, other._counts, strict=True)]
        self._digest.merge_inplace(other._digest)
        self._sum += other._sum

    def timing(self) -> Timing:
        """Return count, sum, percentiles and buckets."""
        digest = self._digest
        p50, p95, p99 = (None, None, None) if digest.is_empty() else digest.quantile_vec([0.5, 0.95, 0.99])
        buckets = tuple(zip(self._bounds, accumulate(self._counts), strict=False))
        return Timing(count=sum(self._counts), sum=self._sum, p50=p50, p95=p95, p99=p99, buckets=buckets)


def _digest() -> "TDigest":
    from fastdigest import TDigest

    return TDigest(MOST_MEANS)
