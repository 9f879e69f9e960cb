"""The settings of metrics."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypedDict

from attrs import field, frozen

from unbroken.validators import finite, number, refused

BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0),
)
_MOST_BUCKETS: Final = 50


def _ascending(instance: Any, attribute: Any, value: Sequence[Any]) -> None:
    good = all(isinstance(it, (int, float)) and not isinstance(it, bool) and finite(it) and it > 0 for it in value)
    if not good or not 0 < len(value) <= _MOST_BUCKETS or list(value) != sorted(set(value)):
        wanted = f"1 to {_MOST_BUCKETS} ascending positive numbers"
        raise refused(attribute.name, f"must be {wanted}, not {value!r:.100}")


def _tuple(values: Iterable[Any]) -> tuple[Any, ...]:
    try:
        return tuple(values)
    except TypeError:
        return (values,)


@frozen(kw_only=True)
class MetricsConfig:
    """The settings of `Metrics`. An invalid value raises ConfigurationError, which names the field."""

    max_series: int = field(default=100, validator=number(at_least=1, whole=True))
    """Combinations of dialect, model and origin that are counted separately. All others are one: ``other``."""
    buckets: tuple[float, ...] = field(default=BUCKETS, converter=_tuple, validator=_ascending)
    """Upper bounds in seconds of the Prometheus histograms. The percentiles of snapshots do not use them."""


class MetricsOptions(TypedDict, total=False):
    """The keyword arguments of `Metrics`, one per setting; `MetricsConfig` documents them."""

    max_series: int
    buckets: Iterable[float]
