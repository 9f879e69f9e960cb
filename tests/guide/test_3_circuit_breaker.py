"""Production Features, 3: Circuit Breaker."""

import pytest

from unbroken import CircuitOpenError, ServerError
from unbroken_circuit_breaker import CircuitBreaker, CircuitBreakerConfig
from unbroken_retry import RetryConfig

CONFIG = CircuitBreakerConfig(failure_threshold=5, recovery_timeout=30, half_open_success_threshold=2)


def test_its_state_can_be_monitored_through_a_whole_outage(chat, failed, answer, capsys) -> None:
    """Closed, open after five failures, half open after the recovery time, closed after two successes."""
    circuit_breaker = CircuitBreaker(CONFIG, circuit="claude-api")
    handler = chat.handler(
        [*[failed(500, "api_error")] * 5, answer(), answer()],
        proxy=True,
        circuit_breaker=circuit_breaker,
        retry_config=RetryConfig.NONE,
    )

    def monitor() -> None:
        print(f"State: {circuit_breaker.state}")
        print(f"Failures: {circuit_breaker.failure_count}")

    monitor()
    for _ in range(5):
        with pytest.raises(ServerError):
            chat.events(handler, {"messages": []})
    monitor()
    with pytest.raises(CircuitOpenError, match="claude-api"):
        chat.events(handler, {"messages": []})
    chat.clock.advance(30)
    monitor()
    for _ in range(2):
        chat.events(handler, {"messages": []})
    monitor()
    assert capsys.readouterr().out.splitlines() == [
        *("State: closed", "Failures: 0"),
        *("State: open", "Failures: 5"),
        *("State: half_open", "Failures: 5"),
        *("State: closed", "Failures: 0"),
    ]
    assert len(chat.requests) == 7
