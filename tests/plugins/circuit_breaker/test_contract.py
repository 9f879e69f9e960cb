"""The contract of plugin authors, for every state and setting of the breaker."""

import pytest

from unbroken.testing import check_plugin
from unbroken_circuit_breaker import CircuitBreaker, CircuitBreakerConfig, Window


def held(breaker: CircuitBreaker) -> int:
    return sum(circuit.in_flight + circuit.probes for circuit in breaker.snapshot().values())


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"failure_threshold": 1, "half_open_success_threshold": 1, "recovery_timeout": 0.001},
        {"failure_threshold": 1, "count_429": True, "slow_call": 0.001},
        {"window": Window(size=2, min_calls=1, slow_rate=0.5), "slow_call": 1.0},
        {"window": Window(kind="time", size=60, min_calls=1)},
        {"initial_state": "disabled"},
        {"initial_state": "metrics_only"},
        {"key": lambda call: call.id, "max_keys": 2},
    ],
    ids=lambda values: "-".join(values) or "default",
)
def test_the_breaker_keeps_the_contract(values: dict[str, object]) -> None:
    """Nothing is held after any end, nothing blocks, time and chance are the call's."""
    check_plugin(lambda: CircuitBreaker(CircuitBreakerConfig(**values)), held=held)
