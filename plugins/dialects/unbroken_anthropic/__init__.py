"""The Anthropic Messages API: its dialect, its typed events, and the builder of messages."""

from ._blocks import Message, PartialToolUseBlock, RedactedThinkingBlock, TextBlock, ThinkingBlock, ToolUseBlock
from ._builder import MessageBuilder
from ._dialect import Anthropic
from ._events import (
    CitationsDelta,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
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
    "Block",
    "CitationsDelta",
    "ContentBlockDelta",
    "ContentBlockStart",
    "ContentBlockStop",
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
