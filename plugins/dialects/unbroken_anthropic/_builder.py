"""Build a message from the events of its stream."""

from collections.abc import Callable
from typing import Any, Final, NoReturn, final

from attrs import define, field
from msgspec.structs import replace

from unbroken import Event, StreamError, TruncatedStreamError, Usage
from unbroken.error_bodies import one_line

from ._assembly import BlockInProgress, implied, served_by
from ._blocks import ContentBlock, Message
from ._errors import error_of
from ._events import (
    AnthropicEvent,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ErrorEvent,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
)
from ._tagged import json_names
from ._typed import is_keepalive, typed
from ._usage import largest, usage_of

_CUT_OFF: Final = "max_tokens"


@final
@define(eq=False)
class MessageBuilder:
    """Builds the message from the events of one stream, in time linear in their number.

    Nothing is lost when a server starts the message twice, leaves a gap in the indices or does not stop a block before
    ``message_stop``. With `strict`, an order of events that leaves the message in doubt raises StreamError: a delta for
    a block that is not open, an index that is used twice, a second message, anything after the end. Without `strict`,
    such an event is used as far as possible: text of a block that never started is kept, and an event that cannot be
    used is put into `unused`. An event with invalid data raises StreamError in either case.
    """

    strict: bool = True
    _message: Message = field(factory=lambda: Message(id="", role="assistant", model="", content=()), init=False)
    _blocks: dict[int, BlockInProgress] = field(factory=dict[int, BlockInProgress], init=False)
    _unused: list[Event] = field(factory=list[Event], init=False)
    _event: Event = field(factory=Event, init=False)
    _number: int = field(default=0, init=False)
    _started: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)
    _broken: StreamError | None = field(default=None, init=False)
    """The error for the first tool input that is no JSON, until the stop reason tells whether it was cut off."""

    @property
    def started(self) -> bool:
        """Whether ``message_start`` has arrived."""
        return self._started

    @property
    def stopped(self) -> bool:
        """Whether ``message_stop`` has arrived."""
        return self._stopped

    @property
    def unused(self) -> tuple[Event, ...]:
        """The events that are not part of the message: of unknown types, with unknown deltas, or out of order."""
        return tuple(self._unused)

    def add(self, event: Event) -> AnthropicEvent:
        """Add `event` to the message. Returns it typed, as `Event.typed` does.

        Raises StreamError for invalid data and, if `strict`, for a wrong order; for an ``error`` event raises the error
        that it reports. After an error `snapshot` still returns everything before it.
        """
        self._number += 1
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
        if fold is None and is_keepalive(event):
            return it
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
        """Return the complete message. Raises TruncatedStreamError if it is incomplete, whether `strict` or not.

        A tool call that ``max_tokens`` cut off is a PartialToolUseBlock.
        """
        if not self._stopped:
            self._truncated("there was no message_stop")
        if self._message.stop_reason is None:
            self._truncated("there was no stop_reason")
        self._judge()
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
        where = f"event {self._number} ({one_line(self._event.type, 40)})"
        return StreamError(f"{where}: {why}", request_id=self._event.request_id or None)

    def _message_start(self, event: MessageStart) -> None:
        message = event.message
        if self._started:
            if message.id != self._message.id:
                return self._refuse("a second message_start")
            self._count(message.raw_usage, message.usage)
        else:
            self._started = True
            self._message = message
        for index, block in enumerate(message.content):
            if index not in self._blocks:
                self._start(index, block)
            elif self._blocks[index].start != block:
                return self._refuse(f"block {index} has started before, with other content")
        return None

    def _block_start(self, event: ContentBlockStart) -> None:
        if event.index in self._blocks:
            return self._refuse(f"block {event.index} has started before")
        return self._start(event.index, event.content_block, is_open=True)

    def _start(self, index: int, block: ContentBlock, *, is_open: bool = False) -> None:
        self._blocks[index] = BlockInProgress(block, is_open)
        model = served_by(block)
        if model is not None:
            self._message = replace(self._message, model=model)

    def _block_delta(self, event: ContentBlockDelta) -> None:
        block = self._blocks.get(event.index)
        if block is None or not block.is_open:
            self._tolerate(f"block {event.index} is not open")
        if block is None:
            begun = implied(event.delta)
            if begun is None:
                return self._unused.append(self._event)
            block = self._blocks[event.index] = BlockInProgress(begun)
        if block.add(event.delta):
            return None
        if block.is_known and not isinstance(event.delta, dict):
            return self._refuse(f"a {event.delta.type} for block {event.index}, which is a {block.type}")
        return self._unused.append(self._event)

    def _block_stop(self, event: ContentBlockStop) -> None:
        block = self._blocks.get(event.index)
        if block is None or not block.is_open:
            return self._refuse(f"block {event.index} is not open")
        self._stop(event.index, block)
        return self._judge()

    def _stop(self, index: int, block: BlockInProgress) -> None:
        fault = block.stop()
        if fault is not None and self._broken is None:
            self._broken = self._error(f"block {index}: {fault}")

    def _judge(self) -> None:
        """Raise the error for an invalid tool input, unless it may have been cut off by ``max_tokens``."""
        if self.strict and self._broken is not None and self._message.stop_reason not in {None, _CUT_OFF}:
            raise self._broken

    def _message_delta(self, event: MessageDelta) -> None:
        self._count(event.usage, usage_of(event.usage or {}, final=True))
        message, delta = self._message, event.delta
        made = replace(
            message,
            stop_reason=message.stop_reason if delta.stop_reason is None else delta.stop_reason,
            stop_sequence=message.stop_sequence if delta.stop_sequence is None else delta.stop_sequence,
        )
        extra = _overwritten(_overwritten(message.extra, delta.extra), event.extra)
        given = {name for attribute, name in json_names(Message).items() if getattr(made, attribute) is not None}
        self._message = replace(made, extra={name: it for name, it in extra.items() if name not in given})
        self._judge()

    def _count(self, counts: dict[str, Any] | None, usage: Usage) -> None:
        message = self._message
        if counts is not None:
            raw = largest(message.raw_usage or {}, counts)
            self._message = replace(message, raw_usage=raw, usage=message.usage.advanced(usage))

    def _message_stop(self, _: MessageStop) -> None:
        self._stopped = True
        if self._message.stop_reason is None:
            return
        for index, block in sorted(self._blocks.items()):
            if block.is_open:
                self._stop(index, block)
        if self._message.stop_reason == _CUT_OFF and self._blocks:
            self._blocks[max(self._blocks)].cut()
        self._judge()


def _overwritten(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return `old` updated with the fields of `new`; a null replaces nothing."""
    return {**new, **old, **{name: value for name, value in new.items() if value is not None}}


_FOLDS: Final[dict[type[Any], Callable[[MessageBuilder, Any], None]]] = {
    MessageStart: MessageBuilder._message_start,
    ContentBlockStart: MessageBuilder._block_start,
    ContentBlockDelta: MessageBuilder._block_delta,
    ContentBlockStop: MessageBuilder._block_stop,
    MessageDelta: MessageBuilder._message_delta,
    MessageStop: MessageBuilder._message_stop,
}
