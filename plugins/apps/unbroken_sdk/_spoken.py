"""Text as the APIs speak it: the smallest answers that the SDKs read as whole."""

from typing import Any, Final

import msgspec

from unbroken import Event
from unbroken.framing import Framing
from unbroken.framings import SSE
from unbroken.testing import sse

from ._auto import dialect_called

_ID: Final = "scripted_0"
_COUNTED: Final = {"input_tokens": 1, "output_tokens": 1}


def spoken(dialect: str, path: str, text: str, *, model: str, streams: bool) -> bytes | None:
    """Return the body of a whole answer that says `text`, None for an API that is not known here."""
    path = path.rstrip("/")
    if dialect == "anthropic" and (path.endswith("/messages") or "/publishers/anthropic/" in path):
        return _messages(text, model, SSE, streams=streams)
    if dialect == "openai" and path.endswith("/chat/completions"):
        return _chat(text, model, streams=streams)
    if dialect == "openai" and path.endswith("/responses"):
        return _responses(text, model, streams=streams)
    if dialect == "gemini" and path.lower().endswith("generatecontent"):
        return _contents(text, path, streams=streams)
    if dialect == "ollama" and path.endswith(("/chat", "/generate")):
        return _lines(text, model, path, streams=streams)
    if dialect == "bedrock":
        framing = dialect_called(dialect).framings["application/vnd.amazon.eventstream"]
        speak = _converse if "/converse" in path else _messages
        return speak(text, model, framing, streams=streams)
    return None


def _messages(text: str, model: str, framing: Framing, *, streams: bool) -> bytes:
    message: dict[str, Any] = {
        "id": f"msg_{_ID}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _COUNTED,
    }
    if not streams:
        return msgspec.json.encode(message | {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"})
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    return _events(
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": delta, "usage": _COUNTED},
        {"type": "message_stop"},
        framing=framing,
    )


def _chat(text: str, model: str, *, streams: bool) -> bytes:
    head: dict[str, Any] = {"id": f"chatcmpl-{_ID}", "created": 0, "model": model}
    said = {"role": "assistant", "content": text}
    if not streams:
        choice: dict[str, Any] = {"index": 0, "message": said | {"refusal": None}, "logprobs": None}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        choices = [choice | {"finish_reason": "stop"}]
        return msgspec.json.encode(head | {"object": "chat.completion", "choices": choices, "usage": usage})
    parts: list[tuple[dict[str, Any], str | None]] = [(said, None), ({}, "stop")]
    chunks = [
        ("", head | {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": it, "finish_reason": why}]})
        for it, why in parts
    ]
    return sse(*chunks, "[DONE]")


def _responses(text: str, model: str, *, streams: bool) -> bytes:
    part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item: dict[str, Any] = {"id": f"msg_{_ID}", "type": "message", "role": "assistant"}
    whole_item = item | {"status": "completed", "content": [part]}
    response: dict[str, Any] = {
        "id": f"resp_{_ID}",
        "object": "response",
        "created_at": 0,
        "model": model,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "output": [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
    }
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    usage = _COUNTED | {"total_tokens": 2} | details
    whole = response | {"status": "completed", "output": [whole_item], "usage": usage}
    if not streams:
        return msgspec.json.encode(whole)
    at = {"output_index": 0, "item_id": item["id"], "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": item | {"status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", "part": part | {"text": ""}, **at},
        {"type": "response.output_text.delta", "delta": text, "logprobs": [], **at},
        {"type": "response.output_text.done", "text": text, "logprobs": [], **at},
        {"type": "response.content_part.done", "part": part, **at},
        {"type": "response.output_item.done", "output_index": 0, "item": whole_item},
        {"type": "response.completed", "response": whole},
    ]
    return _events(*(event | {"sequence_number": number} for number, event in enumerate(events)))


def _contents(text: str, path: str, *, streams: bool) -> bytes:
    said = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    model = path.rpartition("/")[2].partition(":")[0]
    chunk = {"candidates": [said], "usageMetadata": usage, "modelVersion": model, "responseId": _ID}
    return sse(("", chunk)) if streams else msgspec.json.encode(chunk)


def _lines(text: str, model: str, path: str, *, streams: bool) -> bytes:
    message = {"role": "assistant", "content": text}
    said: dict[str, Any] = {"message": message} if path.endswith("/chat") else {"response": text}
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 1, "eval_count": 1}
    line = {"model": model, "created_at": "2000-01-01T00:00:00Z", **said, **end}
    return msgspec.json.encode(line) + (b"\n" if streams else b"")


def _converse(text: str, model: str, framing: Framing, *, streams: bool) -> bytes:
    usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    told = {"usage": usage, "metrics": {"latencyMs": 1}}
    if not streams:
        message = {"role": "assistant", "content": [{"text": text}]}
        return msgspec.json.encode({"output": {"message": message}, "stopReason": "end_turn", **told})
    events: list[tuple[str, dict[str, Any]]] = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", told),
    ]
    return b"".join(framing.encode(Event.make(type, data)) for type, data in events)


def _events(*events: dict[str, Any], framing: Framing = SSE) -> bytes:
    return b"".join(framing.encode(Event.make(event["type"], event)) for event in events)
