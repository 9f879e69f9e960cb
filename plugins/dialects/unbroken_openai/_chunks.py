"""The meaning of the chunks of Chat Completions, under any event name."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from unbroken.dialect import CONTENT, KEEPALIVE, STRUCTURE, USAGE, Kind
from unbroken.error_bodies import as_object
from unbroken.errors import StreamError
from unbroken.messages import Event

from ._choices import Choices, as_list
from ._silence import is_at_work
from ._usage import counts_of

DONE: Final = b"[DONE]"
_CONTENT_USAGE: Final = CONTENT | USAGE
_KEEPALIVE_USAGE: Final = KEEPALIVE | USAGE
_STRUCTURE_USAGE: Final = STRUCTURE | USAGE


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    text: str | None = None
    index: int | None = 0
    finish_reason: Literal["", None] = None
    error: None = None
    usage: None = None


class _Chunk(msgspec.Struct, gc=False):
    """A chunk that says nothing about errors and the end."""

    choices: list[_Choice]
    object: str | None = None
    type: None = None
    error: None = None
    usage: Any = None
    x_groq: None = None


# Faster than searching the bytes for the deciding names, and never misled by names inside a text.
_decode = msgspec.json.Decoder(_Chunk).decode


def is_done(raw: bytes) -> bool:
    """Return whether this is the ``[DONE]`` at the end, which is no JSON."""
    return raw.strip() == DONE


def plain_kind(event: Event, choices: Choices) -> Kind | None:
    """Return the kind of a chunk of the ordinary form that is not the first; None for any other data."""
    try:
        chunk = _decode(event.raw)
    except (ValueError, RecursionError):
        return None
    if len(chunk.choices) != 1 or chunk.object == "error":
        return None
    choice = chunk.choices[0]
    index = choice.index or 0
    if index not in choices.seen and not choices.see(index):
        return None
    delta = choice.delta
    if delta is None:
        said: Any = choice.text
    else:
        said = delta.content or delta.reasoning_content or delta.tool_calls or delta.reasoning
    if said:
        choices.quiet = delta is not None and (not delta.content or bool(delta.tool_calls))
        return _CONTENT_USAGE if chunk.usage and isinstance(chunk.usage, dict) else CONTENT
    if chunk.usage is not None:
        return None
    try:
        return CONTENT if _say_something(event["choices"], choices) else KEEPALIVE
    except StreamError:  # it has a number that is too large for a float
        return KEEPALIVE


def kind_of(document: dict[str, Any], choices: Choices) -> Kind:
    """Return the kind of a JSON object that reports no failure, and take note of its choices.

    What has no choices is a keep-alive in some form.
    """
    counted = bool(counts_of(document))
    given = as_list(document.get("choices"))
    choices.add(given)
    if _say_something(given, choices):
        return _CONTENT_USAGE if counted else CONTENT
    if not counted:
        return KEEPALIVE
    return _KEEPALIVE_USAGE if given else _STRUCTURE_USAGE


def _say_something(given: Sequence[Any], choices: Choices) -> bool:
    """Return whether any choice has more than a role, and note what the model does by the last that has."""
    speaking = [choice for choice in given if says_something(choice)]
    if speaking:
        choices.quiet = is_at_work(speaking[-1])
    return bool(speaking)


def says_something(value: Any) -> bool:
    """Return whether a choice has more than a role: a finish reason, text or anything else that the model says."""
    if not isinstance(value, dict):
        return bool(value)
    choice = as_object(value)
    if choice.get("finish_reason") or choice.get("text"):
        return True
    return any(map(_is_content, (choice.get("delta"), choice.get("message"))))


def _is_content(said: Any) -> bool:
    if not isinstance(said, dict):
        return bool(said)
    fields = as_object(said).items()
    return any(value and not _is_blank(value) for name, value in fields if name != "role")


def _is_blank(value: Any) -> bool:
    """Return whether this is a list of parts that are all empty texts."""
    if not isinstance(value, list):
        return False
    parts = map(as_object, as_list(value))
    return all(part.get("type") == "text" and not part.get("text") for part in parts)
