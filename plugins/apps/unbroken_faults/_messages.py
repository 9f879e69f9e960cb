"""The Anthropic Messages API.

According to the vendor's page *streaming messages* as of 2026.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from ._anthropic import PING, Anthropic, twin_of
from ._conversation import Speech, as_json, parts_of, pieces_of
from ._fault import Fault
from ._fields import sse
from ._requests import ReceivedRequest


class Messages(Anthropic):
    """``POST /v1/messages``."""

    path: ClassVar[str] = "/v1/messages"

    def stream(self, request: ReceivedRequest, reply: Speech, now: float) -> tuple[bytes, ...]:
        """Return the events from ``message_start`` to ``message_stop``."""
        start = _message(reply, content=[], stop_reason=None, output_tokens=1)
        delta = {"stop_reason": reply.stop_reason, "stop_sequence": None}
        usage = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
        first, *rest = (event for index, block in enumerate(_blocks(reply)) for event in _block(index, *block))
        return (
            _event("message_start", message=start),
            first,
            PING,
            *rest,
            _event("message_delta", delta=delta, usage=usage),
            _event("message_stop"),
        )

    def message(self, reply: Speech, now: float) -> bytes:
        """Return a complete message."""
        content = [whole for whole, _, _ in _blocks(reply)]
        said = _message(reply, content=content, stop_reason=reply.stop_reason, output_tokens=reply.output_tokens)
        return as_json(said)

    def error_event(self, reply: Speech, fault: Fault, sent: Sequence[bytes], now: float) -> bytes:
        """Return an ``error`` event."""
        return sse("error", self.error_body(reply, fault, twin_of(fault.error) or 500))


def _blocks(reply: Speech) -> Iterator[tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]:
    """Yield each block of `reply`: whole, as it starts in a stream, and its deltas."""
    if reply.thinking:
        signature = base64.b64encode(reply.id.encode()).decode()
        pieces = [{"type": "thinking_delta", "thinking": piece} for piece in pieces_of(reply.thinking)]
        deltas = [*pieces, {"type": "signature_delta", "signature": signature}]
        block = {"type": "thinking", "thinking": reply.thinking, "signature": signature}
        yield block, {**block, "thinking": "", "signature": ""}, deltas
    if reply.says_text:
        block = {"type": "text", "text": reply.text}
        yield block, {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces_of(reply.text)]
    for number, tool in enumerate(reply.tools):
        call: dict[str, Any] = {"type": "tool_use", "id": reply.item_id(number, "toolu_01"), "name": tool.name}
        parts = [{"type": "input_json_delta", "partial_json": part} for part in ("", *parts_of(tool))]
        yield {**call, "input": _object(tool.input)}, {**call, "input": {}}, parts


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _block(index: int, whole: dict[str, Any], start: dict[str, Any], deltas: list[dict[str, Any]]) -> Iterator[bytes]:
    yield _event("content_block_start", index=index, content_block=start)
    for delta in deltas:
        yield _event("content_block_delta", index=index, delta=delta)
    yield _event("content_block_stop", index=index)


def _message(reply: Speech, *, content: list[Any], stop_reason: str | None, output_tokens: int) -> dict[str, Any]:
    return {
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
        },
    }


def _event(type: str, **fields: Any) -> bytes:
    return sse(type, {"type": type, **fields})
