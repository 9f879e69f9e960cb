"""The Chat Completions API of OpenAI (https://developers.openai.com/api/reference/resources/chat).

Most servers of other models have it too.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal, final, get_args

from attrs import Attribute, field, frozen

from unbroken.dialect import Dialect
from unbroken.validators import one_of, refused
from unbroken_openai import CompletionBuilder, OpenAI

from ..api import Api, Conversation, Reading
from ..messages import ChatMessage
from ..parts import ImagePart, OtherPart, Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from ..turns import Turn, check_pairs, turns_of, unsendable
from .completions import CompletionReading, message_of
from .openai import BASE_URL, KEY, arguments_of, function_of, image_url, is_foreign, kind_of, result_parts

LimitField = Literal["max_completion_tokens", "max_tokens"]
_LIMIT_FIELD: Callable[[Any, "Attribute[LimitField]", LimitField], None] = one_of(*get_args(LimitField))
_CALLS: Final = frozenset({"custom", "function"})


@final
@frozen
class ChatCompletionsApi(Api):
    """The Chat Completions API of OpenAI, and of servers that speak it.

    `limit_field` is the field for `max_tokens`. OpenAI's models that reason know only the newer one; many other servers
    know only the older one.
    """

    name: ClassVar[str] = "chat-completions"
    title: ClassVar[str] = "Chat Completions"
    base_url: ClassVar[str] = BASE_URL
    key: ClassVar[str] = KEY
    fields: ClassVar[frozenset[str]] = frozenset(
        {
            "audio",
            "frequency_penalty",
            "logit_bias",
            "logprobs",
            "max_completion_tokens",
            "messages",
            "metadata",
            "modalities",
            "moderation",
            "n",
            "parallel_tool_calls",
            "prediction",
            "presence_penalty",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "reasoning_effort",
            "response_format",
            "safety_identifier",
            "seed",
            "service_tier",
            "stop",
            "store",
            "stream_options",
            "temperature",
            "tool_choice",
            "top_logprobs",
            "top_p",
            "user",
            "verbosity",
            "web_search_options",
        }
    )

    limit_field: LimitField = field(default="max_completion_tokens", validator=_LIMIT_FIELD)

    def setting_names(self) -> Mapping[str, str]:
        """Return the names that the API gives to the settings."""
        return {
            "max_tokens": self.limit_field,
            "temperature": "temperature",
            "top_p": "top_p",
            "stop_sequences": "stop",
        }

    def dialect(self) -> Dialect:
        """Return the dialect of its streams."""
        return OpenAI()

    def url(self, base_url: str, body: Mapping[str, Any]) -> str:
        """Return the address of the completions below `base_url`."""
        return f"{base_url.rstrip('/')}/chat/completions"

    def body(self, conversation: Conversation) -> dict[str, Any]:
        """Return the messages, of which the first is the system prompt, the tools and the limit."""
        turns = turns_of(conversation)
        check_pairs(turns, self.title)
        system = conversation.system
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        for turn in turns:
            messages += _of_assistant(turn) if turn.role == "assistant" else _of_user(turn)
        tools = [_tool(number, tool) for number, tool in enumerate(conversation.tool_list())]
        return {"messages": messages, **({"tools": tools} if tools else {}), **self.limit(conversation)}

    def sent(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return `body` as it is sent: it asks for a stream with the counts of its tokens."""
        return {"stream_options": {"include_usage": True}, **body, "stream": True}

    def message_of(self, document: Mapping[str, Any]) -> ChatMessage:
        """Return the message that a dict is: a message or a completion of the API, or `ChatMessage.to_dict`."""
        return message_of(document)

    def reading(self, request: Mapping[str, Any]) -> Reading:
        """Return what reads the events of one attempt at `request`."""
        n = request.get("n")
        # That the stream is complete is for the dialect to prove; finish reasons of some servers are no text.
        return CompletionReading(CompletionBuilder(n=n if type(n) is int else None, needs_finish_reason=False))


def _tool(number: int, tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as the API has it: one of the Messages API or the Responses API is written anew."""
    function = function_of(tool, number)
    if function is not None:
        return {"type": "function", "function": function}
    if tool.get("type") == "function" and "function" not in tool:
        return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}
    return dict(tool)


def _of_user(turn: Turn) -> list[dict[str, Any]]:
    """Return the results of tool calls, which must follow the calls, then what else the user says."""
    results = [_result(number, part) for number, part in turn.parts if isinstance(part, ToolResultPart)]
    said = [(number, part) for number, part in turn.parts if not isinstance(part, ToolResultPart)]
    if not said:
        return results
    if len(said) == 1 and isinstance(said[0][1], TextPart):
        return [*results, {"role": "user", "content": said[0][1].text}]
    return [*results, {"role": "user", "content": [_content(number, part) for number, part in said]}]


def _content(number: int, part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": {"url": image_url(part)}}
    if isinstance(part, OtherPart) and not is_foreign(part.block):
        return dict(part.block)
    raise unsendable(number, part, "user", ChatCompletionsApi.title)


def _result(number: int, result: ToolResultPart) -> dict[str, Any]:
    parts = result_parts(number, result)
    for part in parts:
        if not isinstance(part, TextPart):
            what = f"has something else than text in the result of the tool call {result.tool_call_id!r}"
            raise refused(
                f"message {number}", f"{what}, which Chat Completions does not take; say it in a text beside it"
            )
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    content = texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]
    return {"role": "tool", "tool_call_id": result.tool_call_id, "content": content or ""}


def _of_assistant(turn: Turn) -> list[dict[str, Any]]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    content: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for number, part in turn.parts:
        if isinstance(part, TextPart):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, ToolCallPart):
            calls.append(_call(part))
        elif isinstance(part, ThinkingPart):
            message |= _thinking(number, part, message)
        elif isinstance(part, OtherPart) and kind_of(part.block) in _CALLS:
            calls.append(dict(part.block))
        elif isinstance(part, OtherPart) and not is_foreign(part.block):
            _other(part.block, message, content)
        else:
            raise unsendable(number, part, "assistant", ChatCompletionsApi.title)
    texts = [each["text"] for each in content if each["type"] == "text"]
    if content:
        message["content"] = content if len(texts) < len(content) else "".join(texts)
    elif not calls and not {"audio", "refusal"} & message.keys():
        message["content"] = ""  # the API requires one of them
    return [message | ({"tool_calls": calls} if calls else {})]


def _call(part: ToolCallPart) -> dict[str, Any]:
    function = {"name": part.name, "arguments": arguments_of(part)}
    return {"id": part.id, "type": "function", "function": function, **part.extra.get(ChatCompletionsApi.name, {})}


def _thinking(number: int, part: ThinkingPart, message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of reasoning as they came. Text without them is put where most servers have it."""
    own = part.extra.get(ChatCompletionsApi.name)
    if own is not None:
        return dict(own)
    if part.signature or part.extra:
        raise unsendable(number, part, "assistant", ChatCompletionsApi.title)
    return {"reasoning_content": f"{message.get('reasoning_content', '')}{part.thinking}"}


def _other(block: Mapping[str, Any], message: dict[str, Any], content: list[dict[str, Any]]) -> None:
    """Put a refusal, audio or a part of an unknown type where the API has it."""
    own = {name: value for name, value in block.items() if name != "extra"}
    if kind_of(block) == "refusal":
        message["refusal"] = block.get("refusal")
    elif kind_of(block) == "audio":
        message["audio"] = {"id": block.get("id")}
    else:
        content.append(own)
