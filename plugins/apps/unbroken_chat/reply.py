"""The reply, and how the events of a stream become one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import field, frozen

from unbroken import AsyncStream, Attempt, Error, Event, Outcome, Stream, Usage
from unbroken_anthropic import ContentBlockDelta, Message, TextDelta

from .api import Api, Reading, ReplyContent
from .messages import ChatMessage
from .parts import ToolCallPart

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
    """The typed content blocks of Messages; the output items of Responses; the parts of the message of other APIs."""
    usage: Usage | None
    """The tokens of the call."""
    stop_reason: str | None
    """As the API names it: ``end_turn``, ``max_tokens``, ``tool_use`` … of Messages, ``stop``, ``length``,
    ``tool_calls`` … of Chat Completions, ``completed``, ``max_output_tokens`` … of Responses. None only from a server
    that does not tell.
    """
    model: str | None
    request_id: str
    """The id of the call."""
    response_id: str | None
    """The id that the server gave the response."""
    attempts: int
    """How many attempts the call took."""
    raw: Any = field(repr=False)
    """The whole answer as the API has it: a `unbroken_anthropic.Message`, or a dict of the others."""

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """The tool calls of the model. Answer each with `ChatMessage.tool_result`."""
        return self.message.tool_calls

    @property
    def thinking(self) -> str:
        """The text of the thinking or reasoning that the API tells."""
        return self.message.thinking

    def to_dict(self) -> dict[str, Any]:
        """Return the reply as the JSON object of the API. It can be stored, and be part of a history as it is."""
        raw: Any = self.raw
        made: dict[str, Any] = raw.to_dict() if isinstance(raw, Message) else dict(raw)
        return made


class Assembly:
    """Assemble the events of a stream into a `Reply`. The base of `ReplyStream` and `AsyncReplyStream`."""

    def __init__(self, stream: Stream | AsyncStream, api: Api, request: Mapping[str, Any]) -> None:
        self._stream = stream
        self._api = api
        self._request = request
        self._reading: Reading = api.reading(request)
        self._answer: ReplyContent | None = None
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

    def snapshot(self) -> Any:
        """Return the part of the answer that has arrived, as `Reply.raw` has the whole."""
        return self._reading.snapshot()

    def _assemble(self, events: Sequence[Event]) -> None:
        """Make the answer of all `events` of an attempt. Raises the Error of one that does not fit together."""
        self._reading, self._answer = self._api.reading(self._request), None
        for event in events:
            self._take(event)
        self._answer = self._answer or self._reading.answer()

    def _take(self, event: Event) -> Any:
        """Add `event` to the answer and return what the reading makes of it.

        Raises StreamError if it contradicts earlier events, and at the end what is missing from the answer: then the
        call has not ended, and that is its failure.
        """
        try:
            it = self._reading.add(event)
            if self._reading.ended and self._answer is None:
                self._answer = self._reading.answer()
        except Error as error:
            raise self._annotated(error) from None
        return it

    def _take_typed(self, event: Event) -> Any:
        it = self._take(event)
        if it is not event:
            return it
        try:
            return event.typed()
        except Error as error:
            raise self._annotated(error) from None

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
                answer = self._answer or self._reading.answer()
            except Error as error:
                raise self._annotated(error) from None
            self._reply = self._made(answer)
        return self._reply

    def _made(self, answer: ReplyContent) -> Reply:
        response = self._stream.response
        return Reply(
            message=answer.message,
            text=answer.message.text,
            content=answer.content,
            usage=self._stream.usage,
            stop_reason=answer.stop_reason,
            model=answer.model,
            request_id=self.request_id,
            response_id=None if response is None else response.headers.get(self._api.dialect().response_id_header),
            attempts=self.attempts,
            raw=answer.raw,
        )

    def _annotated(self, error: Error) -> Error:
        """Put the facts of this call on an error of the reading."""
        error.request_id = error.request_id or self.request_id
        error.phase = error.phase or "streaming"
        error.attempts, error.history = self._stream.attempts, self._stream.history
        error.delivered = True
        return error
