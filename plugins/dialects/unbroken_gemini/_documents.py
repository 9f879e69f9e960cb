"""The JSON of a chunk, read without trust in its types."""

from collections.abc import Sequence
from typing import Any, Final, cast

from unbroken.error_bodies import as_object
from unbroken.error_report import reports_error
from unbroken.errors import StreamError
from unbroken.messages import Event

DONE: Final = b"[DONE]"
"""The mark with which some proxies end a stream, as OpenAI does. The API itself has none."""
# The value 0 of an enum in protobuf, which a server that writes defaults sends for "not yet".
_UNSPECIFIED: Final = "_UNSPECIFIED"


def documents(event: Event) -> list[dict[str, Any]]:
    """Return the JSON objects of an event: its data, or those in a list. Raises StreamError for data that is no JSON.

    Without ``alt=sse`` the API sends a list of chunks; a proxy may put one into an event.
    """
    value = event.json()
    return objects_in(value) if isinstance(value, list) else [as_object(value)]


def documents_in(body: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects of a body, none if it is no JSON."""
    try:
        return documents(Event("", body))
    except StreamError:
        return []


def failing(found: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the first object that reports a failure, None if none does.

    Any ``error`` that is not empty is one, alone or inside a chunk. What has candidates is otherwise a chunk.
    """
    return next((each for each in found if each.get("error") or (not candidates(each) and reports_error(each))), None)


def candidates(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the candidates of a chunk."""
    return objects_in(document.get("candidates"))


def parts(candidate: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a candidate's content."""
    return objects_in(as_object(candidate.get("content")).get("parts"))


def block_reason(document: dict[str, Any]) -> str | None:
    """Return why the prompt was blocked, None if it was not."""
    return reason(as_object(document.get("promptFeedback")).get("blockReason"))


def reason(value: object) -> str | None:
    """Return the name of an enum that says why something ended, None for one that says nothing.

    Servers that write enums as numbers send those.
    """
    if type(value) is int:
        return str(value) if 0 < value < 1000 else None
    return value if isinstance(value, str) and value and not value.endswith(_UNSPECIFIED) else None


def index_of(candidate: dict[str, Any]) -> int:
    """Return the index of a candidate, 0 without one: protobuf leaves out a zero."""
    index = candidate.get("index")
    if isinstance(index, str) and index.isascii() and index.isdecimal() and len(index) < 10:
        return int(index)
    return index if type(index) is int else 0


def text_of(part: dict[str, Any]) -> str | None:
    """Return the text of a part that the model says, None if it has none or is a thought."""
    text = part.get("text")
    return text if isinstance(text, str) and not part.get("thought") else None


def objects_in(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list, none if `value` is not a list."""
    return [as_object(each) for each in _list(value) if isinstance(each, dict)]


def is_done(raw: bytes) -> bool:
    """Return whether this is the mark `DONE`, which is no JSON of the API."""
    return raw.strip() == DONE


def is_cut(raw: bytes) -> bool:
    """Return whether data that is no JSON begins like it. Any other text is some form of keep-alive."""
    return raw.lstrip()[:1] in (b"{", b"[")


def _list(value: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()
