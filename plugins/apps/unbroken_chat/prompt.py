"""The request body for a message and its history."""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final, Self

from attrs import field, frozen

from unbroken.validators import must_be, number, optional, refused

from .api import Api, Conversation
from .apis import MessagesApi
from .history import as_message, in_history, system_text, trimmed
from .messages import ChatMessage
from .reply import Reply

History = Iterable[ChatMessage | Reply | Mapping[str, Any]]
Tools = Iterable[Mapping[str, Any]]

_FIELDS: Final = frozenset(
    {"extra_body", "history", "max_tokens", "message", "model", "request_id", "stream", "system", "tools"}
)
"""The names of the arguments of a request, whatever the API. A name that is nearly one is a mistake."""
_CONVERSATION: Final = frozenset({"max_tokens", "system", "tools"})
"""The arguments that each API writes in its own way."""
_NEAR: Final = 0.85
_max_tokens = optional(number(at_least=1, whole=True))


@frozen(kw_only=True)
class Prompt:
    """What every request of a content generator contains."""

    api: Api = field(factory=MessagesApi)
    system: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    model: str | None = None
    max_tokens: int | None = field(default=None, validator=_max_tokens)
    history_limit: int | None = None

    @classmethod
    def of(
        cls,
        api: Api,
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
        return cls(
            api=api, system=system, tools=listed, model=model, max_tokens=max_tokens, history_limit=history_limit
        )

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
            _check_name(name, self.api.fields | _FIELDS)
        must_be("extra_body", extra_body or {}, Mapping, "fields of the request")
        more = {**parameters, **(extra_body or {})}
        if more.get("stream", True) is not True:
            raise refused("stream", "must be true, as the reply is read from a stream")
        conversation = self._conversation(message, history, parameters, frozenset(more))
        body = self.api.body(conversation) | ({"model": self.model} if self.model else {})
        own = _CONVERSATION - frozenset(extra_body or {})
        return self.api.merged(body, {name: value for name, value in more.items() if name not in own})

    def _conversation(
        self,
        message: str | ChatMessage | Mapping[str, Any],
        history: History,
        parameters: Mapping[str, Any],
        given: frozenset[str],
    ) -> Conversation:
        said = [each.message if isinstance(each, Reply) else in_history(each, self.api.message_of) for each in history]
        kept = trimmed(said, as_message(message, self.api.message_of), self.history_limit)
        turns = [number for number, each in enumerate(said, 1) if each.role != "system"]
        numbers = [*turns, len(said) + 1][-len(kept) :]
        max_tokens = parameters.get("max_tokens", self.max_tokens)
        return Conversation(
            messages=kept,
            numbers=numbers,
            system=parameters.get("system", system_text(self.system, history=said)),
            tools=parameters.get("tools", self.tools),
            max_tokens=max_tokens,
            given=given - ({"max_tokens"} if max_tokens is None else set()),
        )


def _check_name(name: str, fields: frozenset[str]) -> None:
    """Raise ConfigurationError if `name` is nearly the name of a field, and so not sent by mistake."""
    if name not in fields:
        close = get_close_matches(name.lower(), sorted(fields), 1, _NEAR)
        if close:
            raise refused(name, f"is no field of a request (did you mean {close[0]!r}?); extra_body sends it anyway")


def key_or_environment(api: Api, api_key: str | None, base_url: str | None) -> str | None:
    """Return `api_key`, or the key of the environment if it is None; None if there is none and none is needed.

    Raises ConfigurationError if a key is needed and there is none.
    """
    key = os.environ.get(api.key) if api_key is None else api_key
    if not key and (api_key is not None or api.needs_key(base_url or api.base_url)):
        raise refused("api_key", f"is neither given nor in the environment as {api.key}")
    return key or None
