"""The events of a stream as typed objects (https://platform.claude.com/docs/en/build-with-claude/streaming)."""

from typing import Any, ClassVar, TypeAlias

from attrs import frozen

from ._blocks import ContentBlock, Message
from ._tagged import Delta, Tagged, TypedEvent


@frozen
class TextDelta(Delta):
    """A piece of text."""

    type: ClassVar[str] = "text_delta"
    text: str


@frozen
class InputJsonDelta(Delta):
    """A piece of the JSON of a tool's input. By itself it is not valid JSON."""

    type: ClassVar[str] = "input_json_delta"
    partial_json: str


@frozen
class ThinkingDelta(Delta):
    """A piece of thinking."""

    type: ClassVar[str] = "thinking_delta"
    thinking: str


@frozen
class SignatureDelta(Delta):
    """The signature of a thinking block, sent shortly before its end."""

    type: ClassVar[str] = "signature_delta"
    signature: str


@frozen
class CitationsDelta(Delta):
    """One citation for a text block."""

    type: ClassVar[str] = "citations_delta"
    citation: dict[str, Any]


ContentDelta: TypeAlias = TextDelta | InputJsonDelta | ThinkingDelta | SignatureDelta | CitationsDelta | dict[str, Any]
"""A delta of an unknown type is the JSON object as received."""


@frozen
class StopDelta(Tagged):
    """The top-level fields of the message that change at its end."""

    stop_reason: str | None = None
    stop_sequence: str | None = None


@frozen
class MessageStart(TypedEvent):
    """A message begins."""

    type: ClassVar[str] = "message_start"
    message: Message


@frozen
class ContentBlockStart(TypedEvent):
    """A content block begins."""

    type: ClassVar[str] = "content_block_start"
    index: int
    content_block: ContentBlock


@frozen
class ContentBlockDelta(TypedEvent):
    """A piece of a content block."""

    type: ClassVar[str] = "content_block_delta"
    index: int
    delta: ContentDelta


@frozen
class ContentBlockStop(TypedEvent):
    """A content block is complete."""

    type: ClassVar[str] = "content_block_stop"
    index: int


@frozen
class MessageDelta(TypedEvent):
    """Changes to top-level fields of the message."""

    type: ClassVar[str] = "message_delta"
    delta: StopDelta
    usage: dict[str, Any] | None = None
    """The counts so far as the API gives them. They are cumulative and must not be added up."""


@frozen
class MessageStop(TypedEvent):
    """The message is complete."""

    type: ClassVar[str] = "message_stop"


@frozen
class Ping(TypedEvent):
    """A keep-alive."""

    type: ClassVar[str] = "ping"


@frozen
class ErrorEvent(TypedEvent):
    """The server has failed. A client's stream raises it as an error and never yields it as an event."""

    type: ClassVar[str] = "error"
    error: dict[str, Any]
