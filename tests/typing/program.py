"""A user's program, which uses each public interface: mypy and pyright, both strict, accept it, and it runs."""

import asyncio
from collections.abc import Iterator
from typing import Any, ClassVar, assert_never, assert_type

import httpx
from attrs import field, frozen

from unbroken import (
    AsyncClient,
    Call,
    CircuitOpenError,
    Client,
    ConfigurationError,
    Dialect,
    Error,
    Event,
    Key,
    Kind,
    Order,
    Outcome,
    OverloadedError,
    PlainAnswer,
    Plugin,
    QuotaExceededError,
    RateLimitError,
    Reject,
    Request,
    Response,
    ServerError,
    StreamError,
    Timeouts,
    TruncatedStreamError,
    TryAgain,
    Usage,
    hookimpl,
)
from unbroken.decisions import BeforeRequest, Decision, OnEvent, ShouldRetry
from unbroken.dialect import error_for, stamped
from unbroken.relay import PIECE, Relay
from unbroken.testing import (
    Answer,
    FakeClock,
    RecordedError,
    Recording,
    ScriptedTransport,
    check_dialect,
    check_plugin,
    play,
    run,
    sse,
)
from unbroken.validators import number, seconds
from unbroken_anthropic import (
    Anthropic,
    AnthropicEvent,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ErrorEvent,
    Message,
    MessageBuilder,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    TextDelta,
)
from unbroken_chat import AsyncContentGenerator, ChatMessage, ContentGenerator, Reply, RetryConfig
from unbroken_circuit_breaker import CircuitBreaker, Window
from unbroken_fallback import Fallback, Target
from unbroken_faults import Fault, FaultServer, ReceivedRequest, faults
from unbroken_logging import Logging
from unbroken_metrics import Metrics, MetricsSnapshot
from unbroken_openai import CompletionBuilder, OpenAI
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry
from unbroken_sdk import protect
from unbroken_sdk.testing import Scripted, scripted
from unbroken_timeout import Timeout

BODY: dict[str, Any] = {"model": "claude", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}


# A dialect: lines of words, the last of which counts them


@frozen
class Word:
    text: str


@frozen
class End:
    count: int


class Words(Dialect[Word | End | Event]):
    """The events of an API of one's own."""

    name: ClassVar[str] = "words"
    has_terminal_event: ClassVar[bool] = True

    def classify(self, event: Event) -> Kind:
        return {"word": Kind.CONTENT, "end": Kind.TERMINAL | Kind.USAGE, "no": Kind.ERROR}.get(
            event.type, Kind.KEEPALIVE
        )

    def text(self, event: Event) -> str | None:
        return event.data if event.type == "word" else None

    def usage(self, event: Event) -> Usage | None:
        try:
            return Usage(output_tokens=count_of(event), final=True)
        except StreamError:
            return None

    def typed(self, event: Event) -> Word | End | Event:
        match event.type:
            case "word":
                return Word(event.data)
            case "end":
                return End(count_of(event))
            case _:
                return event

    def error_from_event(self, event: Event) -> Error:
        return error_for(int(event.data) if event.data in {"429", "529"} else 500, "the server says no")

    def error_from_response(self, response: Response, body: bytes) -> Error:
        return stamped(error_for(response.status_code, "the server refused"), response)


def count_of(event: Event) -> int:
    count = event.json()
    if type(count) is not int:
        raise StreamError("the end does not count the words")
    return count


# A plugin with settings, state per call, and most hooks


@frozen(kw_only=True)
class AuditConfig:
    header: str = "x-audit"
    patience: float = field(default=0.5, validator=seconds)
    limit: int = field(default=100, validator=number(at_least=1, whole=True))


