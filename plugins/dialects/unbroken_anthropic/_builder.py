"""Build a message from the events of its stream."""

from collections.abc import Callable
from typing import Any, Final, NoReturn, final

from attrs import define, field
from msgspec.structs import replace

from unbroken import Event, StreamError, TruncatedStreamError
from unbroken.error_bodies import one_line

from ._assembly import BlockInProgress
from ._blocks import ContentBlock, Message, TextBlock, ThinkingBlock
from ._errors import error_of
from ._events import (
    CitationsDelta,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ContentDelta,
    ErrorEvent,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from ._tagged import TypedEvent, json_names
from ._typed import typed
from ._usage import usage_of


@final
@define(eq=False)
class MessageBuilder:
    """Builds the message from the events of one stream, in time linear in their number.

    With `strict`, an order of events that the API does not have raises StreamError: a delta for a block that is not
    open, a second start, anything after the end. Without `strict`, such an event is used as far as possible: text of a
    block that never started is kept, and an event that cannot be used is put into `unused`. An event with invalid data
    raises StreamError in either case.
    """

    strict: bool = True
    _message: Message = field(factory=lambda: Message(id="", role="assistant", model="", content=()), init=False)
    _blocks: dict[int, BlockInProgress] = field(factory=dict[int, BlockInProgress], init=False)
    _unused: list[Event] = field(factory=list[Event], init=False)
    _event: Event = field(factory=Event, init=False)
    _count: int = field(default=0, init=False)
    _started: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)

    @property
    def unused(self) -> tuple[Event, ...]:
        """The events that are not part of the message: of unknown types, with unknown deltas, or out of order."""
        return tuple(self._unused)

    def add(self, event: Event) -> TypedEvent | Event:
        """Add `event` to the message. Returns it typed, as `Event.typed` does.

        Raises StreamError for invalid data and, if `strict`, for a wrong order; for an ``error`` event raises the error
        that it reports. After an error `snapshot` still returns everything before it.
        """
        self._count += 1
        self._event = event
        it = typed(event)
        if type(it) is ContentBlockDelta and self._started and not self._stopped:  # nearly all of them
            self._block_delta(it)
            return it
        if isinstance(it, Ping):
            return it
        if isinstance(it, ErrorEvent):
            error = error_of(event.raw)
            error.request_id = event.request_id or None
            raise error
        fold = _FOLDS.get(type(it))
        if self._stopped:
            self._refuse("comes after message_stop")
        elif fold is None:
            self._unused.append(event)
        else:
            if not self._started and not isinstance(it, MessageStart):
                self._tolerate("comes before message_start")
            fold(self, it)
        return it

    def snapshot(self) -> Message:
        """Return the message as far as it has arrived. The time that this takes grows with its length.

        A tool call that is still open is a PartialToolUseBlock. The id is empty before ``message_start``; `stop_reason`
        is None until the API sends it.
        """
        blocks = tuple(block.block() for _, block in sorted(self._blocks.items()))
        return replace(self._message, content=blocks)

    def message(self) -> Message:
        """Return the complete message. Raises TruncatedStreamError if it is incomplete, whether `strict` or not."""
        if not self._stopped:
            self._truncated("there was no message_stop")
        for index, block in self._blocks.items():
            if block.is_open:
                self._truncated(f"block {index} ({one_line(block.type, 40)}) was not finished")
        if self._message.stop_reason is None:
            self._truncated("there was no stop_reason")
        return self.snapshot()

    def _truncated(self, why: str) -> NoReturn:
        raise TruncatedStreamError(f"the message is not complete: {why}", request_id=self._event.request_id or None)

    def _refuse(self, why: str) -> None:
        self._tolerate(why)
        self._unused.append(self._event)

    def _tolerate(self, why: str) -> None:
        if self.strict:
            raise self._error(why)

    def _error(self, why: str) -> StreamError:
        where = f"event {self._count} ({one_line(self._event.type, 40)})"
        return StreamError(f"{where}: {why}", request_id=self._event.request_id or None)

    def _message_start(self, event: MessageStart) -> None:
        if self._started:
            return self._refuse("a second message_start")
        self._started = True
        self._message = event.message
        for index, block in enumerate(event.message.content):
            self._blocks.setdefault(index, BlockInProgress(block, is_open=False))
        return None

    def _block_start(self, event: ContentBlockStart) -> None:
        if event.index in self._blocks:
            return self._refuse(f"block {event.index} has started before")
        if event.index != len(self._blocks):
            self._tolerate(f"block {event.index} starts where block {len(self._blocks)} should")
        self._blocks[event.index] = BlockInProgress(event.content_block)
        return None

    def _block_delta(self, event: ContentBlockDelta) -> None:
        block = self._blocks.get(event.index)
        if block is None or not block.is_open:
            self._tolerate(f"block {event.index} is not open")
        if block is None:
            implied = _implied(event.delta)
            if implied is None:
                return self._unused.append(self._event)
            block = self._blocks[event.index] = BlockInProgress(implied)
        if block.add(event.delta):
            return None
        if block.is_known and not isinstance(event.delta, dict):
            return self._refuse(f"a {event.delta.type} for block {event.index}, which is a {block.type}")
        return self._unused.append(self._event)

    def _block_stop(self, event: ContentBlockStop) -> None:
        block = self._blocks.get(event.index)
        if block is None or not block.is_open:
            return self._refuse(f"block {event.index} is not open")
        try:
            block.stop()
        except StreamError as error:
            self._tolerate(f"block {event.index}: {error.message}")
        return None

    def _message_delta(self, event: MessageDelta) -> None:
        message, delta = self._message, event.delta
        counts = event.usage or {}
        made = replace(
            message,
            stop_reason=message.stop_reason if delta.stop_reason is None else delta.stop_reason,
            stop_sequence=message.stop_sequence if delta.stop_sequence is None else delta.stop_sequence,
            raw_usage=message.raw_usage if event.usage is None else _overwritten(message.raw_usage or {}, counts),
            usage=message.usage.updated(usage_of(counts, final=True)),
        )
        extra = _overwritten(_overwritten(message.extra, delta.extra), event.extra)
        given = {name for attribute, name in json_names(Message).items() if getattr(made, attribute) is not None}
        self._message = replace(made, extra={name: it for name, it in extra.items() if name not in given})

    def _message_stop(self, _: MessageStop) -> None:
        self._stopped = True


def _overwritten(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return `old` updated with the fields of `new`; a null replaces nothing."""
    return {**new, **old, **{name: value for name, value in new.items() if value is not None}}


def _implied(delta: ContentDelta) -> ContentBlock | None:
    """Return the empty block that `delta` implies. None for a tool call: a piece of input does not tell which tool."""
    if isinstance(delta, TextDelta | CitationsDelta):
        return TextBlock("")
    return ThinkingBlock("") if isinstance(delta, ThinkingDelta | SignatureDelta) else None


_FOLDS: Final[dict[type[Any], Callable[[MessageBuilder, Any], None]]] = {
    MessageStart: MessageBuilder._message_start,
    ContentBlockStart: MessageBuilder._block_start,
    ContentBlockDelta: MessageBuilder._block_delta,
    ContentBlockStop: MessageBuilder._block_stop,
    MessageDelta: MessageBuilder._message_delta,
    MessageStop: MessageBuilder._message_stop,
}
