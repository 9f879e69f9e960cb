"""What an API is to a content generator: how a conversation is written for it, and how its reply is read.

The generators, handlers and streams are the same for all APIs. Each API is one class, an `Api`: it writes the body of a
request (`Api.body`), knows where and how that is sent, and makes readings (`Api.reading`) which turn the events of one
attempt into an `ReplyContent`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import field, frozen

from unbroken import Event
from unbroken.dialect import Dialect
from unbroken.validators import must_be, refused

from .config import DirectConfig, ModelConfig
from .messages import ChatMessage


@frozen(kw_only=True)
class Conversation:
    """What a request is made of."""

    messages: Sequence[ChatMessage]
    """The messages to send, without system messages; the last one is the new one."""
    numbers: Sequence[int]
    """The place of each message in the history that was given, from 1, for errors."""
    system: Any = ""
    """The system prompt; empty for none. Only a `system` of one request may be anything but text."""
    tools: Any = ()
    """The definitions of the tools."""
    max_tokens: Any = None
    """The most tokens of the reply; None for no limit here."""
    given: frozenset[str] = frozenset()
    """The names of the further fields of the request."""

    def tool_list(self) -> list[Mapping[str, Any]]:
        """Return the tools. Raises ConfigurationError if they are no list of definitions."""
        must_be("tools", self.tools, (list, tuple), "a list of definitions")
        for tool in self.tools:
            must_be("tools", tool, Mapping, "definitions")
        return list(self.tools)


@frozen(kw_only=True)
class ReplyContent:
    """What the events of an attempt say."""

    message: ChatMessage
    """As it goes into the history."""
    content: tuple[Any, ...]
    stop_reason: str | None
    model: str | None
    raw: Any = field(repr=False)
    """The whole answer as the API has it."""


class Reading(ABC):
    """Reads the events of one attempt."""

    ended: bool = False
    """Whether the event that ends the answer has been added."""

    @abstractmethod
    def add(self, event: Event) -> Any:
        """Add `event` to the answer and return it typed, or itself. Raises the Error of one that does not fit."""

    @abstractmethod
    def snapshot(self) -> Any:
        """Return the part of the answer that has arrived, in the form of `ReplyContent.raw`."""

    @abstractmethod
    def answer(self) -> ReplyContent:
        """Return the whole answer. Raises the Error of one that is incomplete or broken."""


class Api(ABC):
    """An API that answers conversations. Objects of it hold settings only and may be shared."""

    name: ClassVar[str]
    """Its name in ``api="…"``, and in the `extra` of parts."""
    title: ClassVar[str]
    """Its name in errors."""
    base_url: ClassVar[str]
    """Where the vendor has it."""
    key: ClassVar[str]
    """The name of the variable of the environment that holds the key."""
    key_header: ClassVar[str] = "Authorization"
    key_scheme: ClassVar[str] = "Bearer "
    max_tokens: ClassVar[int | None] = None
    """The `max_tokens` of a request in proxy mode that says nothing else; None for none."""
    config_class: ClassVar[type[DirectConfig]] = ModelConfig
    """The class of the settings of direct mode."""
    fields: ClassVar[frozenset[str]]
    """The names of the fields of a request. A name that is nearly one of them is a mistake."""
    nested: ClassVar[frozenset[str]] = frozenset()
    """The fields that hold settings; those of a request are added to those that are configured."""

    @abstractmethod
    def dialect(self) -> Dialect:
        """Return the dialect of its streams."""

    @abstractmethod
    def url(self, base_url: str, body: Mapping[str, Any]) -> str:
        """Return where `body` is sent."""

    @abstractmethod
    def body(self, conversation: Conversation) -> dict[str, Any]:
        """Return the fields of the request for `conversation`.

        Raises ConfigurationError that names the message and what is wrong, for what the API cannot be sent.
        """

    @abstractmethod
    def setting_names(self) -> Mapping[str, str]:
        """Return the names that the API gives to the settings of direct mode, one of them `max_tokens`."""

    @abstractmethod
    def reading(self, request: Mapping[str, Any]) -> Reading:
        """Return what reads the events of one attempt at `request`, a body."""

    def settings(self, config: DirectConfig) -> dict[str, Any]:
        """Return the fields of a request that `config` sets. Raises ConfigurationError for one that the API has not."""
        must_be("config", config, self.config_class, f"{self.config_class.__name__}, the settings for {self.title}")
        given, names = config.parameters(), self.setting_names()
        for name in given:
            if name not in names:
                raise refused(name, f"is a setting that {self.title} does not have")
        return self.contained({names[name]: value for name, value in given.items()})

    def limit(self, conversation: Conversation) -> dict[str, Any]:
        """Return the field that limits the tokens of the reply, empty if there is no limit."""
        most = conversation.max_tokens
        return {} if most is None else self.contained({self.setting_names()["max_tokens"]: most})

    def contained(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return settings where the API has them: at the top, or in the first of its `nested` fields."""
        return fields

    def merged(self, fields: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
        """Return `fields` updated with `more`; of the `nested` fields, the settings in them."""
        made = {**fields, **more}
        for name in self.nested & fields.keys() & more.keys():
            if isinstance(fields[name], Mapping) and isinstance(more[name], Mapping):
                made[name] = {**fields[name], **more[name]}
        return made

    def sent(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return `body` as it is sent: it asks for a stream."""
        return {**body, "stream": True}

    def message_of(self, document: Mapping[str, Any]) -> ChatMessage:
        """Return the message that `document` is, in the form of `ChatMessage.to_dict` or of the API."""
        return ChatMessage.from_dict(document)

    def needs_key(self, base_url: str) -> bool:
        """Return whether requests to `base_url` need a key. Local servers do without."""
        return base_url.rstrip("/") == self.base_url
