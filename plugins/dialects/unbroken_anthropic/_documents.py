"""The JSON of an event, and the text that it has."""

from collections.abc import Sequence
from typing import Any, Final, cast

from unbroken.error_bodies import as_object
from unbroken.errors import StreamError
from unbroken.messages import Event

UNNAMED: Final = "message"
"""What an event without a name is called (WHATWG HTML §9.2.6)."""


def data_of(event: Event) -> Any:
    """Return the JSON of `event`, None for a keep-alive.

    Nothing, ``{}`` and null are keep-alives under any name. Without a name, so is anything that is no object: text such
    as ``keepalive``, a time, a list. Raises StreamError for other data that is not JSON.
    """
    raw = event.raw
    if not raw or raw.isspace():
        return None
    unnamed = event.type == UNNAMED
    try:
        value: Any = event.json()
    except StreamError:
        if unnamed and not raw.lstrip().startswith(b"{"):
            return None
        raise
    if isinstance(value, dict):
        return cast("dict[str, Any]", value) or None
    return None if unnamed else value


def text_in(event: Event) -> str | None:
    """Return the text of a delta, of the block that starts, or of the blocks that a message starts with."""
    document = as_object(data_of(event))
    kind = document.get("type", "content_block_delta") if event.type == UNNAMED else event.type
    if kind == "content_block_start":
        return text_blocks([document.get("content_block")]) or None
    if kind == "message_start":
        return text_blocks(as_object(document.get("message")).get("content")) or None
    delta = as_object(document.get("delta")) if kind == "content_block_delta" else {}
    text = delta.get("text")
    return text if delta.get("type") == "text_delta" and isinstance(text, str) else None


def text_blocks(content: Any) -> str:
    """Return the text of the text blocks in `content`."""
    listed = cast("Sequence[Any]", content) if isinstance(content, list) else ()
    blocks = [as_object(block) for block in listed]
    texts = (block.get("text") for block in blocks if block.get("type") == "text")
    return "".join(text for text in texts if isinstance(text, str))


def described(value: Any) -> str:
    """Say what `value` is in JSON."""
    return NAMES[type(value)]


def unfit(event: Event, fault: str) -> StreamError:
    """Return the error for an event of which the data is not what its type has."""
    return StreamError(f"the data of event {event.type!r} does not fit: {fault}", request_id=event.request_id or None)


NAMES: Final[dict[Any, str]] = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
"""What the classes of decoded JSON are called in JSON."""
