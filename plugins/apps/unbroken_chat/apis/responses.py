"""The Responses API of OpenAI (https://developers.openai.com/api/reference/resources/responses)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, final

from attrs import frozen

from unbroken.dialect import Dialect
from unbroken_openai import OpenAI

from ..api import Api, Conversation, Reading
from ..messages import ChatMessage
from ..parts import ImagePart, OtherPart, Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from ..turns import Turn, check_pairs, turns_of, unsendable
from .items import NAME, ResponseReading, message_of
from .openai import BASE_URL, KEY, arguments_of, function_of, image_url, is_foreign, kind_of, result_parts, table

_INPUT: Final = frozenset({"input_audio", "input_file", "input_image", "input_text"})
"""The types of what a message of the user may contain; an `OtherPart` of any other type is an item of its own."""
_OUTPUT: Final = frozenset({"output_text", "refusal"})


@final
@frozen
class ResponsesApi(Api):
    """The Responses API of OpenAI, and of servers that speak it.

    Reasoning goes back into the history as it came. With ``store=False`` it is of use there only if the request has
    ``include=["reasoning.encrypted_content"]``, where that is not the default.
    """

    name: ClassVar[str] = NAME
    title: ClassVar[str] = "the Responses API"
    base_url: ClassVar[str] = BASE_URL
    key: ClassVar[str] = KEY
    fields: ClassVar[frozenset[str]] = frozenset(
        {
            "background",
            "context_management",
            "conversation",
            "include",
            "input",
            "instructions",
            "max_output_tokens",
            "max_tool_calls",
            "metadata",
            "moderation",
            "parallel_tool_calls",
            "previous_response_id",
            "prompt",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "reasoning",
            "safety_identifier",
            "service_tier",
            "store",
            "stream_options",
            "temperature",
            "text",
            "tool_choice",
            "top_logprobs",
            "top_p",
            "truncation",
            "user",
        }
    )

    def dialect(self) -> Dialect:
        """Return the dialect of its streams."""
        return OpenAI()

    def url(self, base_url: str, body: Mapping[str, Any]) -> str:
        """Return the address of the responses below `base_url`."""
        return f"{base_url.rstrip('/')}/responses"

    def body(self, conversation: Conversation) -> dict[str, Any]:
        """Return the input items, the system prompt as ``instructions``, the tools and the limit.

        The server has the calls of an earlier response, so with ``previous_response_id`` or ``conversation`` a result
        may come without its call.
        """
        turns = turns_of(conversation)
        elsewhere = bool({"previous_response_id", "conversation"} & conversation.given)
        check_pairs(turns, self.title, calls_elsewhere=elsewhere)
        items: list[dict[str, Any]] = []
        for turn in turns:
            _Items(turn.role, items).add(turn)
        tools = [_tool(number, tool) for number, tool in enumerate(conversation.tool_list())]
        body: dict[str, Any] = {"input": items}
        if conversation.system:
            body["instructions"] = conversation.system
        return {**body, **({"tools": tools} if tools else {}), **self.limit(conversation)}

    def setting_names(self) -> Mapping[str, str]:
        """Return the names that the API gives to the settings. It has no stop sequences."""
        return {"max_tokens": "max_output_tokens", "temperature": "temperature", "top_p": "top_p"}

    def message_of(self, document: Mapping[str, Any]) -> ChatMessage:
        """Return the message that a dict is: an item or a response of the API, or `ChatMessage.to_dict`."""
        return message_of(document)

    def reading(self, request: Mapping[str, Any]) -> Reading:
        """Return what reads the events of one attempt at `request`."""
        return ResponseReading()


def _tool(number: int, tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as the API has it: one of the Messages API or of Chat Completions is written anew.

    The API makes a function strict that does not say, which not every schema can be.
    """
    function = function_of(tool, number)
    nested = table(tool.get("function"))
    if function is None and kind_of(tool) == "function" and nested:
        function = {"parameters": None, **nested}
    return dict(tool) if function is None else {"type": "function", "strict": False, **function}


class _Items:
    """Writes the items of one turn."""

    def __init__(self, role: str, items: list[dict[str, Any]]) -> None:
        self._role = role
        self._items = items
        self._content: list[dict[str, Any]] = []
        self._item: dict[str, Any] = {}
        """What the API said about the message that `_content` is of, besides its content."""

    def add(self, turn: Turn) -> None:
        """Add the items of `turn`."""
        add = self._said if self._role == "assistant" else self._asked
        for number, part in turn.parts:
            add(number, part)
        self._close()

    def _asked(self, number: int, part: Part) -> None:
        if isinstance(part, ToolResultPart):
            self._whole({"type": "function_call_output", "call_id": part.tool_call_id, "output": _output(number, part)})
        elif isinstance(part, OtherPart) and kind_of(part.block) not in _INPUT and not is_foreign(part.block):
            self._whole(part.block)
        else:
            self._content.append(_input(number, part))

    def _said(self, number: int, part: Part) -> None:
        own: Mapping[str, Any] = getattr(part, "extra", {}).get(NAME, {})
        if isinstance(part, TextPart):
            self._output_text(part, own)
        elif isinstance(part, OtherPart) and kind_of(part.block) in _OUTPUT:
            about = table(table(part.block.get("extra")).get(NAME))
            self._say({name: it for name, it in part.block.items() if name != "extra"}, about)
        elif isinstance(part, ToolCallPart):
            arguments = arguments_of(part)
            self._whole({**own, "type": "function_call", "call_id": part.id, "name": part.name, "arguments": arguments})
        elif isinstance(part, ThinkingPart) and own:
            self._whole(own)
        elif isinstance(part, OtherPart) and kind_of(part.block) not in _INPUT and not is_foreign(part.block):
            self._whole(part.block)
        else:
            raise unsendable(number, part, "assistant", ResponsesApi.title)

    def _output_text(self, part: TextPart, own: Mapping[str, Any]) -> None:
        known: dict[str, Any] = {"annotations": [], **table(own.get("part"))}
        self._say({**known, "type": "output_text", "text": part.text}, own)

    def _say(self, content: dict[str, Any], own: Mapping[str, Any]) -> None:
        item = dict(table(own.get("item")))
        if item.get("id") != self._item.get("id"):
            self._close()
        self._item = item
        self._content.append(content)

    def _whole(self, item: Mapping[str, Any]) -> None:
        self._close()
        self._items.append(dict(item))

    def _close(self) -> None:
        if self._content:
            self._items.append(_message(self._role, self._item, self._content))
        self._content, self._item = [], {}


def _message(role: str, item: Mapping[str, Any], content: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a message: of the model as it came if that is known, else in the short form, as text where it is text."""
    if "id" in item:
        return {**item, "type": "message", "role": role, "content": list(content)}
    texts = [each["text"] for each in content if kind_of(each) in {"input_text", "output_text"}]
    if len(texts) == len(content) and (role == "assistant" or len(texts) == 1):
        return {**item, "role": role, "content": "".join(texts)}
    return {**item, "role": role, "content": list(content)}


def _input(number: int, part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "input_image", "image_url": image_url(part), "detail": "auto"}
    if isinstance(part, OtherPart) and kind_of(part.block) in _INPUT:
        return dict(part.block)
    raise unsendable(number, part, "user", ResponsesApi.title)


def _output(number: int, result: ToolResultPart) -> str | list[dict[str, Any]]:
    """Return the output of a tool: text if it is text, otherwise a list."""
    parts = result_parts(number, result)
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    return [_input(number, part) for part in parts]
