"""The operations Converse and ConverseStream of Amazon Bedrock."""

import base64
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from . import _frames as frames
from ._bedrock import Bedrock
from ._conversation import Exchange, Speech, object_of, parts_of, pieces_of
from ._fields import compact
from ._formats import Format, binary
from ._requests import ReceivedRequest

_FRAMES: Final = binary("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":')


class Converse(Bedrock):
    """``POST /model/{model}/converse-stream`` and ``/converse``."""

    operations: ClassVar[tuple[str, str]] = ("converse-stream", "converse")

    def format_of(self, request: ReceivedRequest) -> Format:
        """Return the format of binary frames."""
        return _FRAMES

    def stream(self, exchange: Exchange) -> tuple[bytes, ...] | None:
        """Return the frames from ``messageStart`` to ``metadata``. Only the first is preamble; text has no start."""
        if not self.streams(exchange.request):
            return None
        reply = exchange.reply
        blocks = (event for index, block in enumerate(_blocks(reply)) for event in _events(index, *block))
        return (
            frames.event("messageStart", {"role": "assistant"}),
            b"",
            b"",
            *blocks,
            frames.event("messageStop", {"stopReason": reply.stop_reason}),
            frames.event("metadata", _counted(reply)),
        )

    def message(self, exchange: Exchange) -> bytes:
        """Return a complete answer."""
        reply = exchange.reply
        message = {"role": "assistant", "content": [whole for whole, _, _ in _blocks(reply)]}
        return compact({"output": {"message": message}, "stopReason": reply.stop_reason, **_counted(reply)})


def _blocks(reply: Speech) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None, list[dict[str, Any]]]]:
    """Yield each block of `reply`: whole, as it starts in a stream if it does, and its deltas."""
    if reply.thinking:
        signature = base64.b64encode(reply.id.encode()).decode()
        deltas = [{"text": piece} for piece in pieces_of(reply.thinking)] + [{"signature": signature}]
        whole = {"reasoningContent": {"reasoningText": {"text": reply.thinking, "signature": signature}}}
        yield whole, None, [{"reasoningContent": delta} for delta in deltas]
    if reply.says_text:
        yield {"text": reply.text}, None, [{"text": piece} for piece in pieces_of(reply.text)]
    for number, tool in enumerate(reply.tools):
        call = {"toolUseId": reply.item_id(number, "tooluse_"), "name": tool.name}
        parts = [{"toolUse": {"input": part}} for part in parts_of(tool)]
        yield {"toolUse": {**call, "input": object_of(tool)}}, {"toolUse": call}, parts


def _events(
    index: int, whole: dict[str, Any], start: dict[str, Any] | None, deltas: list[dict[str, Any]]
) -> Iterator[bytes]:
    at = {"contentBlockIndex": index}
    if start is not None:
        yield frames.event("contentBlockStart", {**at, "start": start})
    for delta in deltas:
        yield frames.event("contentBlockDelta", {**at, "delta": delta})
    yield frames.event("contentBlockStop", at)


def _counted(reply: Speech) -> dict[str, Any]:
    total = reply.input_tokens + reply.output_tokens
    usage = {"inputTokens": reply.input_tokens, "outputTokens": reply.output_tokens, "totalTokens": total}
    return {"usage": usage, "metrics": {"latencyMs": 1_000}}
