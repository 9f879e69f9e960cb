"""Production Features, 3: Circuit Breaker."""

import pytest

import unbroken_circuit_breaker
from unbroken import CircuitOpenError, ConfigurationError, ServerError
from unbroken.testing import check_plugin
from unbroken_chat import CircuitBreaker, CircuitBreakerConfig, RetryConfig

CONFIG = CircuitBreakerConfig(failure_threshold=5, recovery_timeout=30, half_open_success_threshold=2)


def test_its_state_can_be_monitored_through_a_whole_outage(chat, failed, answer, capsys) -> None:
    """Closed, open after five failures, half open after the recovery time, closed after two successes."""
    circuit_breaker = CircuitBreaker(config=CONFIG, name="claude-api")
    handler = chat.handler(
        [*[failed(500, "api_error")] * 5, answer(), answer()],
        proxy=True,
        circuit_breaker=circuit_breaker,
        retry_config=RetryConfig.no_retry,
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


def test_the_defaults_are_those_of_the_policy() -> None:
    """5 failures, 30 seconds, 2 successes."""
    defaults = CircuitBreakerConfig.defaults
    assert (defaults.failure_threshold, defaults.recovery_timeout, defaults.half_open_success_threshold) == (5, 30, 2)
    assert CircuitBreaker().config == defaults


def test_it_is_the_policy_itself() -> None:
    """So it stands in a list of plugins, with all settings of the policy."""
    check_plugin(lambda: CircuitBreaker(config=CircuitBreakerConfig(failure_threshold=2, count_429=True), name="a"))
    own = unbroken_circuit_breaker.CircuitBreakerConfig(circuit="mine")
    assert CircuitBreaker(config=own).config.circuit == "mine"
    assert CircuitBreaker(config=own, name="theirs").config.circuit == "theirs"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CircuitBreakerConfig(failure_treshold=5), "did you mean 'failure_threshold'"),
        (lambda: CircuitBreakerConfig(failure_threshold=0), "^failure_threshold: "),
        (lambda: CircuitBreaker(confg=CONFIG), r"^confg: is not a setting of CircuitBreaker \(did you mean 'config'"),
        (lambda: CircuitBreaker(config=5), "takes a CircuitBreakerConfig, not int"),
        (lambda: CircuitBreaker(name=5), "^name: must be text"),
        (lambda: CircuitBreaker(name=""), "^name: must not be empty"),
    ],
    ids=["misspelt-setting", "bad-setting", "misspelt-argument", "no-config", "name", "empty-name"],
)
def test_what_is_wrong_with_it_is_named(make, words) -> None:
    """A misspelt name gets the nearest right one."""
    with pytest.raises(ConfigurationError, match=words):
        make()
