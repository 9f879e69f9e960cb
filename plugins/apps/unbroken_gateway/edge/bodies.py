"""Read the JSON body of a request in bounded time and memory.

A body of 32 MiB can have 16 million values, which fill a gigabyte when they are decoded. So its structure is measured
first, without decoding, in pieces that each take less than a millisecond, and lists and objects in it stay as they are
written: the gateway reads nothing in them, and they are sent on byte for byte.
"""

import asyncio
from codecs import getincrementaldecoder
from itertools import accumulate, compress
from typing import Any, Final

import msgspec

from ..replies import errors
from ..replies.errors import Refused
from .estimate import input_tokens

MAX_DEPTH: Final = 64
MAX_VALUES: Final = 1_000_000
"""Of a body, with those in its lists and objects: one per comma and bracket."""
MAX_FIELDS: Final = 256
"""Of the object that the body is."""
MAX_DECODED: Final = 64 * 1024
"""Longer texts stay as they are written, as lists and objects do."""
IN_THREAD: Final = 256 * 1024
"""Larger bodies are read in a thread."""

_PIECE: Final = 32 * 1024
_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b'"[]{},'))
_STEPS: Final = bytes(
    {ord(c): s % 256 for c, s in zip("[{]}", (1, 1, -1, -1), strict=True)}.get(i, 0) for i in range(256)
)
_COMMAS: Final = bytes(i == ord(",") for i in range(256))
_SHALLOW: Final = bytes(range(MAX_DEPTH + 1))
_CONTAINERS: Final = (b"[", b"{")
_decode: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


async def read_body(body: bytes, characters_per_token: float) -> tuple[dict[str, Any], int]:
    """Return `parse_body` of the body and an estimate of its tokens.

    A large one is read in a thread, so that the event loop goes on meanwhile.
    """

    def read() -> tuple[dict[str, Any], int]:
        return parse_body(body), input_tokens(body, characters_per_token)

    return read() if len(body) <= IN_THREAD else await asyncio.to_thread(read)


def parse_body(body: bytes) -> dict[str, Any]:
    """Return the fields of the JSON object that `body` is.

    Lists and objects, and texts of more than `MAX_DECODED` bytes, are `msgspec.Raw`: `encode_body` writes them as they
    came. Raises Refused with 400 for anything but one object in UTF-8 with at most `MAX_FIELDS`
    fields, none of them twice, `MAX_VALUES` values, and `MAX_DEPTH` objects and lists within each other.
    """
    try:
        fields = _measure(body)
        found = _decode(body)
        values = {name: _value(raw) for name, raw in found.items()}
    except (ValueError, RecursionError):  # which would keep a part of the body as their context
        fields, values = 0, None
    if values is None:
        raise _invalid("The body is not a valid JSON object in UTF-8.")
    if values and len(values) != fields:
        raise _invalid("The body has a field twice.")
    return values


def encode_body(body: dict[str, Any]) -> bytes:
    """Return the JSON of fields that `parse_body` returned, with the model first, where policies find it quickly."""
    return msgspec.json.encode({"model": body["model"], **body} if "model" in body else body)


def _value(raw: msgspec.Raw) -> Any:
    text = memoryview(raw)
    if bytes(text[:1]) in _CONTAINERS or len(text) > MAX_DECODED:
        return raw
    return msgspec.json.decode(raw)


def _measure(body: bytes) -> int:
    """Return the number of fields of the object that `body` is, if it is valid JSON. Raises Refused over a limit.

    Each piece is reduced to its brackets and commas outside of texts. If the body is not valid JSON, the number means
    nothing, and decoding fails. Raises UnicodeDecodeError for invalid UTF-8.
    """
    depth, values, commas, rest, in_text = 0, 0, 0, b"", False
    check = None if body.isascii() else getincrementaldecoder("utf-8")().decode  # the values that stay are not decoded
    for start in range(0, len(body), _PIECE):
        piece, rest = rest + (read := body[start : start + _PIECE]), b""
        if check is not None:
            check(read, start + _PIECE >= len(body))
        if (
            b"\\" in piece
        ):  # stands only in texts: a pair is one of the text, and one left at the end escapes what follows
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
            if piece.endswith(b"\\"):
                piece, rest = piece[:-1], b"\\"
        parts = piece.translate(None, _NOT_STRUCTURE).split(b'"')
        structure = b"".join(parts[in_text::2])
        in_text ^= len(parts) % 2 == 0
        values += len(structure)
        if values > MAX_VALUES:
            raise _invalid("The body has too many values.")
        depth, at_top = _walk(structure, depth)
        commas += at_top
    if commas >= MAX_FIELDS:
        raise _invalid("The body has too many fields.")
    return commas + 1


def _walk(structure: bytes, depth: int) -> tuple[int, int]:
    """Return the depth after `structure`, and how many of its commas are between the fields of the outermost object."""
    steps = memoryview(structure.translate(_STEPS)).cast("b")
    try:
        depths = bytes(accumulate(steps, initial=depth))
    except ValueError:  # below 0 or over 255
        depths = b"\xff"
    if depths.translate(None, _SHALLOW):
        raise _invalid("The body is nested too deep, or not valid JSON.")
    return depths[-1], bytes(compress(depths[1:], structure.translate(_COMMAS))).count(1)


def _invalid(text: str) -> Refused:
    return Refused(errors.invalid_request(text))
