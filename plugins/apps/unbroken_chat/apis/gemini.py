"""The Gemini API (https://ai.google.dev/api/generate-content)."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, final
from urllib.parse import quote
from uuid import uuid4

from attrs import define, field, frozen

from unbroken import Event, StreamError, TruncatedStreamError
from unbroken.dialect import Dialect
from unbroken.registry import resolve_dialect
from unbroken.validators import refused

from ..api import Api, Conversation, Reading, ReplyContent
from ..messages import ChatMessage
from ..parts import ImagePart, OtherPart, Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from ..turns import answered, calls_in, check_pairs, turns_of, unsendable
from .openai import function_of, kind_of, objects, table, text_in

NAME: Final = "gemini"
_TEXT_ALONE: Final = frozenset({"text", "thought"})


@final
@frozen
class GeminiApi(Api):
    """The Gemini API of Google: ``streamGenerateContent``. Needs the dialect ``gemini``.

    The URL names the model, so in proxy mode the endpoint does.
    """

    name: ClassVar[str] = NAME
    title: ClassVar[str] = "the Gemini API"
    base_url: ClassVar[str] = "https://generativelanguage.googleapis.com/v1beta"
    key: ClassVar[str] = "GEMINI_API_KEY"
    key_header: ClassVar[str] = "x-goog-api-key"
    key_scheme: ClassVar[str] = ""
    nested: ClassVar[frozenset[str]] = frozenset({"generationConfig"})
    fields: ClassVar[frozenset[str]] = frozenset(
        {"cachedContent", "contents", "generationConfig", "safetySettings", "systemInstruction", "toolConfig"}
    )

    def dialect(self) -> Dialect:
        """Return the dialect of its streams. Raises ConfigurationError if it is not installed."""
        return resolve_dialect(NAME)

    def url(self, base_url: str, body: Mapping[str, Any]) -> str:
        """Return the address of the model below `base_url`. Raises ConfigurationError if there is no model."""
        model = text_in(body.get("model"))
        if model is None:
            raise refused("model", "must be given: the URL names it")
        name = quote(model.removeprefix("models/"), safe="")
        return f"{base_url.rstrip('/')}/models/{name}:streamGenerateContent?alt=sse"

    def setting_names(self) -> Mapping[str, str]:
        """Return the names that the API gives to the settings."""
        return {
            "max_tokens": "maxOutputTokens",
            "temperature": "temperature",
            "top_p": "topP",
            "stop_sequences": "stopSequences",
        }

    def contained(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return settings in ``generationConfig``."""
        return {"generationConfig": fields} if fields else {}

    def body(self, conversation: Conversation) -> dict[str, Any]:
        """Return the contents, the system prompt as ``systemInstruction``, the tools and the limit."""
        turns = turns_of(conversation)
        check_pairs(turns, self.title)
        calls = calls_in(turns)
        contents = [
            {
                "role": "model" if turn.role == "assistant" else "user",
                "parts": [_written(number, part, turn.role, calls) for number, part in turn.parts],
            }
            for turn in turns
        ]
        body: dict[str, Any] = {"contents": contents}
        if conversation.system:
            body["systemInstruction"] = {"parts": [{"text": conversation.system}]}
        tools = _tools(conversation.tool_list())
        return {**body, **({"tools": tools} if tools else {}), **self.limit(conversation)}

    def message_of(self, document: Mapping[str, Any]) -> ChatMessage:
        """Return the message that a dict is: an answer or a content of the API, or `ChatMessage.to_dict`."""
        given = table(next(iter(objects(document.get("candidates"))), dict[str, Any]()).get("content")) or document
        if "parts" not in given:
            return ChatMessage.from_dict(document)
        role: Any = "assistant" if given.get("role") == "model" else given.get("role")
        return ChatMessage(role, [_read(part) for part in objects(given["parts"])])

    def sent(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return `body` as it is sent: the URL has the model and asks for a stream."""
        return {name: value for name, value in body.items() if name not in {"model", "stream"}}

    def reading(self, request: Mapping[str, Any]) -> Reading:
        """Return what reads the events of one attempt at `request`."""
        return _Reading()


def _tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the tools: functions in the format of another API are declared together."""
    declared: list[dict[str, Any]] = []
    own: list[dict[str, Any]] = []
    for number, tool in enumerate(tools):
        function = function_of(tool, number)
        if function is None and kind_of(tool) == "function":
            function = dict(table(tool.get("function"))) or dict(tool)
        if function is None:
            own.append(dict(tool))
            continue
        said: dict[str, Any] = {name: it for name, it in function.items() if name in {"name", "description"}}
        schema = function.get("parameters")
        declared.append(said if schema is None else {**said, "parametersJsonSchema": schema})
    return [*([{"functionDeclarations": declared}] if declared else []), *own]


def _written(number: int, part: Part, role: str, calls: Mapping[str, ToolCallPart]) -> dict[str, Any]:
    own = table(table(getattr(part, "extra", None)).get(NAME))
    of_model = role == "assistant"
    if isinstance(part, TextPart):
        return {**own, "text": part.text}
    if isinstance(part, ImagePart) and not of_model:
        return _image(part)
    if isinstance(part, ToolCallPart) and of_model:
        call = {**table(own.get("functionCall")), "name": part.name, "args": dict(part.arguments)}
        return {**own, "functionCall": call}
    if isinstance(part, ToolResultPart) and not of_model:
        return _result(number, part, answered(number, part, calls))
    if isinstance(part, ThinkingPart) and of_model and own:
        return dict(own)
    if isinstance(part, OtherPart) and kind_of(part.block) == NAME:
        return dict(table(part.block.get("part")))
    raise unsendable(number, part, role, GeminiApi.title)


def _image(image: ImagePart) -> dict[str, Any]:
    if image.data is None:
        return {"fileData": {"fileUri": image.url}}
    return {"inlineData": {"mimeType": image.media_type, "data": base64.b64encode(image.data).decode()}}


def _result(number: int, result: ToolResultPart, call: ToolCallPart) -> dict[str, Any]:
    """Return the response of a function: its text under ``output`` or ``error``, images beside it."""
    parts = [TextPart(result.content)] if isinstance(result.content, str) else result.content
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    images = [_image(part) for part in parts if isinstance(part, ImagePart)]
    if len(texts) + len(images) < len(parts):
        raise refused(f"message {number}", f"has more than text and images in the result of {call.id!r}")
    known = table(table(call.extra.get(NAME)).get("functionCall"))
    response: dict[str, Any] = {**known, "name": call.name}
    response["response"] = {"error" if result.is_error else "output": "\n".join(texts)}
    return {"functionResponse": {**response, **({"parts": images} if images else {})}}


@define(eq=False)
class _Reading(Reading):
    _parts: list[dict[str, Any]] = field(factory=list[dict[str, Any]], init=False)
    _texts: list[str] = field(factory=list[str], init=False)
    """The pieces of the last part, if it is text."""
    _told: dict[str, Any] = field(factory=dict[str, Any], init=False)
    _reason: str | None = field(default=None, init=False)

    def add(self, event: Event) -> Event:
        try:
            document = table(event.json())
        except StreamError:
            return event  # the dialect knows whether it is a keep-alive or a failure
        self._told |= {name: value for name, value in document.items() if name != "candidates"}
        blocked = text_in(table(document.get("promptFeedback")).get("blockReason"))
        self._reason = blocked or self._reason
        for candidate in objects(document.get("candidates")):
            if candidate.get("index", 0) in (0, None):
                self._reason = text_in(candidate.get("finishReason")) or self._reason
                for part in objects(table(candidate.get("content")).get("parts")):
                    self._add(part)
        return event

    def _add(self, part: dict[str, Any]) -> None:
        """Add a part. A text that goes on is joined at the end; a signature belongs to the part that it came with."""
        text = part.get("text")
        is_text = isinstance(text, str) and part.keys() <= _TEXT_ALONE
        if not (is_text and self._texts and self._parts[-1].get("thought") == part.get("thought")):
            self._close()
            self._parts.append(dict(part))
        if is_text:
            self._texts.append(str(text))

    def _close(self) -> None:
        if self._texts:
            self._parts[-1]["text"] = "".join(self._texts)
        self._texts = []

    def snapshot(self) -> dict[str, Any]:
        pieces = list(self._texts)
        self._close()
        self._texts = ["".join(pieces)] if pieces else []
        content = {"role": "model", "parts": [dict(part) for part in self._parts]}
        return {**self._told, "candidates": [{"index": 0, "content": content, "finishReason": self._reason}]}

    def answer(self) -> ReplyContent:
        if self._reason is None:
            raise TruncatedStreamError("the answer is not complete: there was no finishReason")
        raw = self.snapshot()
        message = ChatMessage("assistant", [_read(part) for part in self._parts])
        model = text_in(self._told.get("modelVersion"))
        return ReplyContent(message=message, content=message.parts, stop_reason=self._reason, model=model, raw=raw)


def _read(part: dict[str, Any]) -> Part:
    """Return a part of an answer; its signature is in the `extra`."""
    text, call = part.get("text"), table(part.get("functionCall"))
    if isinstance(text, str) and part.get("thought"):
        return ThinkingPart(text, extra={NAME: part})
    if isinstance(text, str) and part.keys() <= {"text", "thoughtSignature"}:
        more = {name: value for name, value in part.items() if name != "text"}
        return TextPart(text, extra={NAME: more} if more else {})
    name = text_in(call.get("name"))
    args: Any = call.get("args")
    if name is None or not isinstance(args, dict | None):
        return OtherPart({"type": NAME, "part": part})
    id = text_in(call.get("id"))
    more = {name: value for name, value in part.items() if name != "functionCall"}
    extra = {**more, **({"functionCall": {"id": id}} if id else {})}
    return ToolCallPart(id or f"call_{uuid4().hex}", name, table(args), extra={NAME: extra} if extra else {})
