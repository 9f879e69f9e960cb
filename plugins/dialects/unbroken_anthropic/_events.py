"""The events of a stream as typed objects (https://platform.claude.com/docs/en/build-with-claude/streaming)."""

from typing import Any, ClassVar, TypeAlias

from unbroken import Event

from ._blocks import ContentBlock, Message
from ._tagged import Delta, Tagged, TypedEvent


class TextDelta(Delta, frozen=True, tag="text_delta"):
    """A piece of text."""

    type: ClassVar[str] = "text_delta"
    text: str


class InputJsonDelta(Delta, frozen=True, tag="input_json_delta"):
    """A piece of the JSON that becomes the input of a tool. It is no JSON by itself."""

    type: ClassVar[str] = "input_json_delta"
    partial_json: str


class ThinkingDelta(Delta, frozen=True, tag="thinking_delta"):
    """A piece of thinking."""

    type: ClassVar[str] = "thinking_delta"
    thinking: str


class SignatureDelta(Delta, frozen=True, tag="signature_delta"):
    """The signature of a thinking block, shortly before its end."""

    type: ClassVar[str] = "signature_delta"
    signature: str


class CitationsDelta(Delta, frozen=True, tag="citations_delta"):
    """One citation for a text block."""

    type: ClassVar[str] = "citations_delta"
    citation: dict[str, Any]


KnownDelta: TypeAlias = TextDelta | InputJsonDelta | ThinkingDelta | SignatureDelta | CitationsDelta
ContentDelta: TypeAlias = KnownDelta | dict[str, Any]
"""A delta of an unknown type is the JSON object as it came."""


class StopDelta(Tagged, frozen=True):
    """What changes at the top of a message at its end."""

    stop_reason: str | None = None
    stop_sequence: str | None = None


class MessageStart(TypedEvent, frozen=True):
    """A message begins."""

    type: ClassVar[str] = "message_start"
    message: Message


class ContentBlockStart(TypedEvent, frozen=True):
    """A content block begins."""

    type: ClassVar[str] = "content_block_start"
    index: int
    content_block: ContentBlock


class ContentBlockDelta(TypedEvent, frozen=True):
    """A piece of a content block."""

    type: ClassVar[str] = "content_block_delta"
    index: int
    delta: ContentDelta


class ContentBlockStop(TypedEvent, frozen=True):
    """A content block is whole."""

    type: ClassVar[str] = "content_block_stop"
    index: int


class MessageDelta(TypedEvent, frozen=True):
    """Changes at the top of the message."""

    type: ClassVar[str] = "message_delta"
    delta: StopDelta
    usage: dict[str, Any] | None = None
    """The counts so far as the API gives them. They are cumulative and must not be added up."""


class MessageStop(TypedEvent, frozen=True):
    """The message is whole."""

    type: ClassVar[str] = "message_stop"


class Ping(TypedEvent, frozen=True):
    """A sign of life."""

    type: ClassVar[str] = "ping"


class ErrorEvent(TypedEvent, frozen=True):
    """The server failed. From a client's stream it is raised as an error, so it does not come as an event."""

    type: ClassVar[str] = "error"
    error: dict[str, Any]


KnownEvent: TypeAlias = (
    MessageStart
    | ContentBlockStart
    | ContentBlockDelta
    | ContentBlockStop
    | MessageDelta
    | MessageStop
    | Ping
    | ErrorEvent
)
AnthropicEvent: TypeAlias = KnownEvent | Event
"""What the `typed` of an event returns: an object of one of these classes, or the event itself if its type is unknown.

A ``match`` over it that covers all of them is complete, and a checker can prove that with `typing.assert_never`.
"""
