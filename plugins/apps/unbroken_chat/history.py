"""Which messages of a conversation are sent, and in which form.

The API wants a first message of the user, roles in turns, and each tool result right behind its tool call
(https://platform.claude.com/docs/en/api/messages, "How to implement tool use"). Cutting a history anywhere breaks that.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from unbroken.validators import refused

from .checks import must_be
from .messages import ChatMessage


def trimmed(history: Sequence[ChatMessage], current: ChatMessage, limit: int | None) -> list[ChatMessage]:
    """Return the messages to send: the newest `limit` of `history` (None: all; 0: none), then `current`.

    System messages are left out and not counted. What is kept begins with a plain message of the user, so it may be
    less than `limit`. When `current` answers tool calls it is nothing without them: then all since the last plain
    message of the user is kept, whatever the limit.
    """
    turns = [message for message in history if message.role != "system"]
    start = 0 if limit is None else max(0, len(turns) - limit)
    plain = [place for place, message in enumerate(turns) if _is_plain(message)]
    if current.has_tool_results:
        start = min([start, *plain[-1:]])
    first = next((place for place in plain if place >= start), len(turns))
    return [*turns[first:], current]


def system_text(*texts: str | None, history: Iterable[ChatMessage] = ()) -> str:
    """Return all that instructs the model as one text: `texts`, then the system messages of `history`."""
    said = [*texts, *(message.text for message in history if message.role == "system")]
    return "\n\n".join(text for text in said if text)


def written(messages: Iterable[ChatMessage]) -> list[dict[str, Any]]:
    """Return `messages` as the API writes them, those of the same role in a row as one, and none without content."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        if not message.parts:
            continue
        one = message.to_dict()
        if merged and merged[-1]["role"] == one["role"]:
            merged[-1]["content"] += one["content"]
        else:
            merged.append(one)
    return merged


def as_message(message: str | ChatMessage) -> ChatMessage:
    """Return a string as the user's message. Raises ConfigurationError for what is neither, and for system messages."""
    if isinstance(message, str):
        return ChatMessage.user(message)
    must_be("message", message, ChatMessage, "a ChatMessage or text")
    if message.role == "system":
        raise refused("message", "is a system message; put it into the history, or give `system`")
    return message


def _is_plain(message: ChatMessage) -> bool:
    return message.role == "user" and not message.has_tool_results
