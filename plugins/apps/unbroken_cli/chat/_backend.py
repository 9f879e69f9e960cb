"""Asking a model and reading its answer, whatever API it speaks."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Self, cast, final

from attrs import field, frozen

from unbroken import Client, Dialect, Event, Stream, StreamError, Usage
from unbroken.error_bodies import as_object
from unbroken.validators import refused
from unbroken_chat import ChatMessage, ContentGenerator, TextPart


class Answer(Protocol):
    """A complete answer."""

    @property
    def message(self) -> ChatMessage:
        """The answer as it goes into the history."""
        ...

    @property
    def stop_reason(self) -> str | None:
        """Why it ended there, in the API's own word."""
        ...


class AnswerStream(Protocol):
    """An answer while it comes. Use it with ``with``; both methods raise the Error of a call that failed."""

    @property
    def usage(self) -> Usage | None:
        """The tokens counted so far."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def text(self) -> Iterator[str]:
        """Deliver the pieces of text."""
        ...

    def reply(self) -> Answer:
        """Read on to the end, and return the whole answer."""
        ...


class Backend(Protocol):
    """What answers questions."""

    def ask(self, history: Sequence[ChatMessage], question: ChatMessage, model: str | None) -> AnswerStream:
        """Prepare the answer to `question`. Raises ConfigurationError for what cannot be sent."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


@final
@frozen
class Messages:
    """The Messages API, from Anthropic itself or from a backend that speaks it."""

    generator: ContentGenerator
    max_tokens: int | None = None

    def ask(self, history: Sequence[ChatMessage], question: ChatMessage, model: str | None) -> AnswerStream:
        """Prepare the answer to `question`."""
        return self.generator.stream_request(question, history, **_given(model=model, max_tokens=self.max_tokens))

    def close(self) -> None:
        """Close all connections."""
        self.generator.close()


@final
@frozen
class ChatCompletions:
    """Chat Completions, which many servers speak (https://platform.openai.com/docs/api-reference/chat)."""

    client: Client
    url: str
    dialect: Dialect
    max_tokens: int | None = None

    def ask(self, history: Sequence[ChatMessage], question: ChatMessage, model: str | None) -> AnswerStream:
        """Prepare the answer to `question`. Raises ConfigurationError for messages that are more than text."""
        body = {
            "messages": [_plain(number, message) for number, message in enumerate((*history, question), 1)],
            "stream": True,
            "stream_options": {"include_usage": True},
            **_given(model=model, max_tokens=self.max_tokens),
        }
        return Completion(self.client.stream("POST", self.url, json=body), self.dialect)

    def close(self) -> None:
        """Close all connections."""
        self.client.close()


@final
@frozen(kw_only=True)
class Completed:
    """A complete answer of Chat Completions."""

    message: ChatMessage
    stop_reason: str | None


@final
@frozen
class Completion:
    """An answer of Chat Completions while it comes."""

    stream: Stream
    dialect: Dialect
    _pieces: list[str] = field(factory=list[str], init=False)
    _reasons: list[str] = field(factory=list[str], init=False)

    @property
    def usage(self) -> Usage | None:
        """The tokens counted so far."""
        return self.stream.usage

    def __enter__(self) -> Self:
        self.stream.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stream.__exit__(*exc)

    def text(self) -> Iterator[str]:
        """Deliver the pieces of text."""
        for event in self.stream:
            self._reasons.extend(_finish_reasons(event))
            piece = self.dialect.text(event)
            if piece is not None:
                self._pieces.append(piece)
                yield piece

    def reply(self) -> Completed:
        """Read on to the end, and return the whole answer."""
        for _ in self.text():
            pass
        reason = self._reasons[-1] if self._reasons else None
        return Completed(message=ChatMessage.assistant("".join(self._pieces)), stop_reason=reason)


def _given(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _plain(number: int, message: ChatMessage) -> dict[str, str]:
    for part in message.parts:
        if not isinstance(part, TextPart):
            kind = part.to_block().get("type", "block")
            raise refused(f"message {number}", f"has a {kind}, and this server is sent text only")
    return {"role": message.role, "content": message.text}


def _finish_reasons(event: Event) -> Iterator[str]:
    try:
        choices: Any = as_object(event.json()).get("choices")
    except StreamError:  # the [DONE] at the end
        return
    for choice in cast("Sequence[Any]", choices) if isinstance(choices, list) else ():
        reason = as_object(choice).get("finish_reason")
        if isinstance(reason, str):
            yield reason
