"""Cases as data: streams of the Messages API, written in short forms, and what a consumer must see of them.

A piece of a body is the name of an event in `EVENTS`, ``{"text": …}`` (a delta of block 0), ``{type: fields}`` (an
event with its name), ``{"event": name, "data": …}`` and ``{"data": …}`` (JSON, or text as it is), ``{"raw": text}``,
``{"bytes": text}`` (each character a byte), a
number (a pause in seconds) or ``{"times": n, "of": [pieces]}``.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unbroken.testing import Answer, sse

CASES = Path(__file__).parent / "cases"
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": []}
MESSAGE |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 10, "output_tokens": 1}}
EVENTS: dict[str, dict[str, Any]] = {
    "start": {"message_start": {"message": MESSAGE}},
    "block": {"content_block_start": {"index": 0, "content_block": {"type": "text", "text": ""}}},
    "stop": {"content_block_stop": {"index": 0}},
    "ended": {
        "message_delta": {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 5}}
    },
    "end": {"message_stop": {}},
    "overloaded": {"error": {"error": {"type": "overloaded_error", "message": "no luck"}}},
}


def cases(*names: str) -> dict[str, dict[str, Any]]:
    """Return the cases of these files by their ids."""
    return {case["id"]: case for name in names for case in json.loads((CASES / f"{name}.json").read_text("utf-8"))}


def answers(case: dict[str, Any], size: int | None) -> list[Answer]:
    """Return the answers of a case: what no pause interrupts is one chunk, or chunks of `size` bytes."""
    return [Answer(body=list(_chunks(body, size))) for body in case["answers"]]


def _chunks(body: list[Any], size: int | None) -> Iterator[bytes | float]:
    for waits, items in itertools.groupby(_items(body), key=lambda item: isinstance(item, float)):
        if waits:
            yield from items
            continue
        whole = b"".join(items)  # type: ignore[arg-type]
        yield from (whole[at : at + (size or len(whole))] for at in range(0, len(whole), size or len(whole)))


def _items(pieces: list[Any]) -> Iterator[bytes | float]:
    for piece in pieces:
        if isinstance(piece, int | float):
            yield float(piece)
        elif "times" in piece:
            yield from list(_items(piece["of"])) * piece["times"]
        else:
            yield _event(EVENTS[piece] if isinstance(piece, str) else piece)


def _event(piece: dict[str, Any]) -> bytes:
    if "bytes" in piece:
        return piece["bytes"].encode("latin-1")
    if "raw" in piece:
        return piece["raw"].encode()
    if "data" in piece:
        return sse((piece.get("event", ""), piece["data"]))
    if "text" in piece:
        piece = {"content_block_delta": {"index": 0, "delta": {"type": "text_delta", **piece}}}
    ((kind, fields),) = piece.items()
    return sse((kind, {"type": kind, **fields}))


def holds(part: Any, whole: Any) -> bool:
    """Return whether `whole` has all that `part` says: objects by their fields, lists item by item."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and holds(value, whole[name]) for name, value in part.items())
    if isinstance(part, list) and isinstance(whole, list | tuple):
        return len(part) == len(whole) and all(map(holds, part, whole))
    return bool(part == whole)
