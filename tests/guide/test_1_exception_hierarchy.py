"""Production Features, 1: Exception Hierarchy."""

import pytest

import unbroken
from unbroken.testing import STALL, Answer
from unbroken_chat import CircuitBreaker, CircuitBreakerConfig, RetryConfig

TIMES_OUT = Answer(latency=STALL)
REFUSED = Answer(failure=unbroken.NetworkError("connection refused"))
NO_STREAM = Answer(headers={"content-type": "text/html"}, body=b"<title>Login</title>")

# The guide's class, ours, what the server does, whether another try can help.
ROWS = [
    pytest.param("NetworkError", [REFUSED] * 4, True, id="NetworkException"),
    pytest.param("TimeoutError", [TIMES_OUT] * 2, True, id="TimeoutException"),
    pytest.param("AuthenticationError", [(401, "authentication_error")], False, id="AuthenticationException-401"),
    pytest.param("AuthenticationError", [(403, "permission_error")], False, id="AuthenticationException-403"),
    pytest.param("RateLimitError", [(429, "rate_limit_error")] * 4, True, id="RateLimitException"),
    pytest.param("ValidationError", [(400, "invalid_request_error")], False, id="ValidationException-400"),
    pytest.param("ValidationError", [(422, "invalid_request_error")], False, id="ValidationException-422"),
    pytest.param("ServerError", [(500, "api_error")] * 4, True, id="ServerException"),
    pytest.param("StreamError", [NO_STREAM], False, id="StreamException"),
]


@pytest.mark.parametrize(("name", "script", "retryable"), ROWS)
def test_each_failure_has_its_class(chat, failed, name, script, retryable) -> None:
    """All extend one class, with a message, a request id, a status and whether a retry can help."""
    replies = [failed(*reply) if isinstance(reply, tuple) else reply for reply in script]
    generator = chat.generator(replies)
    with pytest.raises(unbroken.Error) as caught:
        chat.send(generator, "Hello")
    error = caught.value
    assert isinstance(error, getattr(unbroken, name))
    assert error.message
    assert error.request_id.startswith("req_")
    assert error.retryable is retryable
    assert error.status_code == (script[0][0] if isinstance(script[0], tuple) else None)
    assert len(chat.requests) == len(script)


def test_an_open_circuit_is_retryable_after_recovery(chat, failed) -> None:
    """CircuitBreakerOpenException."""
    generator = chat.generator(
        [failed(500, "api_error")],
        circuit_breaker=CircuitBreaker(CircuitBreakerConfig(failure_threshold=1)),
        retry_config=RetryConfig.no_retry,
    )
    with pytest.raises(unbroken.ServerError):
        chat.send(generator, "Hello")
    with pytest.raises(unbroken.CircuitOpenError) as caught:
        chat.send(generator, "Hello")
    assert (caught.value.retryable, len(chat.requests)) == (True, 1)
    assert 0 < caught.value.retry_after <= 30
