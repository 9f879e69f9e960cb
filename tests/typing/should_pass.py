"""What users and plugin authors write. Never run: mypy and pyright, both strict, must accept every line."""

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, assert_type

import httpx
import httpx2
from attrs import evolve, field, frozen
from msgspec.structs import replace

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
    FINISH,
    AsyncClient,
    AsyncTransport,
    Attempt,
    Call,
    Client,
    ConfigurationError,
    Dialect,
    Error,
    Event,
    GiveUp,
    Headers,
    Key,
    Kind,
    Outcome,
    PlainAnswer,
    Plugin,
    RateLimitError,
    Reject,
    Replay,
    Request,
    Response,
    TimeoutError,
    Timeouts,
    Transport,
    TryAgain,
    Usage,
    Wait,
    hookimpl,
)
from unbroken.decisions import BeforeRequest, Decision, OnEvent, ShouldRetry
from unbroken.testing import STALL, Answer, FakeClock, Played, ScriptedTransport, check_plugin, play, run, sse
from unbroken.validators import number, optional, seconds
from unbroken_anthropic import ContentBlockDelta, MessageBuilder, MessageDelta, StopDelta, TextDelta
from unbroken_chat import (
    AnthropicConfig,
    AsyncContentGenerator,
    ChatMessage,
    CircuitBreaker,
    CircuitBreakerConfig,
    ContentGenerator,
    ImagePart,
    ProxyConfig,
    ProxyModeHandler,
    RefreshAuth,
    RetryConfig,
)
from unbroken_chat import Reply as ReplyToUser
from unbroken_sdk import protect
from unbroken_sdk.testing import Scripted, scripted

URL = "https://api.example.org/v1/messages"


# Consuming


def blocking(config: Mapping[str, Any], key: str) -> str:
    with Client(["timeout", "retry"], config=config, dialect="anthropic", headers={"x-api-key": key}) as client:
        with client.stream("POST", URL, json={"stream": True}, timeouts=Timeouts(total=30)) as stream:
            for event in stream:
                assert_type(event, Event)
                assert_type(event.type, str)
                assert_type(event.typed(), Any)
                print(stream.request_id, event.type, event.json(), event["delta"], event.get("index", 0))
        assert_type(stream.outcome, Outcome | None)
        assert_type(stream.usage, Usage | None)
        assert_type(stream.history, tuple[Attempt, ...])
        assert_type(client.describe(), str)
        with client.stream("GET", URL, headers=[("accept", "*/*")], request_id="mine") as stream:
            return "".join(stream.text())


def whole(client: Client) -> str:
    answer = client.send("POST", URL, json={"input": "x"}, timeouts=Timeouts(total=30))
    assert_type(answer, PlainAnswer)
    assert_type(answer.json(), Any)
    assert_type(answer.history, tuple[Attempt, ...])
    stream = Client([], commit="complete").stream("GET", URL)
    AsyncClient([]).reconfigure(["retry"], config={"retry": {}})
    stream.check(lambda events: [event.json() for event in events])
    return answer.headers["content-type"] + answer.text


async def awaited(client: AsyncClient) -> bytes:
    answer = await client.send("GET", URL)
    assert_type(answer, PlainAnswer)
    return answer.content


async def awaiting() -> list[str]:
    async with (
        AsyncClient(None, config="unbroken.toml", commit="first-event") as client,
        client.stream("POST", URL, content=b"{}") as stream,
    ):
        async for event in stream:
            assert_type(event, Event)
        return [piece async for piece in stream.text()]


def failing(client: Client) -> float | None:
    try:
        with client.stream("GET", URL) as stream:
            list(stream)
    except RateLimitError as error:
        return assert_type(error.retry_after, float | None)
    except TimeoutError as error:
        return error.seconds if error.timeout in {"idle", "total"} else None
    except ConfigurationError as error:
        print(*(problem.path for problem in error.problems))
    except Error as error:
        print(error.request_id, error.status_code, error.phase, error.is_local, error.retryable)
        for attempt in error.history:
            print(attempt.number, attempt.error, attempt.delay, attempt.decided_by)
    return None


def configured_by_a_file() -> Client:
    assert_type(unbroken.__version__, str)
    proxy = "http://localhost:8080"
    return Client(config=Path("unbroken.toml"), verify=False, proxy=proxy, max_connections=10, insecure=True)


# Writing plugins


@frozen(kw_only=True)
class StampConfig:
    header: str = "x-stamp"
    pause: float = field(default=0.0, validator=seconds)
    size: int | None = field(default=None, validator=optional(number(at_least=1, whole=True)))


