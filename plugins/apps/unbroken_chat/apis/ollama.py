"""The API of Ollama (https://docs.ollama.com/api/chat)."""

import base64
from collections.abc import Mapping
from typing import Any, ClassVar, Final, final
from uuid import uuid4

from attrs import define, field, frozen

from unbroken import Event, StreamError, TruncatedStreamError
from unbroken.dialect import Dialect
from unbroken.registry import resolve_dialect
from unbroken.validators import refused

from ..api import Api, Conversation, Reading, ReplyContent
from ..messages import ChatMessage
from ..parts import ImagePart, OtherPart, Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from ..turns import Turn, answered, calls_in, check_pairs, turns_of, unsendable
from .openai import function_of, kind_of, objects, result_parts, table, text_in

NAME: Final = "ollama"


@final
@frozen
class OllamaApi(Api):
    """The API of Ollama: ``/api/chat``. Needs the dialect ``ollama``."""

    name: ClassVar[str] = NAME
    title: ClassVar[str] = "the API of Ollama"
    base_url: ClassVar[str] = "http://127.0.0.1:11434"
    key: ClassVar[str] = "OLLAMA_API_KEY"
    nested: ClassVar[frozenset[str]] = frozenset({"options"})
    fields: ClassVar[frozenset[str]] = frozenset({"format", "keep_alive", "messages", "options", "think"})

    def dialect(self) -> Dialect:
        """Return the dialect of its streams. Raises ConfigurationError if it is not installed."""
        return resolve_dialect(NAME)

    def url(self, base_url: str, body: Mapping[str, Any]) -> str:
        """Return the address of the chat below `base_url`."""
        return f"{base_url.rstrip('/')}/api/chat"

    def needs_key(self, base_url: str) -> bool:
        """Return False: local servers have no keys."""
        return False

    def setting_names(self) -> Mapping[str, str]:
        """Return the names that the API gives to the settings."""
        return {"max_tokens": "num_predict", "temperature": "temperature", "top_p": "top_p", "stop_sequences": "stop"}

    def contained(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return settings in ``options``."""
        return {"options": fields} if fields else {}

    def body(self, conversation: Conversation) -> dict[str, Any]:
        """Return the messages, of which the first is the system prompt, the tools and the limit."""
        turns = turns_of(conversation)
        check_pairs(turns, self.title)
        calls = calls_in(turns)
        system = conversation.system
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        for turn in turns:
            messages += [_of_assistant(turn)] if turn.role == "assistant" else _of_user(turn, calls)
        tools = [_tool(number, tool) for number, tool in enumerate(conversation.tool_list())]
        return {"messages": messages, **({"tools": tools} if tools else {}), **self.limit(conversation)}

    def message_of(self, document: Mapping[str, Any]) -> ChatMessage:
        """Return the message that a dict is: an answer of the API, or `ChatMessage.to_dict`."""
        message = table(document.get("message"))
        return ChatMessage("assistant", _parts(message)) if message else ChatMessage.from_dict(document)

    def reading(self, request: Mapping[str, Any]) -> Reading:
        """Return what reads the events of one attempt at `request`."""
        return _Reading()


def _tool(number: int, tool: Mapping[str, Any]) -> dict[str, Any]:
    function = function_of(tool, number)
    return dict(tool) if function is None else {"type": "function", "function": function}


def _of_user(turn: Turn, calls: Mapping[str, ToolCallPart]) -> list[dict[str, Any]]:
    """Return the results of tool calls, then what else the user says: texts, and images beside them."""
    results = [_result(number, part, calls) for number, part in turn.parts if isinstance(part, ToolResultPart)]
    said = [(number, part) for number, part in turn.parts if not isinstance(part, ToolResultPart)]
    if not said:
        return results
    return [*results, {"role": "user", **_content(said, turn.role)}]


def _content(parts: list[tuple[int, Part]], role: str) -> dict[str, Any]:
    texts = [part.text for _, part in parts if isinstance(part, TextPart)]
    images = [_image(number, part) for number, part in parts if isinstance(part, ImagePart)]
    for number, part in parts:
        if not isinstance(part, (TextPart, ImagePart)):
            raise unsendable(number, part, role, OllamaApi.title)
    return {"content": "\n\n".join(texts), **({"images": images} if images else {})}


def _image(number: int, image: ImagePart) -> str:
    if image.data is None:
        raise refused(f"message {number}", "has the URL of an image, and the API of Ollama takes its data only")
    return base64.b64encode(image.data).decode()


def _result(number: int, result: ToolResultPart, calls: Mapping[str, ToolCallPart]) -> dict[str, Any]:
    parts = [(number, part) for part in result_parts(number, result)]
    name = answered(number, result, calls).name
    return {"role": "tool", "tool_name": name, **_content(parts, "tool")}


def _of_assistant(turn: Turn) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for number, part in turn.parts:
        if isinstance(part, TextPart):
            texts.append(part.text)
        elif isinstance(part, ThinkingPart) and not part.signature and not part.extra.keys() - {NAME}:
            thoughts.append(part.thinking)
        elif isinstance(part, ToolCallPart):
            own = table(part.extra.get(NAME))
            calls.append({**own, "function": {"name": part.name, "arguments": dict(part.arguments)}})
        elif isinstance(part, OtherPart) and kind_of(part.block) == NAME:
            calls.append(dict(table(part.block.get("call"))))
        else:
            raise unsendable(number, part, "assistant", OllamaApi.title)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    more = {"thinking": "".join(thoughts), "tool_calls": calls}
    return message | {name: value for name, value in more.items() if value}


@define(eq=False)
class _Reading(Reading):
    _texts: list[str] = field(factory=list[str], init=False)
    _thoughts: list[str] = field(factory=list[str], init=False)
    _calls: list[dict[str, Any]] = field(factory=list[dict[str, Any]], init=False)
    _told: dict[str, Any] = field(factory=dict[str, Any], init=False)

    def add(self, event: Event) -> Event:
        try:
            line = table(event.json())
        except StreamError:
            return event  # the dialect knows whether it is a keep-alive or a failure
        self._told |= {name: value for name, value in line.items() if name != "message"}
        message = table(line.get("message"))
        for pieces, name in ((self._texts, "content"), (self._thoughts, "thinking")):
            pieces += [piece] if (piece := text_in(message.get(name))) else []
        self._calls += objects(message.get("tool_calls"))
        self.ended = self.ended or line.get("done") is True
        return event

    def snapshot(self) -> dict[str, Any]:
        more = {"thinking": "".join(self._thoughts), "tool_calls": list(self._calls)}
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._texts)}
        return {**self._told, "message": message | {name: value for name, value in more.items() if value}}

    def answer(self) -> ReplyContent:
        if not self.ended:
            raise TruncatedStreamError('the answer is not complete: there was no "done": true')
        raw = self.snapshot()
        message = ChatMessage("assistant", _parts(raw["message"]))
        return ReplyContent(
            message=message,
            content=message.parts,
            stop_reason=text_in(self._told.get("done_reason")),
            model=text_in(self._told.get("model")),
            raw=raw,
        )


def _parts(message: Mapping[str, Any]) -> list[Part]:
    thoughts, text = text_in(message.get("thinking")), text_in(message.get("content"))
    parts: list[Part] = [ThinkingPart(thoughts)] if thoughts else []
    parts += [TextPart(text)] if text else []
    return [*parts, *map(_call, objects(message.get("tool_calls")))]


def _call(call: dict[str, Any]) -> Part:
    """Return a tool call. Not every server gives it an id, which its result needs here."""
    function = table(call.get("function"))
    name = text_in(function.get("name"))
    arguments: Any = function.get("arguments")
    if name is None or not isinstance(arguments, dict | None):
        return OtherPart({"type": NAME, "call": call})
    more = {name: value for name, value in call.items() if name != "function"}
    id = text_in(call.get("id")) or f"call_{uuid4().hex}"
    return ToolCallPart(id, name, table(arguments), extra={NAME: more} if more else {})
