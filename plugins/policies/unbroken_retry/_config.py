"""The settings of the retry policy."""

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
    """How many retries all calls of one `Retry` may start together, so that retries cannot multiply an outage.

    At any time at most ``ratio * calls + min_per_second * (seconds + window)`` retries have been started.
    """

    ratio: float = field(default=0.2, validator=number(at_least=0, at_most=100))
    """Retries per call. A call counts as soon as its first attempt has ended or committed."""
    min_per_second: float = field(default=10.0, validator=number(at_least=0, at_most=1_000_000))
    """Retries per second that are allowed however few the calls are."""
    window: float = field(default=10.0, validator=number(above=0, at_most=86_400))
    """Seconds for which unused retries are kept. The reserve is `min_per_second` times this, at least one retry."""


@frozen(kw_only=True)
class RetryConfig:
    """The settings of `Retry`. An invalid value raises ConfigurationError, which names the field.

    In parentheses is the production guide's name of a setting, where it has one.
    """

    DEFAULT: ClassVar["RetryConfig"]
    """The defaults below."""
    NONE: ClassVar["RetryConfig"]
    """No retries."""
    AGGRESSIVE: ClassVar["RetryConfig"]
    """More retries, shorter delays."""

    max_retries: int = field(default=3, validator=number(at_least=0, whole=True))
    """Attempts after the first."""
    initial_delay: float | None = field(default=None, validator=optional(seconds))
    """Seconds before the first retry.

    None: one second if the server throttles or is overloaded (429, 529), else half a second.
    """
    max_delay: float = field(default=30.0, validator=seconds)
    """Seconds. No computed delay is longer, not even the first; a server's hint may be."""
    multiplier: float = field(default=2.0, validator=number(at_least=1))
    """The factor from one delay to the next; with 1 all are equal."""
    jitter: float = field(default=0.1, validator=number(at_least=0, at_most=1))
    """The largest share by which a delay is shortened or lengthened at random.

    A server's hint is only ever lengthened. With ``full``, ``equal`` and ``decorrelated`` it applies to hints alone.
    """
    jitter_kind: JitterKind = field(default="proportional", validator=_KIND)
    """The range from which the delay is drawn, with d = ``min(max_delay, initial_delay * multiplier**n)``.

    ``proportional``: d ± `jitter`; ``full``: [0, d]; ``equal``: [d/2, d]; ``none``: d; ``decorrelated``: from
    `initial_delay` to three times the previous delay, without `multiplier`. No delay exceeds `max_delay`.
    """
    retry_statuses: frozenset[int] = field(
        default=frozenset({429, 500, 502, 503, 504, 529}), converter=_set, validator=_statuses
    )
    """The HTTP statuses that are retried; other errors go by their `retryable`.

    408, 409 and 425 are not among them because their meaning differs by API. Add them where repeating is safe.
    """
    max_retry_after: float = field(default=120.0, validator=seconds)
    """Seconds. If the server asks for more, the error is raised at once, with the wait in its `retry_after`."""
    respect_should_retry: bool = field(default=True, validator=flag)
    """Whether the header ``x-should-retry`` overrides `retry_statuses` and `retryable`."""
    retry_local: bool = field(default=False, validator=flag)
    """Whether to wait and retry after a rejection by a policy of this client (an open circuit, a full limiter)."""
    budget: RetryBudget | None = field(default=RetryBudget(), validator=_budget)
    """How many retries all calls together may start. None: no limit."""
    shadow: bool = field(default=False, validator=flag)
    """Whether to try the settings out: each decision is reported with `shadow` True, and nothing is retried."""


class RetryOptions(TypedDict, total=False):
    """The keyword arguments of `Retry`, one per setting; `RetryConfig` documents them."""

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
    shadow: bool


RetryConfig.DEFAULT = RetryConfig()
RetryConfig.NONE = RetryConfig(max_retries=0)
RetryConfig.AGGRESSIVE = RetryConfig(max_retries=5, initial_delay=0.5, max_delay=60.0, multiplier=1.5)
