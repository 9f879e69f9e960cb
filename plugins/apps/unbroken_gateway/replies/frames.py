"""The wire form of a stream. A frame is the text of one event with the blank line at its end.

The decoders of the official SDKs decide it: a comment has one newline, as openai-python takes a blank line after a
comment or a ``retry:`` of its own for an event without data, and fails. For the same reason what an upstream sends to
keep a connection alive, a comment or an event that is no JSON object, is not passed on: the gateway sends its own.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

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


def frames(events: Iterable[Event], form: Form) -> list[bytes]:
    """Return the frame of each of `events` that has one: the text that clients of `form` expect.

    An event that none of their SDKs could read has none. Chat Completions has no ``event:`` lines. The others have one,
    also if the upstream left it out. Ids of the upstream are not passed on. One join of the frames is one send.
    """
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
