"""What `typed` returns where the dialect is known. Never run: mypy and pyright, both strict, must accept every line."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, assert_never, assert_type

from attrs import frozen

from unbroken import AsyncClient, AsyncStream, Client, Dialect, Event, Stream
from unbroken_anthropic import (
    Anthropic,
    AnthropicEvent,
    CitationsDelta,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ContentDelta,
    ErrorEvent,
    InputJsonDelta,
    MessageBuilder,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from unbroken_bedrock import Bedrock
from unbroken_gemini import Gemini, GenerateContentResponse
from unbroken_mcp import MCP
from unbroken_ollama import Ollama
from unbroken_openai import (
    AnyResponseEvent,
    ChatCompletionChunk,
    OpenAI,
    OpenAIEvent,
    OutputTextDelta,
    ResponseCompleted,
    ResponseEvent,
)

URL = "https://api.example.org/v1/messages"


def told(event: AnthropicEvent) -> str:
    """Every class of the union is named, and a checker knows that these are all."""
    match event:
        case MessageStart(message=message):
            return assert_type(message.model, str)
        case ContentBlockStart(index=index) | ContentBlockStop(index=index):
            return str(assert_type(index, int))
        case ContentBlockDelta(delta=delta):
            return delta_told(delta)
        case MessageDelta(delta=delta):
            return assert_type(delta.stop_reason, str | None) or ""
        case MessageStop() | Ping():
            return event.type
        case ErrorEvent(error=error):
            return str(assert_type(error, dict[str, Any]))
        case Event():
            return event.data
        case _:
            assert_never(event)


def delta_told(delta: ContentDelta) -> str:
    match delta:
        case TextDelta(text=text) | ThinkingDelta(thinking=text) | InputJsonDelta(partial_json=text):
            return assert_type(text, str)
        case SignatureDelta() | CitationsDelta():
            return delta.type
        case dict():
            return str(assert_type(delta, dict[str, Any])["type"])
        case _:
            assert_never(delta)


def of_openai(event: OpenAIEvent) -> str | None:
    """The base of the Responses API covers all events that are not named."""
    match event:
        case ChatCompletionChunk(choices=choices):
            return choices[0].finish_reason
        case OutputTextDelta(delta=text):
            return text
        case ResponseCompleted(response=response):
            return str(assert_type(response, dict[str, Any])["id"])
        case ResponseEvent():
            return of_responses(event)
        case Event():
            return event.data
        case _:
            assert_never(event)


def of_responses(event: AnyResponseEvent) -> str:
    assert_type(event.sequence_number, int | None)
    return event.type


def sync(dialect: Anthropic) -> Sequence[str]:
    with Client(["retry"], dialect=dialect, headers={"x-api-key": "a"}) as client:
        assert_type(client, Client[AnthropicEvent])
        with client.stream("POST", URL, json={"stream": True}) as stream:
            assert_type(stream, Stream[AnthropicEvent])
            stream.check(lambda events: [told(event.typed()) for event in events])
            for event in stream:
                assert_type(event, Event[AnthropicEvent])
                assert_type(event.typed(), AnthropicEvent)
                assert_type(event.replace(raw=b"{}").typed(), AnthropicEvent)
                assert_type(MessageBuilder().add(event), AnthropicEvent)
            return [told(event.typed()) for events in stream.batches() for event in events]


async def concurrent() -> None:
    async with AsyncClient(dialect=OpenAI(proof="done")) as client:
        assert_type(client, AsyncClient[OpenAIEvent])
        async with client.stream("POST", URL) as stream:
            assert_type(stream, AsyncStream[OpenAIEvent])
            async for event in stream:
                assert_type(event, Event[OpenAIEvent])
                of_openai(event.typed())
            async for events in stream.batches():
                assert_type(events, list[Event[OpenAIEvent]])


def others() -> None:
    assert_type(Client(dialect=Gemini()), Client[GenerateContentResponse | Event])
    assert_type(Client(dialect=Ollama()), Client[Event])
    assert_type(Client(dialect=MCP()), Client[Event])
    assert_type(Client(dialect=Bedrock()), Client[Any])  # the package of the events it may return is another
    assert_type(Client(dialect=Dialect()), Client[Any])


def unknown(client: Client, stream: Stream, event: Event) -> None:
    """By name, and where nothing is said, anything can be done with what comes."""
    assert_type(Client(dialect="anthropic"), Client[Any])
    assert_type(Client(), Client[Any])
    assert_type(client.stream("GET", URL), Stream[Any])
    assert_type([each.typed() for each in stream], list[Any])
    assert_type(event.typed(), Any)
    assert_type(Event(), Event[Any])


def handed_over(client: Client[AnthropicEvent], each: Callable[[Event[AnthropicEvent]], None]) -> None:
    """A client with a dialect goes where any client is wanted, and its events where theirs are."""
    unknown(client, client.stream("GET", URL), Event())
    with client.stream("GET", URL) as stream:
        for event in stream:
            each(event)
            wide: Event[object] = event
            print(wide.typed())


def annotated() -> Client[AnthropicEvent]:
    """Who knows which dialect the name stands for can say so."""
    return Client(dialect="anthropic")


@frozen
class Word:
    text: str


@frozen
class End:
    count: int


class Words(Dialect[Word | End | Event]):
    """A dialect of one's own says what its events are."""

    name = "words"

    def typed(self, event: Event) -> Word | End | Event:
        match event.type:
            case "word":
                return Word(event.data)
            case "end":
                return End(len(event.data))
            case _:
                return event


class Loose(Dialect):
    """Without that, nothing is known."""

    def typed(self, event: Event) -> Any:
        return event.json()


def of_ones_own(events: Iterable[Event[Word | End | Event]]) -> int:
    assert_type(Client(dialect=Loose()), Client[Any])
    assert_type(Client(dialect=Words()), Client[Word | End | Event])
    count = 0
    for event in events:
        it = event.typed()
        match it:
            case Word(text):
                count += len(text)
            case End(total):
                return total
            case Event():
                print(it.type)
            case _:
                assert_never(it)
    return count
