"""The Gemini API of Google, at its own paths and at those of Vertex AI.

According to the vendor's reference of ``models.streamGenerateContent`` as of 2026.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, unquote

from ._anthropic import SPENT
from ._conversation import Exchange, Speech, object_of, pieces_of
from ._fault import Fault
from ._fields import compact
from ._formats import Format, json_array, plain_sse
from ._requests import ReceivedRequest
from ._voices import Foreign, meant

ERRORS: Final = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    402: ("FAILED_PRECONDITION", "Billing is not enabled."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "The model is not found or is not supported for generateContent."),
    408: ("DEADLINE_EXCEEDED", "The request timed out."),
    409: ("ABORTED", "The operation was aborted."),
    413: ("INVALID_ARGUMENT", "The request payload size exceeds the limit."),
    429: ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    500: ("INTERNAL", "An internal error has occurred."),
    503: ("UNAVAILABLE", "The service is currently unavailable."),
    504: ("DEADLINE_EXCEEDED", "The deadline expired before the operation could complete."),
    529: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
}
"""Status and message of the error object, by HTTP status."""
_OVERLOADED: Final = 529
_PATH: Final = re.compile(r"/models/(?P<model>[^/:]+)(?::|%3A)(?P<method>streamGenerateContent|generateContent)$")
_BROKEN: Final = b'{"candidates": [{"content": {"parts": [{"text": '
_SSE: Final = plain_sse(b"data: %b\n\n" % _BROKEN)
_ARRAY: Final = json_array(b"%b,\r\n" % _BROKEN)
_NO_PREAMBLE: Final = (b"",) * 3


class Gemini(Foreign):
    """``POST …/models/{model}:generateContent`` and ``:streamGenerateContent``, the latter with ``alt=sse`` or not."""

    model: ClassVar[str] = "gemini-unbroken"
    id_prefix: ClassVar[str] = ""
    request_id_prefix: ClassVar[str] = ""
    stop_reason: ClassVar[str] = "STOP"
    tools_reason: ClassVar[str] = "STOP"

    def hears(self, request: ReceivedRequest) -> bool:
        """Return whether the path ends with a model and one of the two methods."""
        return _PATH.search(request.path) is not None

    def model_of(self, request: ReceivedRequest) -> str:
        """Return the model in the path."""
        found = _PATH.search(request.path)
        return unquote(found["model"]) if found else self.model

    def format_of(self, request: ReceivedRequest) -> Format:
        """Return the format of server-sent events for ``alt=sse``, otherwise that of an array."""
        asked = parse_qs(request.query)
        return _SSE if "sse" in [*asked.get("alt", []), *asked.get("$alt", [])] else _ARRAY

    def stream(self, exchange: Exchange) -> tuple[bytes, ...] | None:
        """Return the chunks, the last one with ``finishReason``. There is no preamble but the bracket of an array."""
        if not exchange.request.path.endswith("streamGenerateContent"):
            return None
        *chunks, last = map(compact, _chunks(exchange.reply))
        if self.format_of(exchange.request) is _SSE:
            return (*_NO_PREAMBLE, *(b"data: %b\r\n\r\n" % chunk for chunk in (*chunks, last)))
        return (b"[", *_NO_PREAMBLE[1:], *(b"%b,\r\n" % chunk for chunk in chunks), last + b"]")

    def message(self, exchange: Exchange) -> bytes:
        """Return a complete response."""
        reply = exchange.reply
        said = [{"text": reply.thinking, "thought": True}] if reply.thinking else []
        said += [{"text": reply.text}] if reply.says_text else []
        return compact(_last(reply, [*said, *_calls(reply)]))

    def error_body(self, exchange: Exchange, status: int) -> bytes:
        """Return ``{"error": {"code", "message", "status"}}``, with details for a time to wait and an error code."""
        return compact({"error": _error(exchange.fault, status)})

    def error_event(self, exchange: Exchange, sent: Sequence[bytes]) -> bytes:
        """Return a chunk that is an error object."""
        chunk = self.error_body(exchange, 500)
        if self.format_of(exchange.request) is _SSE:
            return b"data: %b\r\n\r\n" % chunk
        return (b"" if b"[" in sent else b"[") + chunk + b"]"


def _error(fault: Fault, status: int) -> dict[str, Any]:
    """Return the error object. Its code is the HTTP status, under 200 what the error means: 503 for an overload."""
    known, own = meant(fault, status)
    name, words = ERRORS[known]
    code = fault.status if fault.status >= 400 else 503 if known == _OVERLOADED else known
    error: dict[str, Any] = {"code": code, "message": fault.message or words, "status": own or name}
    details = [*_details(fault)]
    return {**error, "details": details} if details else error


def _details(fault: Fault) -> Iterator[dict[str, Any]]:
    """Yield what the API tells in the body: the error code, and what is otherwise in ``retry-after``."""
    if fault.error_code is not None:
        reason = "BILLING_DISABLED" if fault.error_code == SPENT else fault.error_code
        yield {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    for name, value in fault.headers:
        if name.lower() == b"retry-after" and re.fullmatch(rb"\d+(\.\d+)?", value):
            yield {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{value.decode()}s"}


def _chunks(reply: Speech) -> Iterator[dict[str, Any]]:
    """Yield a chunk for each word, one for each call of a tool, and one that says why the reply ends."""
    thoughts = _thoughts(reply)
    for count, part in enumerate(_spoken(reply), 1):
        yield _chunk(reply, [part], min(count, reply.output_tokens), thoughts)
    yield _last(reply, [{"text": ""}])


def _spoken(reply: Speech) -> list[dict[str, Any]]:
    thought = [{"text": piece, "thought": True} for piece in pieces_of(reply.thinking)]
    return [*thought, *({"text": piece} for piece in pieces_of(reply.text)), *_calls(reply)]


def _calls(reply: Speech) -> list[dict[str, Any]]:
    signature = {"thoughtSignature": base64.b64encode(reply.id.encode()).decode()}
    return [
        {"functionCall": {"id": reply.item_id(number, ""), "name": tool.name, "args": object_of(tool)}, **signature}
        for number, tool in enumerate(reply.tools)
    ]


def _last(reply: Speech, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the chunk that says why the reply ends, with all of its tokens."""
    chunk = _chunk(reply, parts, reply.output_tokens, _thoughts(reply))
    chunk["candidates"][0]["finishReason"] = reply.stop_reason
    return chunk


def _chunk(reply: Speech, parts: list[dict[str, Any]], output_tokens: int, thoughts: int) -> dict[str, Any]:
    """Return a chunk with the tokens until now, of which those for thinking, `thoughts` at most, are counted apart."""
    thoughts = min(thoughts, output_tokens)
    usage = {
        "promptTokenCount": reply.input_tokens,
        "candidatesTokenCount": output_tokens - thoughts,
        "totalTokenCount": reply.input_tokens + output_tokens,
    }
    return {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
        "usageMetadata": {**usage, "thoughtsTokenCount": thoughts} if thoughts else usage,
        "modelVersion": reply.model,
        "responseId": reply.id,
    }


def _thoughts(reply: Speech) -> int:
    return len(pieces_of(reply.thinking))
