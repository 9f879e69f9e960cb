"""One choice of a completion while its pieces arrive."""

from collections.abc import Iterator
from typing import Any, Final, cast

from attrs import define, field

from unbroken.error_bodies import as_object

from ._calls import CalledTool, Calls
from ._choices import as_list
from ._merging import Fields
from ._text import text_of_choice

_CUT_OFF: Final = frozenset({"length", "content_filter"})
FUNCTION_CALL: Final = "function_call"
_TOLD: Final = frozenset({"delta", "finish_reason", "index", "message", "text", "logprobs"})


@define(eq=False, repr=False)
class Content:
    """The content of a message: text, or a list of parts as soon as one piece is a list."""

    _pieces: list[str | list[Any]] = field(factory=list[str | list[Any]], init=False)
    _is_list: bool = field(default=False, init=False)

    def add(self, piece: Any) -> None:
        """Take a piece in. What is neither text nor a list says nothing."""
        if isinstance(piece, str):
            self._pieces.append(piece)
        elif isinstance(piece, list):
            self._is_list = True
            self._pieces.append([*as_list(piece)])

    def value(self) -> str | list[Any] | None:
        """Return the text; or the parts, of which texts that follow each other are one; None before any came."""
        if not self._pieces:
            return None
        if not self._is_list:
            return "".join(cast("list[str]", self._pieces))
        parts: list[Any] = []
        for piece in self._pieces:
            given = [{"type": "text", "text": piece}] if isinstance(piece, str) and piece else piece
            parts += given if isinstance(given, list) else ()
        return _joined(parts)


def _joined(parts: list[Any]) -> list[Any]:
    """Return `parts` with what is of one text, or of one piece of thinking, in one part."""
    made: list[Any] = []
    pieces: list[Any] = []
    for part in [*parts, None]:
        kind = _kind(part)
        if pieces and (kind is None or kind != _kind(pieces[0])):
            made.append(_one(pieces))
            pieces = []
        if kind is not None:
            pieces.append(part)
        else:
            made.append(part)
    return made[:-1]


def _kind(part: Any) -> str | None:
    """Return the type of a part that continues the one before; None for all others, which stay as they came."""
    known = as_object(part)
    if set(known) == {"type", "text"} and known["type"] == "text" and isinstance(known["text"], str):
        return "text"
    if set(known) == {"type", "thinking"} and known["type"] == "thinking" and isinstance(known["thinking"], list):
        return "thinking"
    return None


def _one(parts: list[dict[str, Any]]) -> dict[str, Any]:
    if len(parts) == 1:
        return parts[0]
    if parts[0]["type"] == "text":
        return {"type": "text", "text": "".join(part["text"] for part in parts)}
    return {"type": "thinking", "thinking": _joined([each for part in parts for each in part["thinking"]])}


@define(eq=False, repr=False)
class ChoiceInProgress:
    """What the chunks have said of one choice."""

    index: int
    finish_reason: str | None = field(default=None, init=False)
    texts: list[str] = field(factory=list[str], init=False)
    """The pieces of its text, as `OpenAI.text` finds them."""
    _content: Content = field(factory=Content, init=False)
    _calls: Calls = field(factory=Calls, init=False)
    _function: CalledTool = field(factory=lambda: CalledTool("arguments"), init=False)
    _message: Fields = field(factory=Fields, init=False)
    _logprobs: Fields = field(factory=Fields, init=False)
    _images: list[Any] = field(factory=list[Any], init=False)
    _rest: dict[str, Any] = field(factory=dict[str, Any], init=False)
    _has: set[str] = field(factory=set[str], init=False)
    """The parts of the choice that came, and not as null."""

    def add(self, choice: dict[str, Any]) -> None:
        """Take in a choice of a chunk."""
        text = text_of_choice(choice)
        if text is not None:
            self.texts.append(text)
        delta, reason = choice.get("delta"), choice.get("finish_reason")
        name = "delta" if isinstance(delta, dict) else "message"
        if isinstance(choice.get(name), dict):
            self._has.add("message")
            self._add_delta(as_object(choice[name]))
        if isinstance(choice.get("text"), str):
            self._has.add("text")
        if isinstance(reason, str) and reason:
            self.finish_reason = reason
        if isinstance(choice.get("logprobs"), dict):
            self._has.add("logprobs")
            self._logprobs.add(as_object(choice["logprobs"]))
        for name, value in choice.items():
            if name not in _TOLD and (value is not None or name not in self._rest):
                self._rest[name] = value

    def go_on(self, delta: dict[str, Any]) -> None:
        """Take in one more delta of a choice that has nothing else. Its content, if it has any, is text."""
        content = delta.get("content")
        if content is not None:
            self.texts.append(content)
        self._add_delta(delta)

    @property
    def faults(self) -> Iterator[str]:
        """What is wrong with the arguments of tool calls that were not cut off."""
        if self.finish_reason in _CUT_OFF:
            return
        yield from self._calls.faults()
        fault = self._function.arguments.fault
        if fault is not None:
            yield f"the arguments of the function call are {fault}"

    def value(self, index: int) -> dict[str, Any]:
        """Return the choice so far."""
        made: dict[str, Any] = {"index": index}
        if "message" in self._has or "text" not in self._has:
            made["message"] = self._said()
        else:
            made["text"] = "".join(self.texts)
        made["logprobs"] = self._logprobs.value() if "logprobs" in self._has else None
        return {**made, "finish_reason": self.finish_reason, **self._rest}

    def _add_delta(self, delta: dict[str, Any]) -> None:
        for name, value in delta.items():
            if name == "content":
                self._content.add(value)
            elif name == "tool_calls":
                if value:
                    self._has.add(name)
                    self._calls.add(value)
            elif name == FUNCTION_CALL and isinstance(value, dict):
                self._has.add(name)
                self._function.add(as_object(value))
            elif name == "images" and isinstance(value, list):
                self._has.add(name)
                self._images += as_list(value)
            else:
                self._message.add_field(name, value)

    def _said(self) -> dict[str, Any]:
        """Return the message so far."""
        made = self._message.value()
        content = self._content.value()
        if "text" in self._has and not isinstance(content, list):  # text that stands beside the message
            content = "".join(self.texts)
        made = {**made, "role": made.get("role") or "assistant", "content": content}
        if "tool_calls" in self._has:
            made["tool_calls"] = self._calls.value()
        if FUNCTION_CALL in self._has:
            made[FUNCTION_CALL] = self._function.value()
        if "images" in self._has:
            made["images"] = [*self._images]
        return made
