"""The circuit-breaker policy: fail at once while the upstream is known to be down, and find out when it is back."""

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
