"""The wire form of a stream. A frame is the text of one event with the blank line at its end.

The decoders of the official SDKs decide it: a comment has one newline, as openai-python takes a blank line after a
comment or a ``retry:`` of its own for an event without data, and fails. For the same reason what an upstream sends to
keep a connection alive, a comment or an event that is no JSON object, is not passed on: the gateway sends its own.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, cast

import msgspec

from unbroken.messages import Event

Form = Literal["messages", "chat", "responses"]
"""The API that a client speaks: Messages, Chat Completions or Responses."""

KEEPALIVE: Final = b": keepalive\n"
"""Stands between frames, and before the first."""

_UNNAMED: Final = "message"
_MOST_NAMES: Final = 256
_BREAK: Final = re.compile(r"[\r\n]")
_LINES: Final = re.compile(rb"\r\n|\r|\n")
_EMPTY: Final = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_OBJECT: Final = ord("{")
# The line of each type, such as b"event: ping\n": a frame is made for each event of each stream.
_HEADS: Final[dict[str, bytes]] = {}


class _Named(msgspec.Struct, gc=False):
    type: str = ""


class _Chunk(msgspec.Struct, gc=False):
    choices: list[Any] | None = None
    usage: dict[str, Any] | None = None


_decode_named = msgspec.json.Decoder(_Named).decode
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


def frame(event: Event, form: Form) -> bytes:
    """Return `event` as the text that clients of `form` expect; empty if it is not theirs to see.

    Chat Completions has no ``event:`` lines. The others have one, also if the upstream left it out. Ids of the
    upstream are not passed on.
    """
    raw = event.raw
    if not raw or raw[0] != _OBJECT or b"\n" in raw or b"\r" in raw:
        raw = _unusual(raw, form)
        if not raw:
            return b""
    if form == "chat":
        return b"data: %b\n\n" % raw
    return b"%bdata: %b\n\n" % (_head(event, raw), raw)


def frames(events: Iterable[Event], form: Form) -> list[bytes]:
    """Return the frames of `events`; one join of them is one send."""
    return [text for event in events if (text := frame(event, form))]


def numbered(text: bytes, stream: str, number: int) -> bytes:
    """Return the frame with the id of a resumable stream, ``<stream>.<number>``."""
    return b"id: %b.%d\n%b" % (stream.encode(), number, text)


def with_retry(text: bytes, seconds: float) -> bytes:
    """Return the first frame of a stream with the time after which an EventSource is to connect again."""
    return b"retry: %d\n%b" % (round(seconds * 1000), text)


def wants_usage(body: Mapping[str, Any]) -> bool:
    """Return whether a Chat Completions request asks for the chunk with the usage, by ``stream_options``."""
    return options_of(body).get("include_usage") is True


def asking_for_usage(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the body of a Chat Completions request that asks for the usage; other options stay."""
    return {**body, "stream_options": {**options_of(body), "include_usage": True}}


def options_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``stream_options``, empty if it is no object."""
    value = body.get("stream_options")
    if isinstance(value, msgspec.Raw):
        value = msgspec.json.decode(value)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def is_usage(event: Event) -> bool:
    """Return whether this is the extra chunk that ``include_usage`` adds: no choices, and a usage."""
    if _EMPTY.search(event.raw) is None:
        return False
    try:
        chunk = _decode_chunk(event.raw)
    except (ValueError, RecursionError):
        return False
    return chunk.choices == [] and chunk.usage is not None


def without_usage(events: Iterable[Event]) -> list[Event]:
    """Return `events` without that chunk, for a client that did not ask for it."""
    return [event for event in events if not is_usage(event)]


def _unusual(raw: bytes, form: Form) -> bytes:
    """Return the data of an event that does not begin with ``{`` or has several lines, empty if no SDK can read it."""
    text = raw.strip()
    if text.startswith(b"{"):
        return _LINES.sub(b"\ndata: ", raw)
    return text if text == b"[DONE]" and form != "messages" else b""


def _head(event: Event, raw: bytes) -> bytes:
    name = event.type
    if name == _UNNAMED:
        try:
            name = _decode_named(raw).type
        except (ValueError, RecursionError):
            name = ""
    return _HEADS.get(name) or _learned(name)


def _learned(name: str) -> bytes:
    head = b"event: %b\n" % _BREAK.sub(" ", name).encode() if name else b""
    if len(_HEADS) < _MOST_NAMES and len(name) < _MOST_NAMES:
        _HEADS[name] = head
    return head
