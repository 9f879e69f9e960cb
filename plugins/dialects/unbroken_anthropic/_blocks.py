"""The message, and the content blocks of the documented types."""

from typing import Any, ClassVar, Final, TypeAlias

from attrs import frozen
from msgspec import field
from msgspec.structs import force_setattr

from unbroken import StreamError, Usage
from unbroken.error_bodies import one_line

from ._tagged import Block, Tagged
from ._usage import usage_of


class TextBlock(Block, frozen=True):
    """Text that the model wrote."""

    type: ClassVar[str] = "text"
    text: str
    citations: tuple[dict[str, Any], ...] | None = None
    """The sources of the text, each as the JSON object of the API."""


class ThinkingBlock(Block, frozen=True):
    """What the model thought. It goes back to the API unchanged or not at all."""

    type: ClassVar[str] = "thinking"
    thinking: str
    signature: str | None = None
    """By this the API recognises its own thinking."""


class RedactedThinkingBlock(Block, frozen=True):
    """Thinking that is encrypted."""

    type: ClassVar[str] = "redacted_thinking"
    data: str


class ToolUseBlock(Block, frozen=True, kw_only=True):
    """A call of one of your tools."""

    type: ClassVar[str] = "tool_use"
    id: str
    name: str
    input: dict[str, Any]
    """The arguments. In a ``content_block_start`` they are still empty; they arrive as pieces of JSON."""


@frozen
class PartialToolUseBlock:
    """A tool call that has arrived only in part. It cannot be mistaken for a complete one.

    Its JSON has ``partial_json`` instead of ``input``, so the API rejects it.
    """

    start: "ToolUseBlock | dict[str, Any]"
    """The block as it started."""
    partial_json: str
    """The JSON of its input, as far as it has arrived."""

    @property
    def type(self) -> str:
        """``tool_use``, or the type of a server-side tool."""
        return self.start.type if isinstance(self.start, ToolUseBlock) else str(self.start.get("type"))

    def to_dict(self) -> dict[str, Any]:
        """Return the block as it started, with ``partial_json`` instead of ``input``."""
        start = self.start.to_dict() if isinstance(self.start, ToolUseBlock) else self.start
        rest = {name: value for name, value in start.items() if name != "input"}
        return {**rest, "partial_json": self.partial_json}


ContentBlock: TypeAlias = (
    TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock | PartialToolUseBlock | dict[str, Any]
)
"""A block of an unknown type is the JSON object as received."""


_UNCOUNTED: Final = Usage()


class Message(Tagged, frozen=True, kw_only=True):
    """A message of the model: whole from `MessageBuilder.message`, with empty content in a ``message_start``."""

    type: ClassVar[str] = "message"
    id: str
    role: str
    model: str
    content: tuple[ContentBlock, ...]
    stop_reason: str | None = None
    """Why the model stopped, such as ``end_turn``, ``max_tokens`` or ``tool_use``; None before it has."""
    stop_sequence: str | None = None
    raw_usage: dict[str, Any] | None = field(default=None, name="usage")
    """The ``usage`` object of the API, with everything that it counts."""
    usage: Usage = field(default=_UNCOUNTED, name="")
    """The token counts; those of `raw_usage` unless others are given."""

    def __post_init__(self) -> None:
        if self.usage is _UNCOUNTED:
            counted = usage_of(self.raw_usage or {}, final=self.stop_reason is not None)
            force_setattr(self, "usage", counted)

    @property
    def text(self) -> str:
        """The text of all text blocks, joined."""
        return "".join(block.text for block in self.content if isinstance(block, TextBlock))

    @property
    def tool_calls(self) -> tuple[ToolUseBlock, ...]:
        """The complete calls of the user's tools."""
        return tuple(block for block in self.content if isinstance(block, ToolUseBlock))

    def to_dict(self) -> dict[str, Any]:
        """Return the message as the JSON object of a response that is not streamed.

        Untyped values are shared with this message, not copied.
        """
        whole = super().to_dict()
        whole["content"] = [_written(block) for block in self.content]
        return whole

    def to_param(self) -> dict[str, Any]:
        """Return the message for the ``messages`` of the next request: its role and content.

        Raises StreamError if a tool call is incomplete.
        """
        for index, block in enumerate(self.content):
            if isinstance(block, PartialToolUseBlock):
                kind = one_line(block.type, 40)
                raise StreamError(f"block {index} of the message is a partial {kind}, which cannot be sent")
        return {"role": self.role, "content": [_written(block) for block in self.content]}


def _written(block: ContentBlock) -> dict[str, Any]:
    return block if isinstance(block, dict) else block.to_dict()
