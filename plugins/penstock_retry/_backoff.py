"""How long to wait when the server does not say. Pure functions: chance is a number in [0, 1)."""

import math
from collections.abc import Callable

from attrs import frozen

from ._config import JitterKind, RetryConfig


@frozen
class Backoff:
    """Where a call stands: how often it has backed off since the last hint, and the last delay."""

    times: int = 0
    previous: float | None = None


def delay(config: RetryConfig, backoff: Backoff, chance: float) -> float:
    """Return the seconds to wait, in [0, `max_delay`]."""
    jittered = _JITTER[config.jitter_kind](config, backoff, chance)
    return max(0.0, min(jittered, config.max_delay))


def _exponential(config: RetryConfig, times: int) -> float:
    if not config.initial_delay:
        return 0.0
    try:
        growth = float(config.multiplier) ** times
    except OverflowError:  # 2.0 ** 1024
        growth = math.inf
    return min(config.max_delay, config.initial_delay * growth)


def _proportional(config: RetryConfig, backoff: Backoff, chance: float) -> float:
    return _exponential(config, backoff.times) * (1 + config.jitter * (2 * chance - 1))


def _full(config: RetryConfig, backoff: Backoff, chance: float) -> float:
    return _exponential(config, backoff.times) * chance


def _equal(config: RetryConfig, backoff: Backoff, chance: float) -> float:
    return _exponential(config, backoff.times) * (1 + chance) / 2


def _none(config: RetryConfig, backoff: Backoff, chance: float) -> float:
    return _exponential(config, backoff.times)


def _decorrelated(config: RetryConfig, backoff: Backoff, chance: float) -> float:
    # The upper bound is cut to max_delay, not the drawn value, which would pile up at exactly max_delay.
    low = min(config.initial_delay, config.max_delay)
    high = min(config.max_delay, 3 * (low if backoff.previous is None else backoff.previous))
    return low + (high - low) * chance


_JITTER: dict[JitterKind, Callable[[RetryConfig, Backoff, float], float]] = {
    "proportional": _proportional,
    "full": _full,
    "equal": _equal,
    "decorrelated": _decorrelated,
    "none": _none,
}
