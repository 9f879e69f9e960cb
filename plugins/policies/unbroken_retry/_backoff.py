"""How long to wait when the server gives no hint. Pure functions: `chance` is a random number in [0, 1)."""

import math
from collections.abc import Callable
from typing import Final

from attrs import frozen

from unbroken.errors import Error, OverloadedError, RateLimitError

from ._config import JitterKind, RetryConfig

_TRANSIENT_DELAY: Final = 0.5
_THROTTLED_DELAY: Final = 1.0
_THROTTLED: Final = (429, 529)


@frozen
class Backoff:
    """The progress of one call: how often it has backed off since the last hint, and the last delay in seconds."""

    times: int = 0
    previous: float | None = None


def initial_delay(config: RetryConfig, error: Error) -> float:
    """Return the seconds of the first delay, before jitter.

    A broken connection can be opened again soon; a server that throttles or is overloaded needs longer (as in the AWS
    SDKs' retry strategy of 2026).
    """
    if config.initial_delay is not None:
        return config.initial_delay
    throttled = isinstance(error, RateLimitError | OverloadedError) or error.status_code in _THROTTLED
    return _THROTTLED_DELAY if throttled else _TRANSIENT_DELAY


def delay(config: RetryConfig, initial: float, backoff: Backoff, chance: float) -> float:
    """Return the seconds to wait, in [0, `max_delay`]. `initial` is the first delay, before jitter."""
    jittered = _JITTER[config.jitter_kind](config, initial, backoff, chance)
    return max(0.0, min(jittered, config.max_delay))


def _exponential(config: RetryConfig, initial: float, times: int) -> float:
    if not initial:
        return 0.0
    try:
        growth = float(config.multiplier) ** times
    except OverflowError:  # 2.0 ** 1024
        growth = math.inf
    return min(config.max_delay, initial * growth)


def _proportional(config: RetryConfig, initial: float, backoff: Backoff, chance: float) -> float:
    return _exponential(config, initial, backoff.times) * (1 + config.jitter * (2 * chance - 1))


def _full(config: RetryConfig, initial: float, backoff: Backoff, chance: float) -> float:
    return _exponential(config, initial, backoff.times) * chance


def _equal(config: RetryConfig, initial: float, backoff: Backoff, chance: float) -> float:
    return _exponential(config, initial, backoff.times) * (1 + chance) / 2


def _none(config: RetryConfig, initial: float, backoff: Backoff, chance: float) -> float:
    return _exponential(config, initial, backoff.times)


def _decorrelated(config: RetryConfig, initial: float, backoff: Backoff, chance: float) -> float:
    # The upper bound is capped, not the drawn value: capped values would pile up at exactly max_delay.
    low = min(initial, config.max_delay)
    high = min(config.max_delay, 3 * (low if backoff.previous is None else backoff.previous))
    return low + (high - low) * chance


_JITTER: dict[JitterKind, Callable[[RetryConfig, float, Backoff, float], float]] = {
    "proportional": _proportional,
    "full": _full,
    "equal": _equal,
    "decorrelated": _decorrelated,
    "none": _none,
}
