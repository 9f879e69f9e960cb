"""The messages of a conversation."""

from collections.abc import Mapping
from typing import Any, Literal, Self, cast, get_args

from attrs import field, frozen

from unbroken.validators import one_of, refused

from .checks import must_be
from .parts import Part, TextPart, ToolCallPart, ToolResultPart, part_of, parts

Role = Literal["user", "assistant", "system"]


def _parts(content: Any) -> tuple[Part, ...]:
    return parts(content)


@frozen
class ChatMessage:
    """One message: who says it, and what it is made of."""

    role: Role = field(validator=one_of(*get_args(Role)))
    parts: tuple[Part, ...] = field(converter=_parts)

    def __attrs_post_init__(self) -> None:
        if not self.parts and self.role != "assistant":  # the model may have nothing to say
            raise refused("parts", "a message must say something")
        if self.role == "system" and not all(isinstance(part, TextPart) for part in self.parts):
            raise refused("parts", "a system message is text")

    @classmethod
    def user(cls, *content: str | Part) -> Self:
        """Say `content` as the user; a string is a `TextPart`."""
        return cls("user", content)

    @classmethod
    def assistant(cls, *content: str | Part) -> Self:
        """Say `content` as the model: an earlier answer, or the beginning of the next one."""
        return cls("assistant", content)

    @classmethod
    def system(cls, *content: str | Part) -> Self:
        """Instruct the model. System messages count against no limit, wherever they stand."""
        return cls("system", content)

    @classmethod
    def tool_result(cls, tool_call_id: str, content: str | tuple[Part, ...] = "", *, is_error: bool = False) -> Self:
        """Answer a `ToolCallPart`: as the user, who runs the tools."""
        return cls("user", [ToolResultPart(tool_call_id, content, is_error=is_error)])

    @property
    def text(self) -> str:
        """The text of all text parts."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """The tools that the model wants to use."""
        return tuple(part for part in self.parts if isinstance(part, ToolCallPart))

    @property
    def has_tool_results(self) -> bool:
        """Whether any part answers a tool call, so that the message belongs to the one before it."""
        return any(isinstance(part, ToolResultPart) for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the message as the API writes it; what JSON can keep."""
        return {"role": self.role, "content": [part.to_block() for part in self.parts]}

    @classmethod
    def from_dict(cls, message: Mapping[str, Any]) -> Self:
        """Read what `to_dict` or the API wrote; content may be a string. Raises ConfigurationError for what is none."""
        role, content = message.get("role", ""), message.get("content")
        if isinstance(content, str):
            return cls(role, [TextPart(content)])
        must_be("content", content, list, "text or a list of content blocks")
        blocks = cast("list[Any]", content)
        for block in blocks:
            must_be("content", block, Mapping, "content blocks")
        return cls(role, [part_of(block) for block in blocks])
