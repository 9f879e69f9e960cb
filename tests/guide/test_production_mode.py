"""Configuration Examples: Production Mode (Recommended)."""

from unbroken_chat import ChatMessage, CircuitBreaker, CircuitBreakerConfig, ProxyConfig, RetryConfig, TextPart


def test_the_backend_gets_what_the_guide_sends(chat, answer, failed) -> None:
    """The user's token, 20 messages of history, and the retries and the breaker work."""
    circuit_breaker = CircuitBreaker(config=CircuitBreakerConfig.defaults, name="claude-proxy")
    generator = chat.generator(
        [failed(502, "api_error"), answer("Hello")],
        proxy=True,
        endpoint="https://your-backend.example/api/claude",
        auth_token="user-jwt",
        config=ProxyConfig(timeout=120, max_history_messages=20),
        retry_config=RetryConfig(max_attempts=3, initial_delay=1, max_delay=30),
        circuit_breaker=circuit_breaker,
        stream_inactivity_timeout=60,
    )
    history = [
        message
        for number in range(15)
        for message in (ChatMessage.user(f"question {number}"), ChatMessage.assistant(f"answer {number}"))
    ]
    reply = chat.send(generator, ChatMessage.user(TextPart("Hello")), history)
    assert (reply.text, reply.attempts) == ("Hello", 2)
    request = chat.requests[-1]
    assert request.url == "https://your-backend.example/api/claude"
    assert request.headers["authorization"] == "Bearer user-jwt"
    assert len(request.json()["messages"]) == 20 + 1
    assert request.json()["messages"][0]["content"][0]["text"] == "question 5"
    assert (circuit_breaker.state, circuit_breaker.failure_count) == ("closed", 0)
    assert list(circuit_breaker.snapshot()) == ["https://your-backend.example:443"]


def test_no_key_ever_leaves_the_client(chat, answer) -> None:
    """It has none."""
    chat.send(chat.generator([answer()], proxy=True), "Hello")
    assert "x-api-key" not in chat.requests[0].headers
