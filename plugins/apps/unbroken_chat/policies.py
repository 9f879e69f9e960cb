"""The policies of a handler, under the names that the production guide gives to their settings."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

import attrs
from attrs import field, frozen

import unbroken_circuit_breaker
import unbroken_retry
from unbroken.registry import listed
from unbroken.validators import must_be, refused, shown
from unbroken_rate_limit import RateLimit
from unbroken_timeout import Timeout

from .config import ModeConfig, checked_names

# The rules and the defaults are the policy's own; errors name the fields of the guide.
_SETTINGS: Final = attrs.fields(unbroken_retry.RetryConfig)
_DEFAULT: Final = unbroken_retry.RetryConfig.DEFAULT


def _codes(value: Iterable[int]) -> frozenset[int]:
    try:
        return frozenset(value)
    except TypeError:
        raise refused("retryable_status_codes", f"must be a set of HTTP statuses, not {shown(value)}") from None


@checked_names
@frozen(kw_only=True)
class RetryConfig:
    """The guide's settings of the retry policy. `unbroken_retry.RetryConfig` has all settings and is accepted as well.

    Raises ConfigurationError that names a bad field.
    """

    defaults: ClassVar["RetryConfig"]
    """The defaults below."""
    no_retry: ClassVar["RetryConfig"]
    """No retries."""
    aggressive: ClassVar["RetryConfig"]
    """More retries with shorter delays."""

    max_attempts: int = field(default=_DEFAULT.max_retries, validator=_SETTINGS.max_retries.validator)
    """Retries after the first attempt: with 3 ("retry up to 3 times") a request is sent at most 4 times."""
    initial_delay: float | None = field(default=_DEFAULT.initial_delay, validator=_SETTINGS.initial_delay.validator)
    """Seconds before the first retry. None means 1 s after a 429 or 529, and 0.5 s after other failures."""
    max_delay: float = field(default=_DEFAULT.max_delay, validator=_SETTINGS.max_delay.validator)
    """The longest delay in seconds, unless the server asks for a longer one."""
    backoff_multiplier: float = field(default=_DEFAULT.multiplier, validator=_SETTINGS.multiplier.validator)
    """Each delay is the one before times this."""
    jitter_factor: float = field(default=_DEFAULT.jitter, validator=_SETTINGS.jitter.validator)
    """The largest random change of a delay as a share of it: 0.1 is ±10 %."""
    retryable_status_codes: frozenset[int] = field(
        default=_DEFAULT.retry_statuses, converter=_codes, validator=_SETTINGS.retry_statuses.validator
    )
    """The HTTP statuses that are retried."""

    def policy(self) -> unbroken_retry.RetryConfig:
        """Return the settings of the retry policy."""
        return unbroken_retry.RetryConfig(
            max_retries=self.max_attempts,
            initial_delay=self.initial_delay,
            max_delay=self.max_delay,
            multiplier=self.backoff_multiplier,
            jitter=self.jitter_factor,
            retry_statuses=self.retryable_status_codes,
        )


RetryConfig.defaults = RetryConfig()
RetryConfig.no_retry = RetryConfig(max_attempts=0)
RetryConfig.aggressive = RetryConfig(max_attempts=5, initial_delay=0.5, max_delay=60.0, backoff_multiplier=1.5)

RetrySettings = RetryConfig | unbroken_retry.RetryConfig


@checked_names
@frozen(kw_only=True)
class CircuitBreakerConfig(unbroken_circuit_breaker.CircuitBreakerConfig):
    """The settings of a circuit breaker: those of the guide and all others of the policy."""

    defaults: ClassVar["CircuitBreakerConfig"]
    """The circuit opens after 5 failures, stays open for 30 s and closes after 2 successes."""


CircuitBreakerConfig.defaults = CircuitBreakerConfig()


@checked_names
class CircuitBreaker(unbroken_circuit_breaker.CircuitBreaker):
    """The circuit breaker policy, made as in the guide: ``CircuitBreaker(config=…, name="claude-api")``.

    `name` appears in errors, logs and metrics. Several handlers of the same upstream may share one circuit breaker.
    """

    def __init__(
        self,
        config: unbroken_circuit_breaker.CircuitBreakerConfig = CircuitBreakerConfig.defaults,
        name: str | None = None,
    ) -> None:
        values: dict[str, Any] = {}
        if name is not None:
            must_be("name", name, str, "text")
            if not name:
                raise refused("name", "must not be empty")
            values["circuit"] = name
        super().__init__(config, **values)


def policies(
    config: ModeConfig,
    retry_config: RetrySettings | None,
    circuit_breaker: unbroken_circuit_breaker.CircuitBreaker | None,
    stream_inactivity_timeout: float | None,
    plugins: Sequence[object] | None,
) -> list[object]:
    """Return `plugins` if given, otherwise the plugins that the other arguments configure."""
    if plugins is not None:
        given = {
            "retry_config": retry_config,
            "circuit_breaker": circuit_breaker,
            "stream_inactivity_timeout": stream_inactivity_timeout,
        }
        for name, value in given.items():
            if value is not None:
                raise refused(name, "has no effect beside plugins, which replace the whole list; put it among them")
        return listed(plugins)
    if retry_config is None:
        retry_config = RetryConfig(max_attempts=config.retry_attempts)
    retry = retry_config.policy() if isinstance(retry_config, RetryConfig) else retry_config
    timeout = Timeout(first_event=config.timeout)
    if stream_inactivity_timeout is not None:  # who sets it means every silence
        timeout = Timeout(first_event=config.timeout, idle=stream_inactivity_timeout, quiet=stream_inactivity_timeout)
    breaker = [] if circuit_breaker is None else [circuit_breaker]
    return [timeout, unbroken_retry.Retry(retry), *breaker, RateLimit()]
