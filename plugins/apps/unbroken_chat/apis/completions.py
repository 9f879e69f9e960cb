"""Reads completions and messages of Chat Completions."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from attrs import define

from unbroken import Event
from unbroken.validators import refused
from unbroken_openai import CompletionBuilder

from ..api import Reading, ReplyContent
from ..messages import ChatMessage
from ..parts import OtherPart, Part, TextPart, ThinkingPart, part_of
from .openai import call_of, image_at, objects, table, text_in

NAME: Final = "chat-completions"
_REASONING: Final = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks")
"""The fields in which servers tell what the model thought, the one with plain text first; they want them back."""
_NATIVE: Final = frozenset({"audio", "function_call", "refusal", "tool_calls", *_REASONING})


@define(eq=False)
class CompletionReading(Reading):
    """Reads the chunks of one attempt."""

    _builder: CompletionBuilder

    def add(self, event: Event) -> Event:
        """Add a chunk and return it."""
        self._builder.add(event)
        return event

    def snapshot(self) -> dict[str, Any]:
        """Return the completion so far."""
        return self._builder.snapshot()

    def answer(self) -> ReplyContent:
        """Return the first choice of the completion."""
        completion = self._builder.completion()
        choice = _first(completion)
        reason, model = choice.get("finish_reason"), completion.get("model")
        said = table(choice.get("message")) or {"content": choice.get("text")}  # the older completions have text
        message = ChatMessage("assistant", _said(said))
        return ReplyContent(
            message=message,
            content=message.parts,
            stop_reason=text_in(reason),
            model=text_in(model),
            raw=completion,
        )


def _first(completion: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choice with the lowest index."""
    choices = objects(completion.get("choices"))
    places = [each.get("index") for each in choices]
    lowest = min((place for place in places if type(place) is int), default=None)
    return next((choice for choice, place in zip(choices, places, strict=True) if place == lowest), dict[str, Any]())


def _said(message: Mapping[str, Any]) -> list[Part]:
    """Return the parts of a message of the assistant: reasoning, content, refusal, audio, calls."""
    found: list[Part] = []
    told = {name: message[name] for name in _REASONING if message.get(name)}
    if told:
        text = next((each for each in told.values() if isinstance(each, str)), "")
        found.append(ThinkingPart(text, extra={} if list(told) == [_REASONING[0]] else {NAME: told}))
    content = message.get("content")
    if said := text_in(content):
        found.append(TextPart(said))
    found += [_content(each) for each in objects(content)]
    if refusal := text_in(message.get("refusal")):
        found.append(OtherPart({"type": "refusal", "refusal": refusal}))
    if isinstance(message.get("audio"), dict):
        found.append(OtherPart({**message["audio"], "type": "audio"}))
    return found + [_call(each) for each in objects(message.get("tool_calls"))]


def _call(call: Mapping[str, Any]) -> Part:
    function = table(call.get("function"))
    more = {name: value for name, value in call.items() if name not in {"function", "id", "index", "type"}}
    kind = call.get("type") or "function"
    if kind == "function":
        part = call_of(call.get("id"), function.get("name"), function.get("arguments"), {NAME: more} if more else {})
        if part is not None:
            return part
    return OtherPart({**call, "type": kind})


def message_of(document: Mapping[str, Any]) -> ChatMessage:
    """Return the message that `document` is: a message or a completion of the API, or `ChatMessage.to_dict`.

    Raises ConfigurationError for anything else.
    """
    if "choices" in document:
        document = {"role": "assistant", **table(_first(document).get("message"))}
    role, content = document.get("role"), document.get("content")
    if role == "tool":
        return _result(document.get("tool_call_id"), content)
    if role == "assistant" and (_NATIVE & document.keys() or content is None):
        return ChatMessage("assistant", _said(document))
    named: Any = "system" if role == "developer" else role
    blocks = objects(content)
    if isinstance(content, list) and len(blocks) == len(cast("Sequence[Any]", content)):
        return ChatMessage(named, [_content(block) for block in blocks])
    return ChatMessage.from_dict({**document, "role": named})


def _result(id: Any, content: Any) -> ChatMessage:
    if not isinstance(id, str) or not id:
        raise refused("tool_call_id", "must be the id of a tool call")
    return ChatMessage.tool_result(id, content if isinstance(content, str) else tuple(map(_content, objects(content))))


def _content(block: Mapping[str, Any]) -> Part:
    if block.get("type") == "image_url":
        try:
            image = table(block.get("image_url"))
            if not image.keys() - {"url"}:
                return image_at(image.get("url"))
        except (TypeError, ValueError):
            pass
    return part_of(block)
