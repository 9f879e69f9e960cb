"""Two plugins for Unbroken: a stamp on every request, and a `retry` that competes with the built-in one."""

from attrs import field, frozen

from unbroken import Call, Error, Plugin, Request
from unbroken import TryAgain as RetryDecision
from unbroken.validators import number, seconds

__all__ = ["PatientRetry", "PatientRetryConfig", "Stamp", "StampConfig"]


@frozen(kw_only=True)
class StampConfig:
    """The settings of `Stamp`."""

    header: str = "X-Acme-Stamp"
    text: str = "acme"


class Stamp(Plugin):
    """Puts one header on every attempt."""

    name = "acme-stamp"
    Config = StampConfig
    config: StampConfig

    def before_request(self, call: Call, request: Request) -> Request:
        return request.with_headers({self.config.header: f"{self.config.text}; attempt={call.attempt}"})


@frozen(kw_only=True)
class PatientRetryConfig:
    """The settings of `PatientRetry`."""

    max_retries: int = field(default=1, validator=number(at_least=0, whole=True))
    pause: float = field(default=5.0, validator=seconds)


class PatientRetry(Plugin):
    """Tries again after a pause that is always the same."""

    name = "retry"
    Config = PatientRetryConfig
    config: PatientRetryConfig

    def should_retry(self, call: Call, error: Error) -> RetryDecision | None:
        if call.attempt > self.config.max_retries or not error.retryable:
            return None
        return RetryDecision(self.config.pause, reason="patience")
