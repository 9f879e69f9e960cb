"""The Messages API (https://platform.claude.com/docs/en/api/messages)."""

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, ClassVar, final

from attrs import define, field, frozen

from unbroken import Event
from unbroken.dialect import Dialect
from unbroken.validators import refused
from unbroken_anthropic import Anthropic, Message, MessageBuilder, MessageStop

from ..api import Api, Conversation, Reading, ReplyContent
from ..config import AnthropicConfig, DirectConfig
from ..messages import ChatMessage
from ..parts import Block, Part, ThinkingPart, part_of

_PARAMETERS = ("max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "thinking")


@final
@frozen
class MessagesApi(Api):
    """The Messages API of Anthropic, and of servers that speak it."""

    name: ClassVar[str] = "messages"
    title: ClassVar[str] = "the Messages API"
    base_url: ClassVar[str] = "https://api.anthropic.com"
    key: ClassVar[str] = "ANTHROPIC_API_KEY"
    key_header: ClassVar[str] = "x-api-key"
    key_scheme: ClassVar[str] = ""
    max_tokens: ClassVar[int | None] = 4096  # the API requires one
    config_class: ClassVar[type[DirectConfig]] = AnthropicConfig
    fields: ClassVar[frozenset[str]] = frozenset(
        {
            "cache_control",
            "container",
            "context_management",
            "inference_geo",
            "mcp_servers",
            "messages",
            "metadata",
            "output_config",
            "service_tier",
            "stop_sequences",
            "temperature",
            "thinking",
            "tool_choice",
            "top_k",
            "top_p",
        }
    )

    def dialect(self) -> Dialect:
        """Return the dialect of its streams."""
        return Anthropic()

    def url(self, base_url: str, body: Mapping[str, Any]) -> str:
        """Return the address of the messages below `base_url`."""
        return f"{base_url.rstrip('/')}/v1/messages"

    def body(self, conversation: Conversation) -> dict[str, Any]:
        """Return the messages, the system prompt, the tools and the limit."""
        body: dict[str, Any] = {"messages": written(conversation.messages, conversation.numbers)}
        own = {"system": conversation.system, "tools": conversation.tools, "max_tokens": conversation.max_tokens}
        return body | {name: value for name, value in own.items() if value or name in conversation.given}

    def setting_names(self) -> Mapping[str, str]:
        """Return the names of the settings, which are those of the API."""
        return {name: name for name in _PARAMETERS}

    def needs_key(self, base_url: str) -> bool:
        """Return True: the API and its emulators look at the key."""
        return True

    def reading(self, request: Mapping[str, Any]) -> Reading:
        """Return what reads the events of one attempt at `request`."""
        return _Reading()


def written(messages: Iterable[ChatMessage], numbers: Iterable[int] | None = None) -> list[dict[str, Any]]:
    """Return `messages` in the format of the API. Adjacent messages of one role are merged, empty ones are left out."""
    merged: list[dict[str, Any]] = []
    for number, message in zip(count(1) if numbers is None else numbers, messages, strict=False):
        if not message.parts:
            continue
        blocks = [_block(number, part) for part in message.parts]
        if merged and merged[-1]["role"] == message.role:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": message.role, "content": blocks})
    return merged


def _block(number: int, part: Part) -> Block:
    """Return the content block for `part`, without what other APIs said about it."""
    extra: Any = getattr(part, "extra", None)
    if not extra:
        return part.to_block()
    if isinstance(part, ThinkingPart) and not part.signature:
        raise refused(
            f"message {number}",
            "has the thinking of another API, which the Messages API does not take; leave it out with without_thinking",
        )
    return {name: value for name, value in part.to_block().items() if name != "extra"}


@define(eq=False)
class _Reading(Reading):
    _builder: MessageBuilder = field(factory=MessageBuilder, init=False)

    def add(self, event: Event) -> Any:
        it = self._builder.add(event)
        self.ended = self.ended or type(it) is MessageStop
        return it

    def snapshot(self) -> Message:
        return self._builder.snapshot()

    def answer(self) -> ReplyContent:
        message = self._builder.message()
        return ReplyContent(
            message=ChatMessage("assistant", [part_of(block) for block in message.to_dict()["content"]]),
            content=tuple(message.content),
            stop_reason=str(message.stop_reason),
            model=message.model,
            raw=message,
        )
