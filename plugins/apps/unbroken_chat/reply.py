"""The reply, and how the events of a stream become one."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from attrs import field, frozen

from unbroken import AsyncStream, Attempt, Error, Event, Outcome, Stream, Usage
from unbroken_anthropic import (
    Anthropic,
    ContentBlockDelta,
    Message,
    MessageBuilder,
    MessageStop,
    TextDelta,
)

from .messages import ChatMessage
from .parts import ToolCallPart, part_of

T = TypeVar("T")
Read = Callable[[Event], T | None]
"""Make a value of an event, or None to skip the event."""


@frozen(kw_only=True)
class Reply:
    """A complete reply of the model."""

    message: ChatMessage
    """The reply as a message for the history."""
    text: str
    content: tuple[Any, ...]
    """The typed content blocks."""
    usage: Usage | None
    """The tokens of the call."""
    stop_reason: str
    """``end_turn``, ``max_tokens``, ``stop_sequence``, ``tool_use``, ``pause_turn``, ``refusal`` …"""
    model: str | None
    request_id: str
    """The id of the call."""
    response_id: str | None
    """The id that the server gave the response."""
    attempts: int
    """How many attempts the call took."""
    raw: Message = field(repr=False)
    """The whole message as the API sent it."""

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """The tool calls of the model. Answer each with `ChatMessage.tool_result`."""
        return self.message.tool_calls

    def to_dict(self) -> dict[str, Any]:
        """Return the reply as the JSON object of the API. It can be stored, and be part of a history as it is."""
        return self.raw.to_dict()


class Assembly:
    """Assemble the events of a stream into a `Reply`. The base of `ReplyStream` and `AsyncReplyStream`."""

    def __init__(self, stream: Stream | AsyncStream) -> None:
        self._stream = stream
        self._builder = MessageBuilder()
        self._message: Message | None = None
        self._reply: Reply | None = None

    @property
    def request_id(self) -> str:
        """The id of the call, the same for all its attempts, events and errors."""
        return self._stream.request_id

    @property
    def history(self) -> tuple[Attempt, ...]:
        """The attempts that failed so far."""
        return self._stream.history

    @property
    def attempts(self) -> int:
        """How many attempts have begun."""
        return self._stream.attempts

    @property
    def usage(self) -> Usage | None:
        """The tokens counted so far; None before the server sends a count."""
        return self._stream.usage

    @property
    def outcome(self) -> Outcome | None:
        """How the call ended; None while it runs."""
        return self._stream.outcome

    def snapshot(self) -> Message:
        """Return the part of the message that has arrived."""
        return self._builder.snapshot()

    def _assemble(self, events: Sequence[Event]) -> None:
        """Make the message of all `events` of an attempt. Raises the Error of one that does not fit together."""
        self._builder, self._message = MessageBuilder(), None
        for event in events:
            self._take(event)
        self._message = self._message or self._builder.message()

    def _take(self, event: Event) -> Any:
        """Add `event` to the message and return it typed.

        Raises StreamError if it contradicts earlier events, and at the end what is missing from the message: then the
        call has not ended, and that is its failure.
        """
        try:
            it = self._builder.add(event)
            if type(it) is MessageStop:
                self._message = self._builder.message()
        except Error as error:
            raise self._annotated(error) from None
        return it

    def _take_raw(self, event: Event) -> Event:
        self._take(event)
        return event

    def _take_text(self, event: Event) -> str | None:
        it = self._take(event)
        if isinstance(it, ContentBlockDelta):
            return it.delta.text if isinstance(it.delta, TextDelta) else None
        return self._stream.text_of(event)

    def _finished(self) -> Reply:
        if self._reply is None:
            try:
                message = self._message or self._builder.message()
            except Error as error:
                raise self._annotated(error) from None
            self._reply = self._made(message)
        return self._reply

    def _made(self, message: Message) -> Reply:
        response = self._stream.response
        return Reply(
            message=ChatMessage("assistant", [part_of(block) for block in message.to_dict()["content"]]),
            text=message.text,
            content=tuple(message.content),
            usage=self._stream.usage,
            stop_reason=str(message.stop_reason),
            model=message.model,
            request_id=self.request_id,
            response_id=None if response is None else response.headers.get(Anthropic.response_id_header),
            attempts=self.attempts,
            raw=message,
        )

    def _annotated(self, error: Error) -> Error:
        """Put the facts of this call on an error of the message builder."""
        error.request_id = error.request_id or self.request_id
        error.phase = error.phase or "streaming"
        error.attempts, error.history = self._stream.attempts, self._stream.history
        error.delivered = True
        return error
