"""The OpenAI Chat Completions API.

According to the vendor's pages *streaming responses*, *error codes* and *rate limits* as of 2026. The catalogue of
faults uses the error names of the Messages API; here they are translated to those of this API.
"""

from collections.abc import Iterator
from email.utils import formatdate
from typing import Any, ClassVar, Final, cast

from . import _messages as messages
from ._conversation import Speech, Voice, as_json, body_of, parts_of, pieces_of
from ._fault import Fault
from ._requests import ReceivedRequest

ERRORS: Final = {
    400: ("invalid_request_error", None, "Bad request"),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided"),
    402: ("invalid_request_error", None, "Payment required"),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Country not supported"),
    404: ("invalid_request_error", "model_not_found", "The model does not exist"),
    408: ("invalid_request_error", None, "Request timeout"),
    409: ("invalid_request_error", None, "Conflict"),
    413: ("invalid_request_error", None, "Request too large"),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached"),
    500: ("server_error", None, "The server had an error while processing your request"),
    503: ("service_unavailable_error", None, "Service unavailable"),
    504: ("server_error", None, "Request timed out"),
    529: ("service_unavailable_error", "server_is_overloaded", "Our servers are currently overloaded"),
}
"""Type, code and message of the error object, by status."""

_QUOTA: Final = "insufficient_quota"
_KEEP_ALIVE: Final = b": keep-alive\n\n"
_DONE: Final = b"data: [DONE]\n\n"
_TRANSLATED: Final = {
    messages.PING: _KEEP_ALIVE,
    messages.NOT_JSON: b'data: {"object": "chat.completion.chunk", \n\n',
}
_LIMITS: Final = {"requests": (10_000, "1s"), "tokens": (200_000, "1m0.5s")}


class ChatCompletions(Voice):
    """``POST /v1/chat/completions``."""

    path: ClassVar[str] = "/chat/completions"
    model: ClassVar[str] = "gpt-unbroken"
    id_prefix: ClassVar[str] = "chatcmpl-"
    request_id_prefix: ClassVar[str] = "req_"
    stop_reason: ClassVar[str] = "stop"
    tools_reason: ClassVar[str] = "tool_calls"

    def stream(self, request: ReceivedRequest, reply: Speech, now: float) -> tuple[bytes, ...]:
        """Return the chunks up to ``[DONE]``, with usage if ``stream_options.include_usage`` is set.

        A comment before and after the chunk with the role makes text the fourth piece, as in the Messages API.
        """
        counted = _wants_usage(request)
        head = _head(reply, "chat.completion.chunk", now)
        usage: dict[str, Any] = {"usage": None} if counted else {}

        def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
            return _data({**head, "choices": [choice], **usage})

        return (
            _KEEP_ALIVE,
            chunk({"role": "assistant", "content": "", "refusal": None}),
            _KEEP_ALIVE,
            *map(chunk, _deltas(reply)),
            chunk({}, reply.stop_reason),
            *([_data({**head, "choices": [], "usage": _usage(reply)})] if counted else []),
            _DONE,
        )

    def message(self, reply: Speech, now: float) -> bytes:
        """Return a complete ``chat.completion``."""
        text = reply.text if reply.says_text else None
        said: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if reply.thinking:
            said["reasoning_content"] = reply.thinking
        if reply.tools:
            said["tool_calls"] = [_call(reply, number, tool.input) for number, tool in enumerate(reply.tools)]
        choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": reply.stop_reason}
        return as_json({**_head(reply, "chat.completion", now), "choices": [choice], "usage": _usage(reply)})

    def error_body(self, reply: Speech, fault: Fault, status: int) -> bytes:
        """Return ``{"error": {...}}``."""
        return as_json(_error(fault, status))

    def error_event(self, reply: Speech, fault: Fault) -> bytes:
        """Return an event without a name whose data is an error object, or nothing if the fault has no error."""
        return b"" if fault.error is None else _data(_error(fault, 500))

    def headers(self, reply: Speech, number: int, now: float) -> list[tuple[str, str]]:
        """Return ``Date``, ``x-request-id`` and the six ``x-ratelimit-*`` headers."""
        lines = [("Date", formatdate(now, usegmt=True)), ("x-request-id", reply.request_id)]
        for kind, (limit, reset) in _LIMITS.items():
            remaining = max(0, limit - number) if kind == "requests" else limit - 1_000
            values = {"limit": str(limit), "remaining": str(remaining), "reset": reset}
            lines += [(f"x-ratelimit-{name}-{kind}", value) for name, value in values.items()]
        return lines

    def insertion(self, fault: Fault) -> bytes:
        """Return a comment instead of a ping, and a chunk instead of the event with invalid JSON."""
        return _TRANSLATED.get(fault.insert, fault.insert)


def _deltas(reply: Speech) -> Iterator[dict[str, Any]]:
    """Yield the deltas: reasoning (a field that servers of open models have), text, calls of tools."""
    yield from ({"reasoning_content": piece} for piece in pieces_of(reply.thinking))
    yield from ({"content": piece} for piece in pieces_of(reply.text))
    for number, tool in enumerate(reply.tools):
        yield {"tool_calls": [{"index": number, **_call(reply, number, "")}]}
        yield from ({"tool_calls": [{"index": number, "function": {"arguments": part}}]} for part in parts_of(tool))


def _call(reply: Speech, number: int, arguments: str) -> dict[str, Any]:
    function = {"name": reply.tools[number].name, "arguments": arguments}
    return {"id": reply.tool_id(number, "call_"), "type": "function", "function": function}


def _error(fault: Fault, status: int) -> dict[str, Any]:
    twin = None if fault.error is None else messages.twin_of(fault.error)
    type, code, words = ERRORS.get(twin or status) or ERRORS[400 if status < 500 else 500]
    if fault.error is not None and twin is None:
        type, code = fault.error, None
    if fault.error_code is not None:
        type, code = (_QUOTA, _QUOTA) if fault.error_code == messages.SPENT else (type, fault.error_code)
    return {"error": {"message": fault.message or words, "type": type, "param": None, "code": code}}


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
        "completion_tokens_details": {"reasoning_tokens": len(pieces_of(reply.thinking))},
    }


def _data(value: Any) -> bytes:
    return b"data: %b\n\n" % as_json(value)
