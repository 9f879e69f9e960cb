"""What a literal reader finds in the events of a stream: the rules of the APIs, with nothing but the `json` module."""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

HALF = re.compile("[\ud800-\udfff]")


@lru_cache(64)
def loaded(raw: bytes) -> Any:
    """Return the JSON of `raw`, None if it is none. Bytes and halves of surrogates that mean nothing are U+FFFD."""

    def refuse(_: str) -> None:
        raise ValueError

    try:
        return _whole(json.loads(raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"), parse_constant=refuse))
    except (ValueError, RecursionError):
        return None


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return HALF.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_whole(name): _whole(each) for name, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list) else value


def obj(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def texts(content: Any, field: str = "text") -> str:
    """Return what the blocks in `content` say that are named like their `field`."""
    blocks = [obj(block) for block in content] if isinstance(content, list) else []
    said = [block.get(field) for block in blocks if block.get("type") == field]
    return "".join(text for text in said if isinstance(text, str))


# Messages.


def kind(name: str, document: dict[str, Any]) -> str:
    """Return the type of an event of Messages: its name, or without one what its data says."""
    if name != "message":
        return name
    said = document.get("type", "content_block_delta" if "delta" in document else "")
    return said if isinstance(said, str) else ""


def message_text(name: str, raw: bytes, field: str) -> str:
    """Return the text, or the thinking, in one event of Messages."""
    document = obj(loaded(raw))
    match kind(name, document):
        case "content_block_start":
            return texts([document.get("content_block")], field)
        case "message_start":
            return texts(obj(document.get("message")).get("content"), field)
        case "content_block_delta":
            delta = obj(document.get("delta"))
            return texts([{**delta, "type": field}], field) if delta.get("type") == f"{field}_delta" else ""
    return ""


def message_texts(events: Iterable[tuple[str, bytes]], field: str = "text") -> list[str]:
    """Return the text of each event of a stream. Of a message that starts more than once the first text counts."""
    found: list[str] = []
    begun = False
    for name, raw in events:
        starts, text = kind(name, obj(loaded(raw))) == "message_start", message_text(name, raw, field)
        found.append("" if starts and begun else text)
        begun = begun or (starts and bool(text))
    return found


# Chat Completions.


def inner(raw: bytes) -> dict[str, Any]:
    """Return the object of `raw`, or the first of a list."""
    value = loaded(raw)
    return obj(value[0] if isinstance(value, list) and value else value)


def chunk_texts(name: str, raw: bytes) -> list[tuple[int, str]] | None:
    """Return index and text of each choice of a chunk, None for what is no chunk by its name or is a ping."""
    if name.startswith("response.") or name in {"ping", "error"}:
        return None
    document = inner(raw)
    if str(document.get("type")).startswith("response."):
        return None
    choices = document.get("choices")
    return [_choice(each) for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []


def _choice(choice: dict[str, Any]) -> tuple[int, str]:
    delta, said, index = choice.get("delta"), choice.get("text"), choice.get("index")
    content = obj(delta if isinstance(delta, dict) else choice.get("message")).get("content")
    content = content if isinstance(content, str) else texts(content)
    number = int(index) if isinstance(index, str) and index in {"0", "429"} else index
    return number if type(number) is int else 0, content or (said if isinstance(said, str) else "")


# Responses.

Part = tuple[Any, Any]
"""An item, by its id or its place, and the number of a part in it."""
ODD: Part = (None, None)


def response_texts(events: Iterable[tuple[str, bytes]]) -> list[tuple[bool, str]]:
    """Return of each event whether its text is certainly new, and that text.

    A delta always is. A text that repeats what deltas said is new if the item and the part have not been seen in any
    form; where an item has no id or an odd one, nothing is certain.
    """
    found: list[tuple[bool, str]] = []
    seen: set[Part] = set()
    for name, raw in events:
        document = inner(raw)
        said = name if name.startswith("response.") or name in {"ping", "error"} else document.get("type")
        parts = [(keys, text) for keys, text in _parts(said, document) if text]
        keys = {key for keys, _ in parts for key in keys}
        new = not seen or not (keys & seen or ODD in keys | seen)
        found.append((new or said == "response.output_text.delta", "".join(text for _, text in parts)))
        seen |= keys
    return found


def _parts(said: Any, document: dict[str, Any]) -> list[tuple[list[Part], str]]:
    item, place, number = (document.get(name) for name in ("item_id", "output_index", "content_index"))
    match said:
        case "response.output_text.delta":
            return [(_keys(item, place, number), _string(document.get("delta")))]
        case "response.output_text.done":
            return [(_keys(item, place, number), _string(document.get("text")))]
        case "response.content_part.added" | "response.content_part.done":
            return [(_keys(item, place, number), _part(document.get("part")))]
        case "response.output_item.added" | "response.output_item.done":
            return _item(document.get("item"), place)
        case "response.completed" | "response.incomplete" | "response.done":
            output = obj(document.get("response")).get("output")
            items = enumerate(output) if isinstance(output, list) else ()
            return [part for place, item in items for part in _item(item, place)]
    return []


def _item(value: Any, place: Any) -> list[tuple[list[Part], str]]:
    item = obj(value)
    content = item.get("content") if item.get("type", "message") == "message" else []
    parts = enumerate(content) if isinstance(content, list) else ()
    return [(_keys(item.get("id"), place, number), _part(part)) for number, part in parts]


def _keys(item: Any, place: Any, number: Any) -> list[Part]:
    number = number if type(number) is int else 0
    odd = not isinstance(item, str) or type(place) is not int
    return [ODD] if odd else [(item, number), (place, number)]


def _part(value: Any) -> str:
    part = obj(value)
    return _string(part.get("text")) if part.get("type") in ("output_text", "text") else ""


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
