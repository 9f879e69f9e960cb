"""What must not type-check. Never run: mypy and pyright, both strict, must complain about each line marked ``# error``,
and no other.
"""

from typing import assert_never, assert_type

from unbroken import AsyncClient, Client, Dialect, Event
from unbroken_anthropic import (
    Anthropic,
    AnthropicEvent,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ErrorEvent,
    MessageDelta,
    MessageStart,
    MessageStop,
    TextDelta,
)
from unbroken_openai import ChatCompletionChunk, OpenAI, OpenAIEvent, ResponseEvent

URL = "https://api.example.org/v1/messages"


def without_pings(event: AnthropicEvent) -> str:
    match event:
        case MessageStart() | ContentBlockStart() | ContentBlockDelta() | ContentBlockStop():
            return ""
        case MessageDelta() | MessageStop() | ErrorEvent():
            return ""
        case Event():
            return ""
        case _:
            assert_never(event)  # error


def without_unknown_events(event: OpenAIEvent) -> str:
    match event:
        case ChatCompletionChunk() | ResponseEvent():
            return ""
        case _:
            assert_never(event)  # error


def without_an_answer(event: AnthropicEvent) -> str:  # error
    match event:  # error: pyright
        case MessageStart():
            return ""
        case ContentBlockStart() | ContentBlockDelta() | ContentBlockStop():
            return ""


def arguments() -> None:
    Anthropic(prof="done")  # error
    OpenAI(prof="done")  # error
    OpenAI(proof="dune")  # error
    Client(dialct=Anthropic())  # error
    Client(dialect=Anthropic)  # error
    AsyncClient(dialect=5)  # error
    Client[AnthropicEvent](dialect=OpenAI())  # error


def attributes(client: Client[AnthropicEvent]) -> None:
    with client.stream("GET", URL) as stream:
        for event in stream:
            it = event.typed()
            print(it.delta)  # error
            if isinstance(it, MessageDelta):
                print(it.delta.stop_reson)  # error
            if isinstance(it, ContentBlockDelta) and isinstance(it.delta, TextDelta):
                print(it.delta.thinking)  # error
            assert_type(it, MessageDelta)  # error
            wrong: Event[OpenAIEvent] = event  # error
            print(wrong)


class Words(Dialect[int | Event]):
    """Returns something else than it says."""

    def typed(self, event: Event) -> str:  # error
        return event.data