class Stamp(Plugin):
    """Overrides some hooks, each as narrow as it likes."""

    name: ClassVar[str] = "stamp"
    Config: ClassVar[type[Any]] = StampConfig
    config: StampConfig
    STARTED: ClassVar[Key[float]] = Key("stamp.started")

    def before_request(self, call: Call, request: Request) -> Request:
        call.set(self.STARTED, call.now())
        return request.with_headers({self.config.header: call.id})

    def after_request(self, call: Call, outcome: Outcome) -> None:
        started = call.pop(self.STARTED)
        assert_type(started, float | None)
        assert_type(call.get(self.STARTED, 1.0), float | None)

    def should_retry(self, call: Call, error: Error) -> TryAgain | None:
        remaining = call.remaining()
        if remaining is not None and remaining < 1.0:
            return None
        return TryAgain(call.random(), request=evolve(call.request, url=URL), resume=True, reason="stamped")


class Everything(Plugin):
    """All hooks, with all their answers."""

    def before_request(self, call: Call, request: Request) -> BeforeRequest:
        if call.attempt == 1:
            return Wait(1.5, "slowly")
        return Reject(Error("no")) if call.deadline is None else Replay([Event.make("a", {"b": 1})])

    def on_response(self, call: Call, response: Response) -> Reject | None:
        return None if response.headers.get("x-ok") else Reject(RateLimitError("no", retry_after=1.0))

    def on_commit(self, call: Call, event: Event) -> None:
        print(call.committed_at, call.phase)

    def on_event(self, call: Call, event: Event) -> OnEvent:
        if event.type == "drop":
            return DROP
        return FINISH if event.type == "enough" else event.replace(raw=b"{}")

    def on_error(self, call: Call, error: Error) -> Error | None:
        return None

    def should_retry(self, call: Call, error: Error) -> ShouldRetry:
        return GiveUp(error, "no") if error.retryable else Replay(event for event in [Event()])

    def on_finish(self, call: Call, outcome: Outcome) -> None:
        print(outcome.status, outcome.error, outcome.duration, call.usage, call.bytes)

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        match decision:
            case Wait(seconds, reason) | TryAgain(seconds, reason=reason):
                print(plugin, seconds, reason)
            case Reject(error):
                print(plugin, error)
            case GiveUp() | Replay():
                print(plugin)

    def wrap_transport(self, transport: Transport) -> Transport:
        return transport

    def wrap_async_transport(self, transport: AsyncTransport) -> AsyncTransport:
        return transport


class Ordered(Plugin):
    """Marks keep the type of what they mark."""

    @hookimpl(tryfirst=True, events={"delta"})
    def on_event(self, call: Call, event: Event) -> None:
        print(event.data)

    @hookimpl
    def on_finish(self, call: Call, outcome: Outcome) -> None:
        assert_type(self.on_event(call, Event()), None)


class Plain:
    """No base class: the functions are marked."""

    @hookimpl(wrapper=True)
    def should_retry(self, call: Call, error: Error) -> Generator[None, ShouldRetry, ShouldRetry]:
        answer = yield
        return answer

    @hookimpl(specname="on_finish")
    def finished(self, outcome: Outcome) -> None:
        print(outcome.status)


@hookimpl
def on_commit(call: Call, event: Event) -> None:
    """A module is a plugin, too."""


class Spoken(Dialect):
    """What the events of another API mean."""

    name = "spoken"
    has_terminal_event = True

    def classify(self, event: Event) -> Kind:
        return Kind.TERMINAL if event.type == "end" else Kind.CONTENT

    def usage(self, event: Event) -> Usage | None:
        return Usage(output_tokens=event["tokens"], final=True)

    def text(self, event: Event) -> str | None:
        return event.data

    def typed(self, event: Event) -> int:
        return len(event.data)


def built() -> Client:
    stamp = Stamp(header="x-other")
    assert_type(stamp.config, StampConfig)
    assert_type(Stamp.from_config(StampConfig()), Stamp)
    return Client([Stamp(StampConfig(), pause=1.0), Everything(), Plain(), "retry"], dialect=Spoken())


# Testing


def tested() -> None:
    clock = FakeClock(seed=7)
    played = play([Answer(status=503), Answer(body=[sse(("a", {"b": 1}), "text"), 1.5, STALL])], [Stamp()], clock=clock)
    assert_type(played, Played)
    assert played.types == ["a"]
    assert played.failure.status_code == 503
    check_plugin(Stamp, held=lambda plugin: len(plugin.name))
    transport: Transport = ScriptedTransport(lambda request: Answer(body=request.content), clock)
    Client([], transport=transport, clock=clock).close()

    async def main(number: int) -> str:
        return str(number)

    assert_type(run(main, 1, backend="trio"), str)


# Values


def values(headers: Headers) -> Iterator[str]:
    yield from headers
    yield headers["a"]
    yield from (name for name, _ in headers.items_raw)
    request = unbroken.Request.build("POST", URL, headers=headers, json=[1])
    yield request.origin
    yield from {TryAgain(1.0): "hashable"}.values()


# Chatting


