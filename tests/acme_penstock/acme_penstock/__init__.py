"""Two plugins for Penstock: a stamp on every request, and a `retry` that competes with the built-in one."""

from attrs import field, frozen

from penstock import Call, PenstockError, Plugin, Request
from penstock import Retry as RetryDecision
from penstock.validators import number, seconds

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

    def should_retry(self, call: Call, error: PenstockError) -> RetryDecision | None:
        if call.attempt > self.config.max_retries or not error.retryable:
            return None
        return RetryDecision(self.config.pause, reason="patience")
