"""What the server says: the Anthropic Messages API.

After the vendor's pages *streaming messages*, *errors* and *rate limits* as of 2026.
"""

import json
import re
from datetime import UTC, datetime
from email.utils import formatdate
from random import Random
from typing import Any, Final, cast

from attrs import frozen

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
_NOUNS: Final = ("water", "gate", "river", "turbine", "valve", "spring", "rain", "mill", "wheel", "lake")
_VERBS: Final = ("runs", "falls", "turns", "rises", "waits", "opens", "closes", "sings")
_LIMITS: Final = {"requests": 4_000, "tokens": 480_000, "input-tokens": 400_000, "output-tokens": 80_000}


@frozen(kw_only=True)
class Reply:
    """What the server means to say to one request, whatever becomes of it on the way."""

    id: str
    request_id: str
    model: str
    text: str
    input_tokens: int
    output_tokens: int
    stop_reason: str = "end_turn"


def reply_to(request: ReceivedRequest, fault: Fault, seed: int) -> Reply:
    """Return the reply; seed, number of the request and request decide everything about it."""
    random = Random(f"{seed}:{request.number}")  # noqa: S311 - a script, not a secret
    identity = f"{random.getrandbits(96):024x}"
    spoken = _speech(random)
    text = spoken if fault.text is None else fault.text
    estimate = (max(1, len(request.body) // 4), max(1, len(_pieces(text))))
    input_tokens, output_tokens = fault.usage or estimate
    return Reply(
        id=f"msg_01{identity}",
        request_id=f"req_01{identity}",
        model=str(_fields(request).get("model", "claude-penstock")),
        text=text,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )


def wants_stream(request: ReceivedRequest) -> bool:
    """Tell whether the body says ``"stream": true``."""
    return _fields(request).get("stream") is True


def stream(reply: Reply) -> tuple[bytes, ...]:
    """Return the events of a streamed reply, in the documented order."""
    start = _message(reply, content=[], stop_reason=None, output_tokens=1)
    delta = {"stop_reason": reply.stop_reason, "stop_sequence": None}
    usage = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
    return (
        _event("message_start", message=start),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        PING,
        *(
            _event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
            for piece in _pieces(reply.text)
        ),
        _event("content_block_stop", index=0),
        _event("message_delta", delta=delta, usage=usage),
        _event("message_stop"),
    )


def message(reply: Reply) -> bytes:
    """Return the JSON of a reply that was not asked for as a stream."""
    content = [{"type": "text", "text": reply.text}]
    return _json(_message(reply, content=content, stop_reason=reply.stop_reason, output_tokens=reply.output_tokens))


def error(reply: Reply, fault: Fault, status: int) -> dict[str, Any]:
    """Return the error object: the fault's words, else the usual ones of the status."""
    type, words = ERRORS.get(status) or ERRORS[400 if status < 500 else 500]
    inner: dict[str, Any] = {"type": fault.error or type, "message": fault.message or words}
    if fault.error_code is not None:
        inner["details"] = {"error_code": fault.error_code}
    return {"type": "error", "error": inner, "request_id": reply.request_id}


def error_body(reply: Reply, fault: Fault, status: int) -> bytes:
    """Return the body of an HTTP error."""
    return _json(error(reply, fault, status))


def error_event(reply: Reply, fault: Fault) -> bytes:
    """Return the ``error`` event of `fault`, with the words of its HTTP twin; nothing if it has no error."""
    if fault.error is None:
        return b""
    twin = next((status for status, (type, _) in ERRORS.items() if type == fault.error), 500)
    return sse("error", error(reply, fault, twin))


def headers(reply: Reply, number: int, now: float) -> list[tuple[str, str]]:
    """Return what every answer carries; `now` in Unix seconds is the ``Date``, the resets lie after it."""
    reset = datetime.fromtimestamp(now + 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = [("Date", formatdate(now, usegmt=True)), ("request-id", reply.request_id)]
    for kind, limit in _LIMITS.items():
        remaining = max(0, limit - number) if kind == "requests" else limit - 1_000
        values = {"limit": str(limit), "remaining": str(remaining), "reset": reset}
        lines += [(f"anthropic-ratelimit-{kind}-{name}", value) for name, value in values.items()]
    return lines


def _message(reply: Reply, *, content: list[Any], stop_reason: str | None, output_tokens: int) -> dict[str, Any]:
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


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _fields(request: ReceivedRequest) -> dict[str, Any]:
    try:
        body: Any = request.json()
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def _pieces(text: str) -> list[str]:
    """Split `text` into what a model might send at once; joined, it is the text again."""
    return re.findall(r"\s*\S+|\s+$", text)


def _speech(random: Random) -> str:
    phrases = [f"the {random.choice(_NOUNS)} {random.choice(_VERBS)}" for _ in range(random.randint(3, 6))]
    return ", ".join(phrases).capitalize() + "."
