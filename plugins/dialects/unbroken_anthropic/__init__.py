"""The Anthropic Messages API: its dialect, its typed events, and the builder of messages."""

from ._blocks import (
    ContentBlock,
    Message,
    PartialToolUseBlock,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
)
from ._builder import MessageBuilder
from ._dialect import Anthropic
from ._events import (
    AnthropicEvent,
    CitationsDelta,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ContentDelta,
    ErrorEvent,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    SignatureDelta,
    StopDelta,
    TextDelta,
    ThinkingDelta,
)
from ._tagged import Block, Delta, TypedEvent

__all__ = [
    "Anthropic",
    "AnthropicEvent",
    "Block",
    "CitationsDelta",
    "ContentBlock",
    "ContentBlockDelta",
    "ContentBlockStart",
    "ContentBlockStop",
    "ContentDelta",
    "Delta",
    "ErrorEvent",
    "InputJsonDelta",
    "Message",
    "MessageBuilder",
    "MessageDelta",
    "MessageStart",
    "MessageStop",
    "PartialToolUseBlock",
    "Ping",
    "RedactedThinkingBlock",
    "SignatureDelta",
    "StopDelta",
    "TextBlock",
    "TextDelta",
    "ThinkingBlock",
    "ThinkingDelta",
    "ToolUseBlock",
    "TypedEvent",
]
