"""Amazon Bedrock: its paths, errors and headers, and the streams of InvokeModelWithResponseStream.

According to the vendor's API reference of the Bedrock runtime as of 2026.
"""

import base64
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from . import _frames as frames
from ._anthropic import SPENT
from ._conversation import Exchange, Speech
from ._fields import compact
from ._formats import Format, binary
from ._messages import events_of, message_of
from ._requests import ReceivedRequest
from ._voices import Foreign, meant

ERRORS: Final = {
    400: ("ValidationException", "The provided request is not valid"),
    401: ("UnrecognizedClientException", "The security token included in the request is invalid."),
    402: ("AccessDeniedException", "Your account has no valid payment instrument"),
    403: ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: ("ResourceNotFoundException", "The specified model does not exist"),
    408: ("ModelTimeoutException", "Model has timed out in processing the request."),
    409: ("ConflictException", "The request conflicts with another one"),
    413: ("ValidationException", "Input is too long for requested model."),
    429: ("ThrottlingException", "Too many requests, please wait before trying again."),
    500: ("InternalServerException", "The system encountered an unexpected error during processing."),
    503: ("ServiceUnavailableException", "Bedrock is unable to process your request."),
    504: ("ModelTimeoutException", "Model has timed out in processing the request."),
    529: ("ServiceUnavailableException", "Too many connections, please wait before trying again."),
}
"""Type and message of the error, by status."""
_IN_STREAM: Final = {
    408: "modelStreamErrorException",
    429: "throttlingException",
    503: "serviceUnavailableException",
    504: "modelStreamErrorException",
    529: "serviceUnavailableException",
}
"""The type of an exception within a stream, where there are only five. Others are those of 400 and 500."""
_QUOTA: Final = "ServiceQuotaExceededException"


class Bedrock(Foreign):
    """``POST /model/{model}/…``: one operation that streams and one that does not."""

    operations: ClassVar[tuple[str, str]]
    """The ends of their paths, the one that streams first."""
    model: ClassVar[str] = "anthropic.unbroken-v1:0"
    id_prefix: ClassVar[str] = ""
    request_id_prefix: ClassVar[str] = ""
    stop_reason: ClassVar[str] = "end_turn"
    tools_reason: ClassVar[str] = "tool_use"

    def hears(self, request: ReceivedRequest) -> bool:
        """Return whether the path is that of a model and one of the two operations."""
        return self._named(request) is not None

    def model_of(self, request: ReceivedRequest) -> str:
        """Return the model in the path."""
        return self._named(request) or self.model

    def streams(self, request: ReceivedRequest) -> bool:
        """Return whether the path is that of the operation that streams."""
        return request.path.endswith(f"/{self.operations[0]}")

    def _named(self, request: ReceivedRequest) -> str | None:
        found = re.search(r"/model/(?P<model>[^/]+)/(?P<operation>[^/]+)$", request.path)
        return unquote(found["model"]) if found and found["operation"] in self.operations else None

    def error_body(self, exchange: Exchange, status: int) -> bytes:
        """Return ``{"message": "text"}``; the type of the error is in a header."""
        return compact({"message": exchange.fault.message or ERRORS[meant(exchange.fault, status)[0]][1]})

    def headers(self, exchange: Exchange) -> list[tuple[str, str]]:
        """Return ``Date``, ``x-amzn-RequestId``, and for an error its type in ``x-amzn-ErrorType``."""
        lines = [*super().headers(exchange), ("x-amzn-RequestId", _uuid(exchange.reply))]
        fault = exchange.fault
        if fault.status >= 400:
            known, own = meant(fault, fault.status)
            type = _QUOTA if fault.error_code == SPENT else own or ERRORS[known][0]
            lines.append(("x-amzn-ErrorType", type))
        elif fault.status == 200 and self.streams(exchange.request):
            lines.append(("X-Amzn-Bedrock-Content-Type", "application/json"))
        return lines

    def error_event(self, exchange: Exchange, sent: Sequence[bytes]) -> bytes:
        """Return a frame with an exception."""
        known, own = meant(exchange.fault, 500)
        usual = "validationException" if known < 500 else "internalServerException"
        message = exchange.fault.message or ERRORS[known][1]
        return frames.exception(own or _IN_STREAM.get(known, usual), {"message": message})


class Invoke(Bedrock):
    """InvokeModel and InvokeModelWithResponseStream, of a model that speaks the Messages API of Anthropic."""

    operations: ClassVar[tuple[str, str]] = ("invoke-with-response-stream", "invoke")
    id_prefix: ClassVar[str] = "msg_bdrk_01"

    def format_of(self, request: ReceivedRequest) -> Format:
        """Return the format of binary frames."""
        return _CHUNKS

    def stream(self, exchange: Exchange) -> tuple[bytes, ...] | None:
        """Return the events of Messages in frames, without its ``ping``; the last one has counts of Bedrock's own."""
        if not self.streams(exchange.request):
            return None
        reply = exchange.reply
        start, first, *rest, last = events_of(reply)
        counts = {"inputTokenCount": reply.input_tokens, "outputTokenCount": reply.output_tokens}
        last["amazon-bedrock-invocationMetrics"] = {**counts, "invocationLatency": 1_000, "firstByteLatency": 100}
        return (_chunk(compact(start)), _chunk(compact(first)), b"", *(_chunk(compact(each)) for each in (*rest, last)))

    def message(self, exchange: Exchange) -> bytes:
        """Return a complete message."""
        return compact(message_of(exchange.reply))


def _chunk(data: bytes) -> bytes:
    return frames.event("chunk", _wrapped(data))


def _wrapped(data: bytes) -> dict[str, Any]:
    return {"bytes": base64.b64encode(data).decode()}


_CHUNKS: Final = binary("chunk", _wrapped(b'{"type": "content_block_delta", '))


def _uuid(reply: Speech) -> str:
    digits = reply.id[-24:].rjust(32, "0")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
