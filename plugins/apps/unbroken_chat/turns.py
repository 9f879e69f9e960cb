"""The turns of a conversation, for APIs that are sent their own form of each part."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import field, frozen

from unbroken import ConfigurationError
from unbroken.validators import refused

from .api import Conversation
from .messages import Role
from .parts import ImagePart, OtherPart, Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart

_NAMES: Final[dict[type[Part], str]] = {
    TextPart: "text",
    ImagePart: "an image",
    ToolCallPart: "a tool call",
    ToolResultPart: "the result of a tool call",
    ThinkingPart: "thinking",
}


@frozen
class Turn:
    """Adjacent messages of one role."""

    role: Role
    parts: list[tuple[int, Part]] = field(factory=list[tuple[int, Part]])
    """Each part, with the number of its message."""


def turns_of(conversation: Conversation) -> list[Turn]:
    """Return the turns of `conversation`. Empty messages are left out."""
    turns: list[Turn] = []
    for number, message in zip(conversation.numbers, conversation.messages, strict=True):
        if not message.parts:
            continue
        if not turns or turns[-1].role != message.role:
            turns.append(Turn(message.role))
        turns[-1].parts.extend((number, part) for part in message.parts)
    return turns


def check_pairs(turns: Iterable[Turn], title: str, *, calls_elsewhere: bool = False) -> None:
    """Raise ConfigurationError for a tool call without its result in the next turn, and for a result without its call.

    With `calls_elsewhere` the server may know calls that are not among `turns`.
    """
    made: set[str] = set()
    unanswered: dict[str, tuple[int, str]] = {}
    for turn in turns:
        if turn.role == "user":
            for number, part in turn.parts:
                if isinstance(part, ToolResultPart):
                    unanswered.pop(part.tool_call_id, None)
                    if part.tool_call_id not in made and not calls_elsewhere:
                        raise _no_call(number, part)
        _all_answered(unanswered, title)
        if turn.role == "assistant":
            unanswered = {part.id: (at, part.name) for at, part in turn.parts if isinstance(part, ToolCallPart)}
            made |= {*unanswered, *_other_calls(turn)}
    _all_answered(unanswered, title)


def calls_in(turns: Iterable[Turn]) -> dict[str, ToolCallPart]:
    """Return the tool calls by their ids."""
    return {part.id: part for turn in turns for _, part in turn.parts if isinstance(part, ToolCallPart)}


def answered(number: int, result: ToolResultPart, calls: Mapping[str, ToolCallPart]) -> ToolCallPart:
    """Return the call that `result` answers. Raises ConfigurationError if there is none."""
    call = calls.get(result.tool_call_id)
    if call is None:
        raise _no_call(number, result)
    return call


def _no_call(number: int, part: ToolResultPart) -> ConfigurationError:
    return refused(
        f"message {number}", f"answers the tool call {part.tool_call_id!r}, which no message before it makes"
    )


def _all_answered(unanswered: Mapping[str, tuple[int, str]], title: str) -> None:
    for id, (number, name) in unanswered.items():
        what = f"calls the tool {name!r} ({id}), and the next message does not answer, as {title} requires"
        raise refused(f"message {number}", what)


def _other_calls(turn: Turn) -> set[str]:
    blocks = [part.block for _, part in turn.parts if isinstance(part, OtherPart)]
    ids: list[Any] = [block.get(name) for block in blocks for name in ("call_id", "id")]
    return {id for id in ids if isinstance(id, str)}


def unsendable(number: int, part: Part, role: str, title: str) -> ConfigurationError:
    """Return the error for a part that the API does not take in a message of `role`."""
    if isinstance(part, ThinkingPart):
        what = f"has thinking that {title} has not made and does not take; leave it out with without_thinking"
        return refused(f"message {number}", what)
    name = _NAMES.get(type(part)) or f"a {part.to_block().get('type', 'block')}"
    return refused(f"message {number}", f"has {name}, which {title} does not take from the {role}")
