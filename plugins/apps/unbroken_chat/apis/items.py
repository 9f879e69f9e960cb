"""Reads responses and items of the Responses API."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from attrs import define, field

from unbroken import Event
from unbroken.validators import refused
from unbroken_openai import ResponseBuilder

from ..api import Reading, ReplyContent
from ..messages import ChatMessage
from ..parts import OtherPart, Part, TextPart, ThinkingPart, part_of
from .openai import call_of, image_at, kind_of, objects, text_in

NAME: Final = "responses"
_OF_USER: Final = "_output"
_CALL: Final = frozenset({"arguments", "call_id", "name", "type"})
_MESSAGE: Final = frozenset({"content", "role", "type"})


@define(eq=False)
class ResponseReading(Reading):
    """Reads the events of one attempt."""

    _builder: ResponseBuilder = field(factory=ResponseBuilder, init=False)

    def add(self, event: Event) -> Event:
        """Add an event and return it."""
        self._builder.add(event)
        self.ended = self._builder.stopped
        return event

    def snapshot(self) -> dict[str, Any]:
        """Return the response so far."""
        return self._builder.snapshot()

    def answer(self) -> ReplyContent:
        """Return the response."""
        response = self._builder.response()
        output = objects(response.get("output"))
        return ReplyContent(
            message=ChatMessage("assistant", parts_of(output)),
            content=tuple(output),
            stop_reason=_reason(response),
            model=text_in(response.get("model")),
            raw=response,
        )


def _reason(response: Mapping[str, Any]) -> str | None:
    """Return why the response ended: the reason of an incomplete one, otherwise its status."""
    details: Any = response.get("incomplete_details")
    reason = text_in(cast("dict[str, Any]", details).get("reason")) if isinstance(details, dict) else None
    return reason or text_in(response.get("status"))


def parts_of(output: Sequence[Mapping[str, Any]]) -> list[Part]:
    """Return the parts of the items of an output. What a class does not hold is in its `extra`, so nothing is lost."""
    return [part for item in output for part in _parts(item)]


def _parts(item: Mapping[str, Any]) -> list[Part]:
    kind = kind_of(item)
    content = objects(item.get("content"))
    if kind == "message" and content and len(content) == len(item["content"]):
        about = {name: value for name, value in item.items() if name not in _MESSAGE}
        return [_content(about, each) for each in content]
    if kind == "function_call":
        more = {name: value for name, value in item.items() if name not in _CALL}
        call = call_of(item.get("call_id"), item.get("name"), item.get("arguments"), {NAME: more} if more else {})
        return [OtherPart(item) if call is None else call]
    if kind == "reasoning":
        return [ThinkingPart(_thought(item), extra={NAME: item})]
    return [OtherPart(item)]


def _content(item: dict[str, Any], content: Mapping[str, Any]) -> Part:
    """Return a part of a message of the model, with what the API said about the message."""
    text = content.get("text")
    if kind_of(content) != "output_text" or not isinstance(text, str):
        return OtherPart({**content, "extra": {NAME: {"item": item}}})
    more = {name: value for name, value in content.items() if name not in {"type", "text"} and value}
    about = {name: value for name, value in (("item", item), ("part", more)) if value}
    return TextPart(text, extra={NAME: about} if about else {})


def _thought(item: Mapping[str, Any]) -> str:
    told = objects(item.get("summary")) or objects(item.get("content"))
    return "\n\n".join(text for each in told if (text := text_in(each.get("text"))))


def message_of(document: Mapping[str, Any]) -> ChatMessage:
    """Return the message that `document` is: a response or an item of the API, or `ChatMessage.to_dict`.

    Raises ConfigurationError for anything else.
    """
    if "output" in document and "role" not in document and not kind_of(document).endswith(_OF_USER):
        return ChatMessage("assistant", parts_of(objects(document["output"])))
    kind = kind_of(document)
    if kind == "function_call_output":
        return _result(document)
    if kind and kind != "message":
        return ChatMessage("user" if kind.endswith(_OF_USER) else "assistant", _parts(document))
    role, content = document.get("role"), document.get("content")
    named: Any = "system" if role == "developer" else role
    blocks = objects(content)
    if role == "assistant" and blocks and all(_is_output(block) for block in blocks):
        return ChatMessage("assistant", _parts({**document, "type": "message"}))
    if isinstance(content, list) and len(blocks) == len(cast("Sequence[Any]", content)):
        return ChatMessage(named, [_asked(block) for block in blocks])
    return ChatMessage.from_dict({**document, "role": named})


def _is_output(block: Mapping[str, Any]) -> bool:
    """Return whether a part of a message is one of the API; those of `ChatMessage.to_dict` have their ``extra``."""
    return kind_of(block) in {"output_text", "refusal"} and "extra" not in block


def _result(item: Mapping[str, Any]) -> ChatMessage:
    id, output = item.get("call_id"), item.get("output")
    if not isinstance(id, str) or not id:
        raise refused("call_id", "must be the id of a tool call")
    return ChatMessage.tool_result(id, output if isinstance(output, str) else tuple(map(_asked, objects(output))))


def _asked(block: Mapping[str, Any]) -> Part:
    kind, text = kind_of(block), block.get("text")
    if kind == "input_text" and isinstance(text, str) and len(block) == 2:
        return TextPart(text)
    if kind == "input_image" and block.get("detail", "auto") == "auto" and not block.keys() - _IMAGE:
        try:
            return image_at(block.get("image_url"))
        except (TypeError, ValueError):
            pass
    return part_of(block)


_IMAGE: Final = frozenset({"type", "image_url", "detail"})
