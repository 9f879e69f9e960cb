"""The Anthropic Messages API.

According to the vendor's pages *streaming messages*, *errors* and *rate limits* as of 2026.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, ClassVar, Final

from ._conversation import Speech, Voice, as_json, parts_of, pieces_of
from ._fault import Fault
from ._fields import sse
from ._requests import ReceivedRequest

ERRORS: Final = {
    400: ("invalid_request_error", "Bad request"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Payment required"),
    403: ("permission_error", "Your API key may not do this"),
    404: ("not_found_error", "Not found"),
    408: ("timeout_error", "Request timeout"),
    409: ("conflict_error", "Conflict"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your rate limit"),
    500: ("api_error", "Internal server error"),
    503: ("api_error", "Service unavailable"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
"""Type and message of the error object, by status."""

PING: Final = sse("ping", {"type": "ping"})
NOT_JSON: Final = b'event: content_block_delta\ndata: {"type": "content_block_delta", \n\n'
"""An event with invalid JSON."""
SPENT: Final = "enforced_spend_limit_reached"
"""The ``error_code`` of a spend limit, against which waiting does not help."""
_LIMITS: Final = {"requests": 4_000, "tokens": 480_000, "input-tokens": 400_000, "output-tokens": 80_000}


class Messages(Voice):
    """``POST /v1/messages``."""

    path: ClassVar[str] = "/v1/messages"
    model: ClassVar[str] = "claude-unbroken"
    id_prefix: ClassVar[str] = "msg_01"
    request_id_prefix: ClassVar[str] = "req_01"
    stop_reason: ClassVar[str] = "end_turn"
    tools_reason: ClassVar[str] = "tool_use"

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

    def error_body(self, reply: Speech, fault: Fault, status: int) -> bytes:
        """Return ``{"type": "error", "error": {...}}``."""
        return as_json(_error(reply, fault, status))

    def error_event(self, reply: Speech, fault: Fault) -> bytes:
        """Return an ``error`` event, or nothing if the fault has no error."""
        return b"" if fault.error is None else sse("error", _error(reply, fault, twin_of(fault.error) or 500))

    def headers(self, reply: Speech, number: int, now: float) -> list[tuple[str, str]]:
        """Return ``Date``, ``request-id`` and the twelve ``anthropic-ratelimit-*`` headers."""
        reset = datetime.fromtimestamp(now + 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines = [("Date", formatdate(now, usegmt=True)), ("request-id", reply.request_id)]
        for kind, limit in _LIMITS.items():
            remaining = max(0, limit - number) if kind == "requests" else limit - 1_000
            values = {"limit": str(limit), "remaining": str(remaining), "reset": reset}
            lines += [(f"anthropic-ratelimit-{kind}-{name}", value) for name, value in values.items()]
        return lines


def twin_of(error: str) -> int | None:
    """Return the HTTP status of an error type, None if the API has no such type."""
    return next((status for status, (type, _) in ERRORS.items() if type == error), None)


def _error(reply: Speech, fault: Fault, status: int) -> dict[str, Any]:
    type, words = ERRORS.get(status) or ERRORS[400 if status < 500 else 500]
    inner: dict[str, Any] = {"type": fault.error or type, "message": fault.message or words}
    if fault.error_code is not None:
        inner["details"] = {"error_code": fault.error_code}
    return {"type": "error", "error": inner, "request_id": reply.request_id}


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
        call: dict[str, Any] = {"type": "tool_use", "id": reply.tool_id(number, "toolu_01"), "name": tool.name}
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
