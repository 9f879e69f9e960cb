"""Data that no server should send, made from what one has sent."""

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ..error_bodies import as_list, as_object

GARBAGE: Final = (
    b"\x00\xff\xfe\n\n",
    b"\n",
    b"data\n\n",
    b"data: \n\n",
    b"data: {\n\n",
    b"data: null\n\n",
    b"data: [1]\n\n",
    b'event: error\ndata: "x"\n\n',
    b"event: \xff\ndata: {}\n\n",
    b"{}\n",
    b"[[]]\r\n",
    b"null\n",
    b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x00\x00\x00\x00",
    b"\xff" * 16,
)
"""Bytes between two events, in the shape of different framings."""

# Numbers and half surrogates that msgspec does not encode, hence the encoder of the standard library.
VALUES: Final[tuple[Any, ...]] = (None, True, 0, -1.5, 10**30, "", "x\ud7ff", [], [None], [{}], {}, {"": None})
"""One value of each type of JSON, and some more."""

RAW: Final = (
    *(json.dumps(value).encode() for value in VALUES),
    b"1" * 5000,
    b"1e999",
    b"",
    b"{",
    b"[DONE]",
    b"\xff\xfe",
    b'"\\ud800"',
    b'{"a": 1, "a": 2}',
    b"[" * 20_000,
    b'{"error":' * 2_000 + b"1" + b"}" * 2_000,
)
"""Data that is nothing of the API."""


def variants(raw: bytes) -> Iterator[bytes]:
    """Yield `raw`, if it is JSON, with each of its values replaced by every type of JSON, and left out."""
    try:
        document = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return
    for path in _paths(document, ()):
        for value in VALUES:
            yield json.dumps(_replaced(document, path, value)).encode()
        if path:
            yield json.dumps(_replaced(document, path, msgspec.UNSET)).encode()


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    for key in _keys(value):
        yield from _paths(value[key], (*path, key))


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(as_object(value))
    return list(range(len(as_list(value)))) if isinstance(value, list) else []


def _replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = document.copy()
    if len(path) == 1 and value is msgspec.UNSET:
        del changed[path[0]]
    else:
        changed[path[0]] = _replaced(document[path[0]], path[1:], value)
    return changed
