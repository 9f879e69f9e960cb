"""The text in the choices of a chunk."""

from typing import Any, Final

import msgspec

from unbroken.error_bodies import as_object

from ._choices import Choices, as_list, index_of, objects_of


class _Said(msgspec.Struct, gc=False):
    content: str | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Said | None = None
    index: int | None = 0
    text: str | None = None
    message: None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice]
    type: None = None


decode_plain: Final = msgspec.json.Decoder(_Chunk).decode
"""Decodes a chunk of the ordinary form, in a third of the time that all of it takes, and raises for any other data."""


def text_of(document: dict[str, Any], choices: Choices) -> str | None:
    """Return the text of a chunk: of its only choice, or of the one with the lowest index if there are several."""
    objects = objects_of(document.get("choices"))
    if not objects:
        return None
    lowest = choices.lowest if choices.several else min(map(index_of, objects))
    pieces = [text_of_choice(choice) for choice in objects if index_of(choice) == lowest]
    said = [piece for piece in pieces if piece is not None]
    return "".join(said) if said else None


def text_of_choice(choice: dict[str, Any]) -> str | None:
    """Return the text in one choice of a chunk, None if it has none."""
    delta = choice.get("delta")
    # A chunk may repeat the whole message so far beside its delta.
    said = as_object(delta if isinstance(delta, dict) else choice.get("message"))
    content, text = _text(said.get("content")), choice.get("text")
    return text if not content and isinstance(text, str) else content


def _text(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    parts = map(as_object, as_list(content))
    texts = [part.get("text") for part in parts if part.get("type") == "text"]
    said = [text for text in texts if isinstance(text, str)]
    return "".join(said) if said else None
