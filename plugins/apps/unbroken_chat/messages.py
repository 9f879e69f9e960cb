"""The messages of a conversation."""

from collections.abc import Mapping
from typing import Any, Literal, Self, cast, get_args

from attrs import field, frozen

from unbroken.validators import must_be, one_of, refused

from .parts import OtherPart, Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart, part_of, parts

Role = Literal["user", "assistant", "system"]


def _parts(content: Any) -> tuple[Part, ...]:
    return parts(content)


@frozen
class ChatMessage:
    """One message: a role and parts."""

    role: Role = field(validator=one_of(*get_args(Role)))
    parts: tuple[Part, ...] = field(converter=_parts)

    def __attrs_post_init__(self) -> None:
        if not self.parts and self.role != "assistant":  # a reply of the model may be empty
            raise refused("parts", "a message must say something")
        if self.role == "system" and not all(isinstance(part, TextPart) for part in self.parts):
            raise refused("parts", "a system message is text")

    @classmethod
    def user(cls, *content: str | Part) -> Self:
        """Return a message of the user. A string becomes a `TextPart`."""
        return cls("user", content)

    @classmethod
    def assistant(cls, *content: str | Part) -> Self:
        """Return a message of the model: an earlier reply, or the beginning of the next one."""
        return cls("assistant", content)

    @classmethod
    def system(cls, *content: str | Part) -> Self:
        """Return a system message. History limits do not count system messages."""
        return cls("system", content)

    @classmethod
    def tool_result(cls, tool_call_id: str, content: str | tuple[Part, ...] = "", *, is_error: bool = False) -> Self:
        """Return the result of a `ToolCallPart`, as a message of the user."""
        return cls("user", [ToolResultPart(tool_call_id, content, is_error=is_error)])

    @property
    def text(self) -> str:
        """The text of all text parts."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def thinking(self) -> str:
        """The text of all thinking parts."""
        return "".join(part.thinking for part in self.parts if isinstance(part, ThinkingPart))

    @property
    def refusal(self) -> str:
        """What the model says in place of an answer it refuses, where the API tells that apart from text."""
        blocks = [part.block for part in self.parts if isinstance(part, OtherPart)]
        told: list[Any] = [block.get("refusal") for block in blocks if block.get("type") == "refusal"]
        return "".join(text for text in told if isinstance(text, str))

    def without_thinking(self) -> Self:
        """Return the message without thinking parts: what one API has thought, no other takes."""
        return type(self)(self.role, [part for part in self.parts if not isinstance(part, ThinkingPart)])

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """The tool calls of the model."""
        return tuple(part for part in self.parts if isinstance(part, ToolCallPart))

    @property
    def has_tool_results(self) -> bool:
        """Whether a part is the result of a tool call, which the message before this one must contain."""
        return any(isinstance(part, ToolResultPart) for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the message in the format of the API, ready for JSON."""
        return {"role": self.role, "content": [part.to_block() for part in self.parts]}

    @classmethod
    def from_dict(cls, message: Mapping[str, Any]) -> Self:
        """Make a message from the format of the API, where content may be a string. Raises ConfigurationError."""
        role, content = message.get("role", ""), message.get("content")
        if isinstance(content, str):
            return cls(role, [TextPart(content)])
        must_be("content", content, list, "text or a list of content blocks")
        blocks = cast("list[Any]", content)
        for block in blocks:
            must_be("content", block, Mapping, "content blocks")
        return cls(role, [part_of(block) for block in blocks])
