"""The retry policy: back-off with jitter, the server's hints, the deadline, and a budget shared by all calls."""

from ._config import RetryBudget, RetryConfig
from ._plugin import Retry

__all__ = ["Retry", "RetryBudget", "RetryConfig"]