class Audit(Plugin):
    """Counts the events of each call, and asks once more when the server is overloaded."""

    name: ClassVar[str] = "audit"
    order: ClassVar[tuple[Order, ...]] = (Order(("retry",), "it decides first"),)
    Config: ClassVar[type[Any]] = AuditConfig
    config: AuditConfig
    SEEN: ClassVar[Key[int]] = Key("audit.seen")

    def __init__(self, config: AuditConfig | None = None, /, **options: Any) -> None:
        super().__init__(config, **options)
        self.log: list[str] = []

    def before_request(self, call: Call, request: Request) -> BeforeRequest:
        return request.with_headers({self.config.header: call.id})

    def on_response(self, call: Call, response: Response) -> Reject | None:
        return Reject(ServerError("retired")) if response.headers.get("x-retired") else None

    @hookimpl(tryfirst=True)
    def on_event(self, call: Call, event: Event) -> OnEvent:
        seen = (call.get(self.SEEN) or 0) + 1
        call.set(self.SEEN, seen)
        return None

    def should_retry(self, call: Call, error: Error) -> ShouldRetry:
        again = isinstance(error, OverloadedError) and call.attempts == 1
        return TryAgain(self.config.patience, reason="audited") if again else None

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        self.log.append(f"{plugin}: {type(decision).__name__}")

    def on_finish(self, call: Call, outcome: Outcome) -> None:
        seen = call.pop(self.SEEN)
        self.log.append(f"{outcome.status} after {seen} events")


def policies(metrics: Metrics) -> list[Plugin]:
    return [
        metrics,
        Logging(level="DEBUG", events=False),
        Timeout(idle=5, total=30),
        Fallback(targets=[Target(headers={"x-region": "eu"})], cooldown=1),
        Audit(limit=5, patience=0.01),
        Retry(max_retries=2, initial_delay=0.01, max_delay=0.02),
        CircuitBreaker(window=Window(size=50, min_calls=50)),
        RateLimit(requests=100),
    ]


def told(event: AnthropicEvent) -> str:
    match event:
        case ContentBlockDelta(delta=TextDelta(text=text)):
            return text
        case ContentBlockDelta() | ContentBlockStart() | ContentBlockStop():
            return f"[{event.index}]"
        case MessageStart(message=message):
            return f"<{message.role}>"
        case MessageDelta(delta=delta):
            return f"<{delta.stop_reason}>"
        case MessageStop() | Ping():
            return ""
        case ErrorEvent(error=error):
            return str(error["type"])
        case Event():
            return event.data
        case _:
            assert_never(event)


def streamed(url: str) -> tuple[str, Message, MetricsSnapshot]:
    """A sync client with all policies: the first answer is refused, the second is whole."""
    metrics, builder = Metrics(), MessageBuilder()
    with Client(policies(metrics), dialect=Anthropic(), headers={"x-api-key": "key"}) as client:
        with client.stream("POST", f"{url}/v1/messages", json=BODY, timeouts=Timeouts(total=30)) as stream:
            pieces: list[str] = []
            for event in stream:
                assert_type(event.typed(), AnthropicEvent)
                builder.add(event)
                pieces.append(told(event.typed()))
        assert stream.usage is not None, client.describe()
        assert stream.usage.final
    return "".join(pieces), builder.message(), metrics.snapshot()


def whole(url: str) -> PlainAnswer:
    with Client([Retry(initial_delay=0.01)], dialect="openai") as client:
        return client.send("POST", f"{url}/v1/chat/completions", json={"messages": []})


async def both(url: str) -> list[str]:
    """An async client, with two streams at a time."""

    async def one(client: AsyncClient[Any]) -> str:
        built = CompletionBuilder()
        async with client.stream("POST", f"{url}/v1/chat/completions", json={"stream": True}) as stream:
            async for event in stream:
                built.add(event)
        return built.text

    async with AsyncClient([Timeout(), Retry()], dialect=OpenAI()) as client:
        return [*await asyncio.gather(one(client), one(client))]


def failure(url: str, fault: str) -> str:
    """What a program says of each kind of failure."""
    try:
        headers = {"x-unbroken-fault": fault}
        with (
            Client([], dialect=Anthropic(), headers=headers) as client,
            client.stream("POST", f"{url}/v1/messages", json=BODY) as stream,
        ):
            return "".join(stream.text())
    except TruncatedStreamError as error:
        return f"cut: {error.phase}"
    except (RateLimitError, OverloadedError) as error:
        return f"later: {error.retry_after}"
    except (QuotaExceededError, CircuitOpenError) as error:
        return f"not now: {error.retryable}"
    except Error as error:
        return f"{error.status_code}: {[attempt.error for attempt in error.history]}"


