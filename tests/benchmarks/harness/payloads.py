"""The answers that are replayed, and the text that must arrive."""

import json
import zlib
from typing import Any

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
OPENING = 3
"""A held stream has sent so many events, the last of them with text."""


def word(number: int) -> str:
    return f"word {number} "


def _named(type: str, **fields: Any) -> bytes:
    return f"event: {type}\ndata: {_json({'type': type, **fields})}\n\n".encode()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def anthropic(count: int) -> list[bytes]:
    """Return the `count` events of an answer of the Messages API."""
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 12, "output_tokens": 1}}
    deltas = [
        _named("content_block_delta", index=0, delta={"type": "text_delta", "text": word(number)})
        for number in range(count - 5)
    ]
    return [
        _named("message_start", message=message),
        _named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *deltas,
        _named("content_block_stop", index=0),
        _named(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"output_tokens": max(count - 5, 1)},
        ),
        _named("message_stop"),
    ]


def openai(count: int) -> list[bytes]:
    """Return the `count` events of an answer of Chat Completions."""

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        fields = {"id": "chatcmpl-9lMgfRSWPHcw51s6wxKT1YEO2CKpd", "object": "chat.completion.chunk"}
        fields |= {"created": 1721075653, "model": "gpt-4o-mini-2024-07-18", "system_fingerprint": "fp_8b761cb050"}
        return f"data: {_json({**fields, 'choices': [choice]})}\n\n".encode()

    deltas = [chunk({"content": word(number)}) for number in range(count - 3)]
    return [chunk({"role": "assistant", "content": ""}), *deltas, chunk({}, "stop"), b"data: [DONE]\n\n"]


APIS = {"anthropic": anthropic, "openai": openai}


def writes(events: list[bytes], per_write: int) -> list[bytes]:
    """Return what is written: each event is an HTTP chunk of its own, `per_write` of them go together."""
    chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    pieces = [b"".join(chunks[start : start + per_write]) for start in range(0, len(chunks), per_write)]
    pieces[0] = HEAD + pieces[0]
    pieces[-1] += END
    return pieces


def proof(text: str) -> list[int]:
    """Return length and checksum of a text."""
    return [len(text), zlib.crc32(text.encode())]


def expected(api: str, count: int) -> list[int]:
    """Return the proof of the text of an answer of `count` events."""
    return proof(text_of("sse", [b"".join(APIS[api](count))]))


def text_of(kind: str, pieces: list[Any]) -> str:
    """Return the text in what a contestant has collected. This is done after its time has been taken.

    `kind`: ``http`` the bytes of the connection, ``sse`` those of the body, ``data`` those of each event, ``text``.
    """
    if kind == "http":
        pieces = [_body(b"".join(pieces))]
    if kind in ("http", "sse"):
        lines = b"".join(pieces).split(b"\n")
        pieces = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]
    return "".join(pieces if kind == "text" else map(_piece, pieces))


def _body(data: bytes) -> bytes:
    rest = data.partition(b"\r\n\r\n")[2]
    body = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return b"".join(body)


def _piece(data: bytes) -> str:
    if data == b"[DONE]":
        return ""
    found = json.loads(data)
    delta = found["choices"][0]["delta"] if "choices" in found else found.get("delta", {})
    return str(delta.get("content") or delta.get("text") or "")
