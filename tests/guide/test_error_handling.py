"""Error Handling Best Practices."""

import pytest

from unbroken import AuthenticationError, CircuitOpenError, Error, RateLimitError
from unbroken.testing import STALL, Answer
from unbroken_chat import (
    ChatMessage,
    CircuitBreaker,
    CircuitBreakerConfig,
    RefreshAuth,
    RetryConfig,
    TextPart,
    user_message,
)


class Application:
    """The guide's `handleChat`, line by line, and what its user sees."""

    def __init__(self, chat, generator) -> None:
        self.chat, self.generator = chat, generator
        self.shown: list[str] = []

    def handle_chat(self, message: str, history=()) -> None:
        try:
            response = self.chat.send(self.generator, ChatMessage.user(TextPart(message)), history)
            self.shown.append(response.text)
        except AuthenticationError:
            self.shown.append("login")
        except RateLimitError as error:
            seconds = 30 if error.retry_after is None else round(error.retry_after)
            self.shown.append(f"Too many requests. Please wait {seconds}s")
        except CircuitOpenError:
            self.shown.append("Service temporarily unavailable")
        except Error as error:
            self.shown.append("retry button" if error.retryable else error.message)


NONE = {"retry_config": RetryConfig.no_retry}

FLOW = [
    pytest.param([(401, "authentication_error")], {}, "login", id="on-AuthenticationException"),
    pytest.param(
        [(429, "rate_limit_error", "no", {"retry-after": "12"})],
        NONE,
        "Too many requests. Please wait 12s",
        id="on-RateLimitException",
    ),
    pytest.param(
        [(429, "rate_limit_error")], NONE, "Too many requests. Please wait 30s", id="on-RateLimitException-without-hint"
    ),
    pytest.param([(500, "api_error")] * 4, {}, "retry button", id="isRetryable"),
    pytest.param([Answer(latency=STALL)], NONE, "retry button", id="isRetryable-timeout"),
    pytest.param(
        [(400, "invalid_request_error", "max_tokens: must be positive")],
        {},
        "HTTP 400 invalid_request_error: max_tokens: must be positive",
        id="not-retryable",
    ),
]


def _replies(failed, script):
    return [
        failed(*reply[:3], headers=reply[3] if len(reply) > 3 else None) if isinstance(reply, tuple) else reply
        for reply in script
    ]


@pytest.mark.parametrize(("script", "arguments", "shown"), FLOW)
def test_the_flow_of_the_guide_works_as_it_is_written(chat, failed, script, arguments, shown) -> None:
    """Each failure ends where the guide wants it."""
    application = Application(chat, chat.generator(_replies(failed, script), proxy=True, **arguments))
    application.handle_chat("Hello")
    assert application.shown == [shown]


def test_an_open_circuit_is_shown_as_unavailable(chat, failed) -> None:
    """on CircuitBreakerOpenException."""
    breaker = CircuitBreaker(CircuitBreakerConfig(failure_threshold=1))
    generator = chat.generator([failed(500, "api_error")], proxy=True, circuit_breaker=breaker, **NONE)
    application = Application(chat, generator)
    application.handle_chat("Hello")
    application.handle_chat("Hello")
    assert application.shown == ["retry button", "Service temporarily unavailable"]


def test_a_token_is_refreshed_and_the_request_repeated_once(chat, failed, answer) -> None:
    """`await refreshToken(); // Retry once with new token`, as a policy."""
    generator = chat.generator(
        [failed(401, "authentication_error"), answer("Welcome")],
        proxy=True,
        plugins=[RefreshAuth(lambda: "new-token")],
    )
    application = Application(chat, generator)
    application.handle_chat("Hello")
    assert application.shown == ["Welcome"]
    assert [request.headers["authorization"] for request in chat.requests] == ["Bearer jwt-canary", "Bearer new-token"]


WORDS = [
    ((401, "authentication_error"), "sign in"),
    ((429, "rate_limit_error", "no", {"retry-after": "12"}), "wait 12 s"),
    ((429, "rate_limit_error"), "wait a while"),
    ((429, "rate_limit_error", "no", {"retry-after": "90000"}), "wait a while"),
    ((400, "invalid_request_error", "canary"), "change it"),
    ((529, "overloaded_error", "canary"), "temporarily unavailable"),
    (Answer(latency=STALL), "took too long"),
    (Answer(failure=Error("canary")), "went wrong"),
    (Answer(headers={"content-type": "text/html"}, body=b"canary"), "went wrong"),
]


@pytest.mark.parametrize(("reply", "words"), WORDS, ids=[words for _, words in WORDS])
def test_security_5_messages_for_users_say_nothing_of_the_inside(chat, failed, reply, words) -> None:
    """Sanitize error messages shown to users: what to do, and the id to ask about."""
    generator = chat.generator(_replies(failed, [reply]), **NONE)
    with pytest.raises(Error) as caught:
        chat.send(generator, "Hello")
    shown = user_message(caught.value)
    assert words in shown
    assert shown.endswith(f"(request {caught.value.request_id})")
    assert "canary" not in shown


def test_other_exceptions_can_be_shown_too() -> None:
    """The handler of last resort needs no second function."""
    assert user_message(KeyError("canary")) == "Something went wrong. Please try again later."
