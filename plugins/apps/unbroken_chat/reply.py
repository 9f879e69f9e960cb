"""What comes back: the whole answer, or a stream that becomes it."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, Self, TypeVar, final

from attrs import field, frozen

from unbroken import AsyncStream, Error, Event, Outcome, Stream, Usage
from unbroken_anthropic import Anthropic, ContentBlockDelta, Message, MessageBuilder, TextDelta

from .messages import ChatMessage
from .parts import ToolCallPart, part_of

T = TypeVar("T")


@frozen(kw_only=True)
class Reply:
    """A complete answer."""

    message: ChatMessage
    """The answer as it goes into the history."""
    text: str
    content: tuple[Any, ...]
    """The typed content blocks."""
    usage: Usage | None
    """Tokens, cumulative."""
    stop_reason: str
    """``end_turn``, ``max_tokens``, ``stop_sequence``, ``tool_use``, ``pause_turn``, ``refusal`` …"""
    model: str | None
    request_id: str
    """The id of the call."""
    response_id: str | None
    """The server's own id of the response."""
    attempts: int
    """How many it took."""
    raw: Message = field(repr=False)
    """Everything that the API said."""

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """The tools that the model wants to use; answer each with `ChatMessage.tool_result`."""
        return self.message.tool_calls


class _Assembly:
    """Folds the events of a stream into the answer, for both colours."""

    def __init__(self, stream: Stream | AsyncStream) -> None:
        self._stream = stream
        self._builder = MessageBuilder()
        self._reply: Reply | None = None

    @property
    def request_id(self) -> str:
        """The id of the call, the same for all its attempts, events and errors."""
        return self._stream.request_id

    @property
    def attempts(self) -> int:
        """How many attempts were begun."""
        return self._stream.attempts

    @property
    def usage(self) -> Usage | None:
        """The tokens counted so far."""
        return self._stream.usage

    @property
    def outcome(self) -> Outcome | None:
        """How the call ended; None while it runs."""
        return self._stream.outcome

    def snapshot(self) -> Message:
        """Return what there is of the answer so far."""
        return self._builder.snapshot()

    def _take(self, event: Event) -> Any:
        """Fold `event` in and return it typed. Raises StreamError when it makes no sense behind those before."""
        try:
            return self._builder.add(event)
        except Error as error:
            raise self._stamped(error) from None

    def _take_raw(self, event: Event) -> Event:
        self._take(event)
        return event

    def _take_text(self, event: Event) -> str | None:
        it = self._take(event)
        return it.delta.text if isinstance(it, ContentBlockDelta) and isinstance(it.delta, TextDelta) else None

    def _finished(self) -> Reply:
        if self._reply is None:
            try:
                message = self._builder.message()
            except Error as error:
                raise self._stamped(error) from None
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

    def _stamped(self, error: Error) -> Error:
        error.request_id = error.request_id or self.request_id
        error.phase = error.phase or "streaming"
        error.attempts, error.history = self._stream.attempts, self._stream.history
        error.delivered = True
        return error


@final
class ReplyStream(_Assembly):
    """An answer while it comes. Use it with ``with``, then iterate it: once, in any of the ways.

    Iterating gives typed events. `text`, `events` and `reply` go on from where the last of them stopped.
    """

    _stream: Stream

    def __enter__(self) -> Self:
        """Send the request. Raises the Error of a call that failed before its first content."""
        self._stream.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.__exit__(*exc)

    def __iter__(self) -> Iterator[Any]:
        """Deliver each event as a value of its class; one of a type that is not known, as it is."""
        return map(self._take, self._stream)

    def events(self) -> Iterator[Event]:
        """Deliver each event as it came: ``event["type"]``, ``event.request_id``."""
        return map(self._take_raw, self._stream)

    def text(self) -> Iterator[str]:
        """Deliver the pieces of text."""
        pieces = map(self._take_text, self._stream)
        return (piece for piece in pieces if piece is not None)

    def reply(self) -> Reply:
        """Read on to the end, and return the whole answer. Raises the Error of an answer that is not whole."""
        if self._reply is None:
            for _ in self.events():
                pass
        return self._finished()


@final
class AsyncReplyStream(_Assembly):
    """An answer while it comes. Use it with ``async with``, then iterate it; otherwise as `ReplyStream`."""

    _stream: AsyncStream

    async def __aenter__(self) -> Self:
        """Send the request. Raises the Error of a call that failed before its first content."""
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stream.__aexit__(*exc)

    def __aiter__(self) -> AsyncIterator[Any]:
        """Deliver each event as a value of its class; one of a type that is not known, as it is."""
        return _Each(self._stream, self._take)

    def events(self) -> AsyncIterator[Event]:
        """Deliver each event as it came: ``event["type"]``, ``event.request_id``."""
        return _Each(self._stream, self._take_raw)

    def text(self) -> AsyncIterator[str]:
        """Deliver the pieces of text."""
        return _Each(self._stream, self._take_text)

    async def reply(self) -> Reply:
        """Read on to the end, and return the whole answer. Raises the Error of an answer that is not whole."""
        if self._reply is None:
            async for _ in self.events():
                pass
        return self._finished()


class _Each(Generic[T]):
    """What is read from each event. An iterator that can be dropped; an async generator would linger."""

    def __init__(self, stream: AsyncStream, read: Callable[[Event], T | None]) -> None:
        self._stream = stream
        self._read = read

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            value = self._read(await self._stream.__anext__())
            if value is not None:
                return value
