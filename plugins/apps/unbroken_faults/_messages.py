"""The Anthropic Messages API.

According to the vendor's page *streaming messages* as of 2026.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from ._anthropic import Anthropic, twin_of
from ._conversation import Exchange, Speech, object_of, parts_of, pieces_of, wants_stream
from ._fields import compact, sse
from ._formats import SSE


class Messages(Anthropic):
    """``POST /v1/messages``."""

    path: ClassVar[str] = "/v1/messages"

    def stream(self, exchange: Exchange) -> tuple[bytes, ...] | None:
        """Return the events from ``message_start`` to ``message_stop``."""
        if not wants_stream(exchange.request):
            return None
        start, first, *rest = (sse(event["type"], event) for event in events_of(exchange.reply))
        return (start, first, SSE.ping, *rest)

    def message(self, exchange: Exchange) -> bytes:
        """Return a complete message."""
        return compact(message_of(exchange.reply))

    def error_event(self, exchange: Exchange, sent: Sequence[bytes]) -> bytes:
        """Return an ``error`` event."""
        return sse("error", self.error_body(exchange, twin_of(exchange.fault.error) or 500))


def events_of(reply: Speech) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream, without its ``ping``."""
    yield {"type": "message_start", "message": _message(reply, content=[], stop_reason=None, output_tokens=1)}
    for index, block in enumerate(_blocks(reply)):
        yield from _block(index, *block)
    delta = {"stop_reason": reply.stop_reason, "stop_sequence": None}
    usage = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
    yield {"type": "message_delta", "delta": delta, "usage": usage}
    yield {"type": "message_stop"}


def message_of(reply: Speech) -> dict[str, Any]:
    """Return the complete message."""
    content = [whole for whole, _, _ in _blocks(reply)]
    return _message(reply, content=content, stop_reason=reply.stop_reason, output_tokens=reply.output_tokens)


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
        yield {**call, "input": object_of(tool)}, {**call, "input": {}}, parts


def _block(
    index: int, whole: dict[str, Any], start: dict[str, Any], deltas: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


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
