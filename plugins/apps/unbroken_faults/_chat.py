"""The OpenAI Chat Completions API.

According to the vendor's page *streaming responses* as of 2026.
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final, cast

from ._conversation import Exchange, Speech, body_of, parts_of, pieces_of, wants_stream
from ._fields import compact
from ._formats import SSE
from ._openai import OpenAI, reasoning_tokens
from ._requests import ReceivedRequest

_DONE: Final = b"data: [DONE]\n\n"


class ChatCompletions(OpenAI):
    """``POST /v1/chat/completions``."""

    path: ClassVar[str] = "/chat/completions"
    id_prefix: ClassVar[str] = "chatcmpl-"
    stop_reason: ClassVar[str] = "stop"
    tools_reason: ClassVar[str] = "tool_calls"
    not_json: ClassVar[bytes] = b'data: {"object": "chat.completion.chunk", \n\n'

    def stream(self, exchange: Exchange) -> tuple[bytes, ...] | None:
        """Return the chunks up to ``[DONE]``, with usage if ``stream_options.include_usage`` is set.

        A comment before and after the chunk with the role makes text the fourth piece, as in the Messages API.
        """
        if not wants_stream(exchange.request):
            return None
        reply = exchange.reply
        counted = _wants_usage(exchange.request)
        head = _head(reply, "chat.completion.chunk", exchange.now)
        usage: dict[str, Any] = {"usage": None} if counted else {}

        def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
            return _event(compact({**head, "choices": [choice], **usage}))

        return (
            SSE.comment,
            chunk({"role": "assistant", "content": "", "refusal": None}),
            SSE.comment,
            *map(chunk, _deltas(reply)),
            chunk({}, reply.stop_reason),
            *([_event(compact({**head, "choices": [], "usage": _usage(reply)}))] if counted else []),
            _DONE,
        )

    def message(self, exchange: Exchange) -> bytes:
        """Return a complete ``chat.completion``."""
        reply = exchange.reply
        text = reply.text if reply.says_text else None
        said: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if reply.thinking:
            said["reasoning_content"] = reply.thinking
        if reply.tools:
            said["tool_calls"] = [_call(reply, number, tool.input) for number, tool in enumerate(reply.tools)]
        choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": reply.stop_reason}
        return compact({**_head(reply, "chat.completion", exchange.now), "choices": [choice], "usage": _usage(reply)})

    def error_event(self, exchange: Exchange, sent: Sequence[bytes]) -> bytes:
        """Return an event without a name whose data is an error object."""
        return _event(self.error_body(exchange, 500))


def _deltas(reply: Speech) -> Iterator[dict[str, Any]]:
    """Yield the deltas: reasoning (a field that servers of open models have), text, calls of tools."""
    yield from ({"reasoning_content": piece} for piece in pieces_of(reply.thinking))
    yield from ({"content": piece} for piece in pieces_of(reply.text))
    for number, tool in enumerate(reply.tools):
        yield {"tool_calls": [{"index": number, **_call(reply, number, "")}]}
        yield from ({"tool_calls": [{"index": number, "function": {"arguments": part}}]} for part in parts_of(tool))


def _call(reply: Speech, number: int, arguments: str) -> dict[str, Any]:
    function = {"name": reply.tools[number].name, "arguments": arguments}
    return {"id": reply.item_id(number, "call_"), "type": "function", "function": function}


def _wants_usage(request: ReceivedRequest) -> bool:
    options: Any = body_of(request).get("stream_options")
    return isinstance(options, dict) and cast("dict[str, Any]", options).get("include_usage") is True


def _head(reply: Speech, object: str, now: float) -> dict[str, Any]:
    return {
        "id": reply.id,
        "object": object,
        "created": int(now),
        "model": reply.model,
        "system_fingerprint": "fp_unbroken",
    }


def _usage(reply: Speech) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens(reply)},
    }


def _event(data: bytes) -> bytes:
    return b"data: %b\n\n" % data
