"""The retry policy: back-off with jitter, the server's hints, the deadline, one idempotency key per call."""

from ._config import RetryConfig
from ._plugin import Retry

__all__ = ["Retry", "RetryConfig"]