def chatted(history: list[ChatMessage | ReplyToUser]) -> None:
    config = AnthropicConfig(max_tokens=9, headers={"X-A": "b"}, betas=["one"])
    with ContentGenerator(model="claude", api_key="key", config=config, max_connections=5) as generator:
        reply = generator.send_request("Hello", history, temperature=0.5)
        assert_type(reply, ReplyToUser)
        history += [ChatMessage.user("Hello", ImagePart(url=URL)), reply]
        with generator.stream_request(ChatMessage.tool_result("id", "ok"), history) as stream:
            assert_type(next(stream.text()), str)
            assert_type(next(stream.events()), Event)
            assert_type(stream.reply(), ReplyToUser)
    handler = ProxyModeHandler(URL, token_provider=lambda: "token", retry_config=RetryConfig.aggressive)
    ContentGenerator.with_handler(handler, system="Be brief.")


def guided() -> ContentGenerator:
    """The settings of the production guide."""
    retry_config: RetryConfig = RetryConfig(
        max_attempts=3,
        initial_delay=1,
        max_delay=30,
        backoff_multiplier=2.0,
        jitter_factor=0.1,
        retryable_status_codes={429, 500, 502, 503, 504},
    )
    assert_type(evolve(retry_config, max_attempts=1).retryable_status_codes, frozenset[int])
    config = CircuitBreakerConfig(failure_threshold=5, recovery_timeout=30, half_open_success_threshold=2)
    circuit_breaker: CircuitBreaker = CircuitBreaker(config=config, name="claude-api")
    print(circuit_breaker.state, circuit_breaker.failure_count)
    ProxyModeHandler(URL, retry_config=unbroken_retry.RetryConfig.NONE)
    return ContentGenerator.proxy(
        endpoint=URL,
        auth_token="token",
        config=ProxyConfig(timeout=120, max_history_messages=20),
        retry_config=retry_config,
        circuit_breaker=circuit_breaker,
        stream_inactivity_timeout=60,
    )


async def achatted() -> None:
    async def token() -> str:
        return "token"

    async with AsyncContentGenerator.proxy(URL, token_provider=token, plugins=[RefreshAuth(token)]) as generator:
        assert_type(await generator.send_request("Hello"), ReplyToUser)
        async with generator.stream_request("Hello") as stream:
            async for piece in stream.text():
                assert_type(piece, str)
            assert_type(await stream.reply(), ReplyToUser)


# Policies


def configured() -> list[Plugin]:
    window = unbroken_circuit_breaker.Window(kind="time", size=30)
    return [
        unbroken_timeout.Timeout(idle=30, total=None),
        unbroken_fallback.Fallback(
            targets=[
                unbroken_fallback.Target(url="https://eu.example.org", keys=[{"x-api-key": "a"}], name="eu"),
                unbroken_fallback.Target(body={"model": "small"}, headers={"x-region": "eu"}),
            ],
            cooldown=30,
        ),
        unbroken_retry.Retry(max_retries=3, jitter_kind="full", budget=None),
        unbroken_retry.Retry(unbroken_retry.RetryConfig.AGGRESSIVE, max_delay=5),
        unbroken_circuit_breaker.CircuitBreaker(window=window, key=lambda call: call.origin),
        unbroken_rate_limit.RateLimit(requests=50, tokens=40_000),
        unbroken_logging.Logging(level="DEBUG", events=True, allow_headers=["x-request-id"]),
        unbroken_metrics.Metrics(buckets=[1, 2, 5]),
        unbroken_otel.OTelTracing(semconv="latest"),
        unbroken_otel.OTelMetrics(),
    ]


# Typed events


def typed_events(builder: MessageBuilder, event: Event) -> str | None:
    message = replace(builder.message(), stop_reason=None)
    assert_type(message.usage, Usage)
    match builder.add(event):
        case ContentBlockDelta(index, TextDelta(text)):
            assert_type(index, int)
            return text
        case ContentBlockDelta(delta=dict() as unknown):
            return str(unknown["type"])
        case MessageDelta(delta=StopDelta(stop_reason=reason)) as it:
            assert_type(it.usage, dict[str, Any] | None)
            return reason
        case Event() as it:
            return it.type
        case it:
            assert_type(it.to_dict(), dict[str, Any])
    return TextDelta("a", extra={"b": 1}).type


# Under an SDK


class TeamClient(httpx.Client):
    """An object of the user's own, as an SDK's client is."""

    team = "a"


def under_an_sdk(team: TeamClient, other: httpx2.AsyncClient) -> str:
    assert_type(protect(other), httpx2.AsyncClient)
    assert_type(protect(other, [unbroken_retry.Retry()], errors="raise", commit="complete"), httpx2.AsyncClient)
    assert_type(protect(team, config={"retry": {"max_retries": 1}}, insecure=True), TeamClient)
    sent: list[Request] = []
    answers: list[Scripted] = ["text", 529, ConnectionResetError(), Answer(body=sse("one"))]
    client = scripted(team, answers, requests=sent, clock=FakeClock())
    assert_type(scripted(other, ["text", 529]), httpx2.AsyncClient)
    assert_type(client, TeamClient)
    return client.team
