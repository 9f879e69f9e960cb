"""Trim a history to its newest messages.

The Messages API requires that a user message comes first, that roles alternate and that each tool result directly
follows its tool call (https://platform.claude.com/docs/en/api/messages, "How to implement tool use"); the other APIs
have the last rule too. Trimming must keep that true.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from unbroken.validators import must_be, refused

from .messages import ChatMessage


def trimmed(history: Sequence[ChatMessage], current: ChatMessage, limit: int | None) -> list[ChatMessage]:
    """Return the messages to send: the newest `limit` of `history` (None: all; 0: none), then `current`.

    System messages are neither kept nor counted. The first message kept is a user message without tool results, so
    fewer than `limit` may be kept. If `current` has tool results, everything since the last such user message is kept,
    whatever the limit: the tool calls that it answers are there.

    For example, let u be a user message, a a reply, c a tool call and r its result. Of the history u a u c r a, limit 4
    keeps u c r a. Limit 3 keeps nothing, because c r a has no user message without tool results.
    """
    turns = [message for message in history if message.role != "system"]
    start = 0 if limit is None else max(0, len(turns) - limit)
    plain = [place for place, message in enumerate(turns) if _is_plain(message)]
    if current.has_tool_results:
        start = min([start, *plain[-1:]])
    first = next((place for place in plain if place >= start), len(turns))
    return [*turns[first:], current]


def system_text(*texts: str | None, history: Iterable[ChatMessage] = ()) -> str:
    """Return the system prompt: `texts`, then the system messages of `history`."""
    prompts = [*texts, *(message.text for message in history if message.role == "system")]
    return "\n\n".join(text for text in prompts if text)


Reader = Callable[[Mapping[str, Any]], ChatMessage]


def as_message(message: str | ChatMessage | Mapping[str, Any], read: Reader = ChatMessage.from_dict) -> ChatMessage:
    """Return `message` as a ChatMessage. Raises ConfigurationError for a system message and for any other type."""
    if isinstance(message, str):
        return ChatMessage.user(message)
    made = in_history(message, read, "message")
    if made.role == "system":
        raise refused("message", "is a system message; put it into the history, or give `system`")
    return made


def in_history(
    message: ChatMessage | Mapping[str, Any], read: Reader = ChatMessage.from_dict, name: str = "history"
) -> ChatMessage:
    """Return `message` as a ChatMessage; `read` makes one of a dict."""
    if isinstance(message, Mapping):
        return read(message)
    must_be(name, message, ChatMessage, "a ChatMessage, a dict or text" if name == "message" else "messages")
    return message


def _is_plain(message: ChatMessage) -> bool:
    return message.role == "user" and not message.has_tool_results
