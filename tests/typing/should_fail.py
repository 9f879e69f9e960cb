"""What must not type-check. Never run: mypy, strict, must complain about each line marked ``# error``, and no other."""

from typing import Any

import httpx

import unbroken
import unbroken_circuit_breaker
import unbroken_fallback
import unbroken_logging
import unbroken_metrics
import unbroken_otel
import unbroken_rate_limit
import unbroken_retry
import unbroken_timeout
from unbroken import (
    DROP,
    AsyncClient,
    Call,
    Client,
    Error,
    Event,
    GiveUp,
    Headers,
    Key,
    Outcome,
    Plugin,
    Reject,
    Replay,
    Request,
    Response,
    Timeouts,
    TryAgain,
    Usage,
    Wait,
    hookimpl,
)
from unbroken.testing import Answer, play, run
from unbroken_anthropic import TextDelta, ToolUseBlock
from unbroken_chat import (
    AnthropicConfig,
    ChatMessage,
    CircuitBreaker,
    CircuitBreakerConfig,
    ContentGenerator,
    ProxyModeHandler,
    RetryConfig,
)
from unbroken_sdk import protect
from unbroken_sdk.testing import scripted

URL = "https://api.example.org/v1/messages"


# Consuming


def arguments(client: Client) -> None:
    client.stream("POST")  # error
    client.stream("POST", URL, {"x-api-key": "a"})  # error
    client.stream("POST", URL, headers={"x-api-key": 1})  # error
    client.stream("POST", URL, headers={b"x-api-key": b"a"})  # error
    client.stream("POST", URL, content="text")  # error
    client.stream("POST", URL, timeouts=30)  # error
    client.stream("POST", URL, timeout=30)  # error
    client.stream("POST", URL, follow_redirects=True)  # error
    client.send("POST", URL, stream=True)  # error
    client.send("POST", URL, timeouts=30)  # error
    client.stream("POST", URL).check(5)  # error
    Client("retry")
    Client([], dialect=5)  # error
    Client([], commit="never")  # error
    Client([], retries=3)  # error
    Client([], insecure="yes")  # error
    Client([]).reconfigure(transport="httpx")  # error
    AsyncClient([]).reconfigure([], config=5)  # error
    Timeouts(5)  # error
    Timeouts(read=5)  # error
    Timeouts(idle="5")  # error


def misspelt() -> None:
    _ = unbroken.__verison__  # error
    unbroken.Cleint([])  # error


def wrong_colour(client: Client, other: AsyncClient) -> None:
    with other.stream("GET", URL):  # error
        pass
    with client.stream("GET", URL) as stream:
        stream.aclose()  # error


async def wrong_colour_awaiting(client: Client, other: AsyncClient) -> None:
    async with client.stream("GET", URL):  # error
        pass
    async with other.stream("GET", URL) as stream:
        for _ in stream:  # error
            pass


def read_only(call: Call, request: Request, response: Response, event: Event, usage: Usage, outcome: Outcome) -> None:
    request.url = URL  # error
    response.status_code = 200  # error
    usage.input_tokens = 1  # error
    outcome.status = "success"  # error
    request.headers["a"] = "b"  # error
    event["a"] = 1  # error
    call.origin = "x"  # error
    TryAgain(1.0).delay = 2.0  # error


def comparisons(outcome: Outcome, error: Error) -> bool:
    return outcome.status == "ok" or error.is_local == "server" or error.phase == "body"  # error


def keys(call: Call, started: Key[float]) -> None:
    call.set(started, "now")  # error
    number: int | None = call.get(started)  # error
    text: str = call.pop(started)  # error
    print(number, text)


# Decisions


def decisions() -> None:
    Wait()  # error
    Wait("1")  # error
    Reject()  # error
    Reject("no")  # error
    Reject(ValueError("no"))  # error
    TryAgain(request=URL)  # error
    GiveUp(ValueError("no"))  # error
    Replay(["event"])  # error
    Replay(events=5)  # error
    Error("no", phase="body")  # error
    Error("no", 429)  # error
    Headers({"a": None})  # error


# Plugins


