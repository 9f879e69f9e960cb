"""The retry policy: back-off with jitter, the server's hints, the deadline, a budget for all calls together."""

from ._config import RetryBudget, RetryConfig
from ._plugin import Retry

__all__ = ["Retry", "RetryBudget", "RetryConfig"]
