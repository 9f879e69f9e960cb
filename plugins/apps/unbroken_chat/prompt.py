"""The request body for a message and its history."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

from attrs import frozen

from unbroken.validators import must_be, refused

from .history import as_message, system_text, trimmed, written
from .messages import ChatMessage
from .reply import Reply

History = Iterable[ChatMessage | Reply]
Tools = Iterable[Mapping[str, Any]]
API_KEY: Final = "ANTHROPIC_API_KEY"


@frozen(kw_only=True)
class Prompt:
    """What every request of a content generator contains."""

    system: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    model: str | None = None
    history_limit: int | None = None

    @classmethod
    def of(cls, system: str | None, tools: Tools | None, model: str | None, history_limit: int | None) -> Self:
        """Check the arguments. Raises ConfigurationError."""
        if system is not None:
            must_be("system", system, str, "text")
        listed = tuple(tools or ())
        for tool in listed:
            must_be("tools", tool, Mapping, "definitions in the format of the API")
        return cls(system=system, tools=listed, model=model, history_limit=history_limit)

    def request(self, message: str | ChatMessage, history: History, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request body for `message`. `parameters` take precedence over the fields set here."""
        messages = [each.message if isinstance(each, Reply) else each for each in history]
        body: dict[str, Any] = {"messages": written(trimmed(messages, as_message(message), self.history_limit))}
        system = system_text(self.system, history=messages)
        optional = {"system": system, "tools": list(self.tools), "model": self.model}
        return {**body, **{name: value for name, value in optional.items() if value}, **parameters}


def key_or_environment(api_key: str | None) -> str:
    """Return `api_key`, or the key of the environment if it is None. Raises ConfigurationError if there is no key."""
    key = os.environ.get(API_KEY) if api_key is None else api_key
    if not key:
        raise refused("api_key", f"is neither given nor in the environment as {API_KEY}")
    return key