class Answers(Plugin):
    """Each hook has its own answers."""

    def before_request(self, call: Call, request: Request) -> TryAgain:  # error
        return TryAgain()

    def on_response(self, call: Call, response: Response) -> Wait:  # error
        return Wait(1)

    def on_event(self, call: Call, event: Event) -> bool:  # error
        return True

    def should_retry(self, call: Call, error: Error) -> bool:  # error
        return True

    def on_finish(self, call: Call, outcome: Outcome) -> str:  # error
        return ""


class Arguments(Plugin):
    """And its own arguments."""

    def before_request(self, call: Call) -> None:  # error
        pass

    def on_event(self, call: Call, data: str) -> None:  # error
        pass

    async def on_error(self, call: Call, error: Error) -> None:  # error
        pass

    def after_request(self, call: Call, outcome: Outcome, more: int) -> None:  # error
        pass


class Marked(Plugin):
    """A mark does not hide what it marks."""

    @hookimpl(tryfirst=True)
    def on_event(self, call: Call, event: Event) -> int:  # error
        return 1

    @hookimpl(first=True)  # error
    def on_finish(self, call: Call, outcome: Outcome) -> None:
        pass

    def on_decision(self, call: Call, decision: Any, plugin: str) -> None:
        print(DROP.reason)  # error


# Testing


def tested() -> None:
    play([Answer(status="200")])  # error
    play([Answer()], backend="twisted")  # error
    Answer(500)  # error
    run(lambda: 5)  # error


# Chatting


def chatted(generator: ContentGenerator) -> None:
    ContentGenerator("claude")  # error
    ContentGenerator(model="claude", timeout=5)  # error
    ContentGenerator.proxy(URL, auth_token=b"token")  # error
    ProxyModeHandler(URL, retries=3)  # error
    ProxyModeHandler(URL, retry_config={"max_attempts": 3})  # error
    AnthropicConfig(max_token=5)  # error
    RetryConfig(max_atempts=3)  # error
    RetryConfig(max_retries=3)  # error
    RetryConfig(retryable_status_codes={"429"})  # error
    CircuitBreakerConfig(failure_treshold=5)  # error
    CircuitBreaker(name=5)  # error
    CircuitBreaker(circuit="claude")  # error
    ChatMessage.user(5)  # error
    generator.send_request(["Hello"])  # error
    generator.send_request("Hello", "earlier")  # error


# Policies


def configured() -> None:
    unbroken_retry.Retry(max_retrys=3)  # error
    unbroken_fallback.Fallback(targets="eu")  # error
    unbroken_fallback.Fallback(target=[])  # error
    unbroken_fallback.Target(url="https://eu.example.org", keys=["k"])  # error
    unbroken_fallback.Target("https://eu.example.org")  # error
    unbroken_retry.Retry(max_retries="x")  # error
    unbroken_retry.Retry(jitter_kind="sideways")  # error
    unbroken_timeout.Timeout(iddle=3)  # error
    unbroken_circuit_breaker.CircuitBreaker(window=5)  # error
    unbroken_rate_limit.RateLimit(requests="many")  # error
    unbroken_logging.Logging(levle="INFO")  # error
    unbroken_logging.Logging(events="yes")  # error
    unbroken_metrics.Metrics(max_series=1.5)  # error
    unbroken_otel.OTelTracing(propagate=1.5)  # error
    unbroken_otel.OTelMetrics(semconv="newest")  # error
    unbroken_retry.Retry(unbroken_timeout.TimeoutConfig())  # error


# Typed events


def typed_events(delta: TextDelta) -> None:
    delta.text = "b"  # error
    TextDelta(5)  # error
    TextDelta("a", {})  # error
    ToolUseBlock("t", "f", {})  # error


# Under an SDK


def under_an_sdk(client: httpx.Client) -> None:
    protect(client).stream_whole()  # error
    protect(client, errors="never")  # error
    protect(client, commit="never")  # error
    protect(client, retries=3)  # error
    other: httpx.AsyncClient = protect(client)  # error
    scripted(client)  # error
    scripted(client, [None])  # error
    scripted(client, ["text"], requests=[b"bytes"])  # error
    scripted(other, ["text"], commit="content")  # error
