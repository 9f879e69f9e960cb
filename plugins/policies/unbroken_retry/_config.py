"""What can be set about retrying."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal, TypedDict, get_args

from attrs import Attribute, field, frozen

from unbroken.validators import flag, number, one_of, optional, refused, seconds

JitterKind = Literal["proportional", "full", "equal", "decorrelated", "none"]

_KIND: Callable[[Any, "Attribute[JitterKind]", JitterKind], None] = one_of(*get_args(JitterKind))


def _set(value: Iterable[int]) -> frozenset[int]:
    try:
        return frozenset(value)
    except TypeError:
        raise refused("retry_statuses", f"must be a set of HTTP statuses, not {value!r}") from None


def _statuses(instance: Any, attribute: Any, value: frozenset[Any]) -> None:
    bad = [status for status in value if type(status) is not int or not 400 <= status <= 599]
    if bad:
        raise refused(attribute.name, f"must be HTTP statuses from 400 to 599, not {sorted(bad, key=repr)!r}")


def _budget(instance: Any, attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, RetryBudget):
        raise refused(attribute.name, f"must be a RetryBudget or None, not {value!r}")


@frozen(kw_only=True)
class RetryBudget:
    """How many retries all calls of one `Retry` may start together, so that retrying cannot multiply an outage.

    At any time at most ``ratio * calls + min_per_second * (seconds + window)`` were started.
    """

    ratio: float = field(default=0.2, validator=number(at_least=0, at_most=100))
    """Retries for each call. A call counts once the end of its first attempt, or the commit, is known."""
    min_per_second: float = field(default=10.0, validator=number(at_least=0, at_most=1_000_000))
    """Retries per second that are there whatever the calls, for programs with few of them."""
    window: float = field(default=10.0, validator=number(above=0, at_most=86_400))
    """Seconds for which what is not used is kept: of `min_per_second` so much is in reserve, at least one retry."""


@frozen(kw_only=True)
class RetryConfig:
    """The settings of `Retry`; every bad value is a ConfigurationError that names its field.

    Behind each is the name that the production guide gives it, where it has one.
    """

    DEFAULT: ClassVar["RetryConfig"]
    """The defaults below (guide: ``RetryConfig.defaults``)."""
    NONE: ClassVar["RetryConfig"]
    """No retry at all (guide: ``RetryConfig.noRetry``)."""
    AGGRESSIVE: ClassVar["RetryConfig"]
    """More retries, shorter delays (guide: ``RetryConfig.aggressive``)."""

    max_retries: int = field(default=3, validator=number(at_least=0, whole=True))
    """Attempts after the first (guide: ``maxAttempts``, which counts retries too)."""
    initial_delay: float | None = field(default=None, validator=optional(seconds))
    """Seconds before the first retry (guide: ``initialDelay``).

    None is one second where the server has too many requests or no capacity (429, 529), half a second otherwise.
    """
    max_delay: float = field(default=30.0, validator=seconds)
    """No computed delay is longer, the first included; a server's hint may be (guide: ``maxDelay``)."""
    multiplier: float = field(default=2.0, validator=number(at_least=1))
    """What each delay is of the one before; 1 makes them all alike (guide: ``backoffMultiplier``)."""
    jitter: float = field(default=0.1, validator=number(at_least=0, at_most=1))
    """The share by which a delay is shortened or lengthened at most (guide: ``jitterFactor``).

    A server's hint is lengthened only. With ``full``, ``equal`` and ``decorrelated`` this is for hints alone.
    """
    jitter_kind: JitterKind = field(default="proportional", validator=_KIND)
    """Where the delay is drawn from, d being ``min(max_delay, initial_delay * multiplier**n)``.

    ``proportional``: d ± `jitter`; ``full``: [0, d]; ``equal``: [d/2, d]; ``none``: d; ``decorrelated``: from
    `initial_delay` to three times the previous delay, without `multiplier`. No delay is above `max_delay`.
    """
    retry_statuses: frozenset[int] = field(
        default=frozenset({429, 500, 502, 503, 504, 529}), converter=_set, validator=_statuses
    )
    """Decides for HTTP errors; `retryable` for all others (guide: ``retryableStatusCodes``).

    408, 409 and 425 are not among them, what they mean differs by API: add them where repeating is safe.
    """
    max_retry_after: float = field(default=120.0, validator=seconds)
    """Seconds. When the server asks for more, the error surfaces at once and its `retry_after` says so."""
    respect_should_retry: bool = field(default=True, validator=flag)
    """Whether ``x-should-retry`` overrules `retry_statuses` and `retryable`."""
    retry_local: bool = field(default=False, validator=flag)
    """Whether refusals by a policy of this client (an open circuit, a full limiter) are waited for."""
    budget: RetryBudget | None = field(default=RetryBudget(), validator=_budget)
    """What all calls together may retry; None for no limit."""


class RetryOptions(TypedDict, total=False):
    """The keywords of `Retry`: one for each setting of `RetryConfig`, which describes them."""

    max_retries: int
    initial_delay: float | None
    max_delay: float
    multiplier: float
    jitter: float
    jitter_kind: JitterKind
    retry_statuses: frozenset[int]
    max_retry_after: float
    respect_should_retry: bool
    retry_local: bool
    budget: RetryBudget | None


RetryConfig.DEFAULT = RetryConfig()
RetryConfig.NONE = RetryConfig(max_retries=0)
RetryConfig.AGGRESSIVE = RetryConfig(max_retries=5, initial_delay=0.5, max_delay=60.0, multiplier=1.5)
