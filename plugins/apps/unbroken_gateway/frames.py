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
_LF, _CR = b"\n\r"  # as ints, which are found faster
# The lines of the names that were sent, such as b"event: ping\n": a frame is made for each event of each stream.
_HEADS: Final[dict[str, bytes]] = {}
_NO_HEADS: Final = {_UNNAMED: b""}


class _Named(msgspec.Struct, gc=False):
    type: str = ""


class _Chunk(msgspec.Struct, gc=False):
    choices: list[Any] | None = None
    usage: dict[str, Any] | None = None


_decode_named = msgspec.json.Decoder(_Named).decode
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


def frame(event: Event, form: Form) -> bytes:
    """Return `event` as the text that clients of `form` expect; empty if none of their SDKs could read it.

    Chat Completions has no ``event:`` lines. The others have one, also if the upstream left it out. Ids of the
    upstream are not passed on.
    """
    return b"".join(frames((event,), form))


def frames(events: Iterable[Event], form: Form) -> list[bytes]:
    """Return the frame of each of `events` that has one. One join of them is one send."""
    heads: Mapping[str, bytes] = _NO_HEADS if form == "chat" else _HEADS
    made: list[bytes] = []
    for event in events:
        raw, head = event.raw, heads.get(event.type)
        if head is None or raw[:1] != b"{" or _LF in raw or _CR in raw:
            raw = _data(raw, form)
            head = b"" if form == "chat" else _head(event)
        if raw:
            made.append(b"%bdata: %b\n\n" % (head, raw))
    return made


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


def _data(raw: bytes, form: Form) -> bytes:
    """Return the value of ``data:`` for an event of any kind, empty if no SDK can read it."""
    text = raw.strip()
    if text.startswith(b"{"):
        return _LINES.sub(b"\ndata: ", raw)
    return text if text == b"[DONE]" and form != "messages" else b""


def _head(event: Event) -> bytes:
    name = event.type
    if name == _UNNAMED:
        try:
            name = _decode_named(event.raw).type
        except (ValueError, RecursionError):
            name = ""
        return _line(name)
    head = _line(name)
    if len(_HEADS) < _MOST_NAMES and len(name) < _MOST_NAMES:
        _HEADS[name] = head
    return head


def _line(name: str) -> bytes:
    return b"event: %b\n" % _BREAK.sub(" ", name).encode() if name else b""
