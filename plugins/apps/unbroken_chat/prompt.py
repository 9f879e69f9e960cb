"""The request body for a message and its history."""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final, Self

from attrs import field, frozen

from unbroken.validators import must_be, number, optional, refused

from .history import as_message, in_history, system_text, trimmed, written
from .messages import ChatMessage
from .reply import Reply

History = Iterable[ChatMessage | Reply | Mapping[str, Any]]
Tools = Iterable[Mapping[str, Any]]
API_KEY: Final = "ANTHROPIC_API_KEY"
MAX_TOKENS: Final = 4096
"""The `max_tokens` of a request that says nothing else: the API requires one."""

_FIELDS: Final = frozenset(
    {
        "cache_control",
        "container",
        "context_management",
        "extra_body",
        "history",
        "inference_geo",
        "max_tokens",
        "mcp_servers",
        "message",
        "messages",
        "metadata",
        "model",
        "output_config",
        "request_id",
        "service_tier",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
"""The names of a request (https://platform.claude.com/docs/en/api/messages). A name that is nearly one is a mistake."""
_NEAR: Final = 0.85
_max_tokens = optional(number(at_least=1, whole=True))


@frozen(kw_only=True)
class Prompt:
    """What every request of a content generator contains."""

    system: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    model: str | None = None
    max_tokens: int | None = field(default=None, validator=_max_tokens)
    history_limit: int | None = None

    @classmethod
    def of(
        cls,
        system: str | None,
        tools: Tools | None,
        model: str | None,
        max_tokens: int | None,
        history_limit: int | None,
    ) -> Self:
        """Check the arguments. Raises ConfigurationError."""
        if system is not None:
            must_be("system", system, str, "text")
        listed = tuple(tools or ())
        for tool in listed:
            must_be("tools", tool, Mapping, "definitions in the format of the API")
        return cls(system=system, tools=listed, model=model, max_tokens=max_tokens, history_limit=history_limit)

    def request(
        self,
        message: str | ChatMessage | Mapping[str, Any],
        history: History,
        parameters: Mapping[str, Any],
        extra_body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the request body for `message`. `parameters` take precedence over the fields set here.

        A `max_tokens` of None is left out. `extra_body` takes precedence over all and is not checked for near misses.
        """
        for name in parameters:
            _check_name(name)
        messages = [each.message if isinstance(each, Reply) else in_history(each) for each in history]
        body: dict[str, Any] = {"messages": written(trimmed(messages, as_message(message), self.history_limit))}
        system = system_text(self.system, history=messages)
        own = {"system": system, "tools": list(self.tools), "model": self.model, "max_tokens": self.max_tokens}
        must_be("extra_body", extra_body or {}, Mapping, "fields of the request")
        body |= {name: value for name, value in own.items() if value}
        body |= {**parameters, **(extra_body or {})}
        if body.get("stream", True) is not True:
            raise refused("stream", "must be true, as the reply is read from a stream")
        return {name: value for name, value in body.items() if name != "max_tokens" or value is not None}


def _check_name(name: str) -> None:
    """Raise ConfigurationError if `name` is nearly the name of a field, and so not sent by mistake."""
    if name not in _FIELDS:
        close = get_close_matches(name.lower(), sorted(_FIELDS), 1, _NEAR)
        if close:
            raise refused(name, f"is no field of a request (did you mean {close[0]!r}?); extra_body sends it anyway")


def key_or_environment(api_key: str | None) -> str:
    """Return `api_key`, or the key of the environment if it is None. Raises ConfigurationError if there is no key."""
    key = os.environ.get(API_KEY) if api_key is None else api_key
    if not key:
        raise refused("api_key", f"is neither given nor in the environment as {API_KEY}")
    return key