def refused() -> list[str]:
    try:
        Client(["retry"], config={"retry": {"max_retrys": 3}})
    except ConfigurationError as error:
        return [problem.path for problem in error.problems]
    return []


def relayed(url: str) -> bytes:
    """The bytes of an answer, for a program that hands them on."""
    relay = Relay([Retry()], dialect=Anthropic())
    with relay.stream(Request.build("POST", f"{url}/v1/messages", json=BODY)) as stream:
        got = b"".join(event.raw for event in stream if event.type == PIECE)
    relay.close()
    return got


def under_an_sdk(url: str) -> str:
    with protect(httpx.Client(), [Retry()], dialect=Anthropic(), errors="raise") as client:
        assert_type(client, httpx.Client)
        return client.post(f"{url}/v1/messages", json=BODY).text


def under_a_script() -> list[str]:
    answers: list[Scripted] = [529, "Good day.", Answer(body=sse("x"))]
    sent: list[Request] = []
    client = scripted(httpx.Client(), answers, [Retry()], requests=sent, clock=FakeClock())
    text = client.post("https://api.example.org/v1/messages", json=BODY).text
    return [text, *(request.method for request in sent)]


def chatted(url: str) -> Iterator[Reply | str]:
    with ContentGenerator(model="claude", api_key="key", base_url=url, retry_config=RetryConfig()) as generator:
        reply = generator.send_request("Hello")
        yield reply
        with generator.stream_request(ChatMessage.user("And again"), [ChatMessage.user("Hello"), reply]) as stream:
            yield from stream.text()
            yield stream.reply()


async def achatted(url: str) -> Reply:
    async with (
        AsyncContentGenerator.proxy(f"{url}/v1/messages", auth_token="token") as generator,
        generator.stream_request("Hello") as stream,
    ):
        async for piece in stream.text():
            assert_type(piece, str)
        return await stream.reply()


def tested() -> list[str]:
    """The own dialect and the own plugin, in virtual time and against their contracts."""
    good = sse(("word", "Hello"), ("end", "1"))
    played = play([Answer(status=529), Answer(body=good)], [audit := Audit()], dialect=Words())
    assert (played.attempts, played.elapsed, played.data) == (2, 0.5, ["Hello", "1"])
    check_plugin(Audit)
    error = RecordedError(data=sse(("no", "429")), error=RateLimitError)
    pieces = (sse(("word", "Hello")), sse(("end", "1")))
    usage = Usage(output_tokens=1, final=True)
    check_dialect(Words(), Recording(pieces=pieces, text="Hello", usage=usage, errors=(error,)))

    clock = FakeClock(seed=1)
    transport = ScriptedTransport(lambda _: Answer(body=good), clock)
    client = Client([], dialect=Words(), transport=transport, clock=clock)
    with client, client.stream("GET", "https://api.example.org") as stream:
        it = [event.typed() for event in stream]
    assert_type(it, list[Word | End | Event])
    assert it == [Word("Hello"), End(1)]

    async def main(number: int) -> str:
        return str(number)

    return [*audit.log, run(main, 7, backend="trio")]


def main() -> dict[str, Any]:
    """Run everything against a server that fails on purpose."""
    received: list[ReceivedRequest] = []
    script = [faults.error_first("overloaded_error"), Fault(text="Water runs.")]
    with FaultServer(script, default=Fault(text="Water falls.")) as server:
        text, message, snapshot = streamed(server.url)
        results: dict[str, Any] = {
            "text": text,
            "message": message.text,
            "attempts": sum(snapshot.total.attempts.values()),
            "whole": whole(server.url).json()["object"],
            "both": asyncio.run(both(server.url)),
            "relayed": relayed(server.url),
            "sdk": under_an_sdk(server.url),
            "chat": list(chatted(server.url)),
            "achat": asyncio.run(achatted(server.url)),
        }
        told = [failure(server.url, fault) for fault in ("cut:after=1", "rate_limited:retry_after=2")]
        received += server.requests
    own = {"refused": refused(), "script": under_a_script(), "tested": tested()}
    return {**results, **own, "failures": told, "requests": len(received)}
