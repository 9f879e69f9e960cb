"""The meaning of the chunks of Chat Completions, which are events without a name."""

from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from unbroken.dialect import CONTENT, ERROR, PREAMBLE, TERMINAL, USAGE, Kind
from unbroken.error_bodies import as_object
from unbroken.error_report import reports_error
from unbroken.errors import StreamError
from unbroken.messages import Event

from ._responses import KINDS, TEXT_DELTA

DONE: Final = b"[DONE]"
_CONTENT_USAGE: Final = CONTENT | USAGE
_PREAMBLE_USAGE: Final = PREAMBLE | USAGE


class _Said(msgspec.Struct, gc=False):
    content: str | None = None


class _Answer(msgspec.Struct, gc=False):
    delta: _Said
    index: int = 0


class _Answers(msgspec.Struct, gc=False):
    choices: list[_Answer]
    type: None = None


class _TextDelta(msgspec.Struct, gc=False):
    delta: str


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice]
    type: Any = None
    error: Any = None
    usage: Any = None


# Faster than searching the bytes for the three deciding names, and never misled by names inside a text.
_decode = msgspec.json.Decoder(_Chunk).decode
_decode_answers = msgspec.json.Decoder(_Answers).decode
_decode_text_delta = msgspec.json.Decoder(_TextDelta).decode


def kind_of(event: Event) -> Kind:
    """Return the kind of an unnamed event, by its data. Never raises: invalid JSON counts as content."""
    try:
        chunk = _decode(event.raw)
    except (ValueError, RecursionError):
        return _kind_by_data(event)
    if chunk.error is None and chunk.usage is None and chunk.type is None:
        for choice in chunk.choices:
            delta = choice.delta
            if delta.content or delta.reasoning_content or delta.tool_calls or delta.reasoning:
                return CONTENT
    return _kind_by_data(event)


def text_of(event: Event) -> str | None:
    """Return the text of an event that is unnamed or a `TEXT_DELTA`. Raises StreamError without JSON."""
    raw = event.raw
    try:
        if not raw.isascii():
            raw.decode()  # a decoder does not look into the texts that it skips
        if event.type == TEXT_DELTA:
            return _decode_text_delta(raw).delta
        for answer in _decode_answers(raw).choices:
            if answer.index == 0:
                return answer.delta.content
    except (ValueError, RecursionError):
        return _text_by_data(event)
    return None


def is_done(event: Event) -> bool:
    """Whether this is the ``[DONE]`` at the end, which is no JSON."""
    return event.raw.strip() == DONE


def _text_by_data(event: Event) -> str | None:
    if is_done(event):
        return None
    document = as_object(event.json())
    if event.type == TEXT_DELTA or document.get("type") == TEXT_DELTA:
        return _text(document.get("delta"))
    for choice in map(as_object, _choices(document) or ()):
        if choice.get("index", 0) == 0:
            return _text(as_object(choice.get("delta")).get("content"))
    return None


def _kind_by_data(event: Event) -> Kind:
    if is_done(event):
        return TERMINAL
    try:
        document = as_object(event.json())
    except StreamError:
        return CONTENT
    kind = document.get("type")
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind]
    # As in the vendor's SDK: any `error` that is not null or empty, an object or a text, alone or inside a chunk.
    if reports_error(document):
        return ERROR
    counted = isinstance(document.get("usage"), dict)
    if _is_preamble(document):
        return _PREAMBLE_USAGE if counted else PREAMBLE
    return _CONTENT_USAGE if counted else CONTENT


def _is_preamble(document: dict[str, Any]) -> bool:
    """Return whether this is a chunk without content: it has no choices, or none with more than a role."""
    choices = _choices(document)
    return choices is not None and not any(map(_says_something, choices))


def _says_something(choice: Any) -> bool:
    delta = as_object(choice).get("delta")
    if not isinstance(delta, dict) or choice.get("finish_reason"):
        return True
    return any(value for name, value in as_object(delta).items() if name != "role")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _choices(document: dict[str, Any]) -> Sequence[Any] | None:
    choices: Any = document.get("choices")
    return cast("Sequence[Any]", choices) if isinstance(choices, list) else None
