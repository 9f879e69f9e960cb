"""The circuit-breaker policy: reject calls at once while the upstream is failing, and probe for its recovery."""

from ._config import CircuitBreakerConfig, Window
from ._notify import CircuitBreakerSpecs
from ._plugin import CircuitBreaker
from ._values import CircuitSnapshot, CircuitState

__all__ = (
    "CircuitBreaker",
    "CircuitBreakerConfig",
    "CircuitBreakerSpecs",
    "CircuitSnapshot",
    "CircuitState",
    "Window",
)
