"""The API of Ollama: lines of JSON.

According to the project's page *API* as of 2026.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from ._conversation import Exchange, Speech, body_of, object_of, pieces_of
from ._fields import compact
from ._formats import Format, ndjson
from ._requests import ReceivedRequest
from ._voices import Foreign, meant

ERRORS: Final = {
    400: "invalid request",
    401: "unauthorized",
    402: "payment required",
    403: "forbidden",
    404: "model not found",
    408: "request timeout",
    409: "conflict",
    413: "request body too large",
    429: "too many requests",
    500: "an error was encountered while running the model",
    503: "server busy, please try again.  maximum pending requests exceeded",
    504: "timed out waiting for the model to load",
    529: "server overloaded, please retry shortly",
}
"""The error, by status."""
_TOKEN: Final = 10_000_000
"""Nanoseconds that a token takes, as the last line tells."""
_ESCAPED: Final = {character: f"\\u{ord(character):04x}".encode() for character in "<>&\u2028\u2029"}
"""What the JSON of Go never has as it is."""


class Ollama(Foreign):
    """What ``/api/chat`` and ``/api/generate`` have in common. They stream unless the body has ``"stream": false``."""

    model: ClassVar[str] = "llama-unbroken"
    id_prefix: ClassVar[str] = ""
    request_id_prefix: ClassVar[str] = ""
    stop_reason: ClassVar[str] = "stop"
    tools_reason: ClassVar[str] = "stop"

    @abstractmethod
    def parts(self, reply: Speech) -> Iterator[dict[str, Any]]:
        """Yield what is in each line but the last."""

    @abstractmethod
    def whole(self, reply: Speech) -> dict[str, Any]:
        """Return what is in an answer that is not streamed."""

    @abstractmethod
    def nothing(self) -> dict[str, Any]:
        """Return what is in the last line, which has no more text."""

    def format_of(self, request: ReceivedRequest) -> Format:
        """Return the format of lines of JSON."""
        return _LINES

    def stream(self, exchange: Exchange) -> tuple[bytes, ...] | None:
        """Return the lines, the last one with ``"done": true``. There is no preamble."""
        if body_of(exchange.request).get("stream") is False:
            return None
        head = _head(exchange)
        lines = [{**head, **part, "done": False} for part in self.parts(exchange.reply)]
        last = {**head, **self.nothing(), **_done(exchange.reply)}
        return (b"", b"", b"", *(_compact(line) + b"\n" for line in (*lines, last)))

    def message(self, exchange: Exchange) -> bytes:
        """Return the one object of an answer that is not streamed."""
        return _compact({**_head(exchange), **self.whole(exchange.reply), **_done(exchange.reply)})

    def error_body(self, exchange: Exchange, status: int) -> bytes:
        """Return ``{"error": "text"}``."""
        known, own = meant(exchange.fault, status)
        return _compact({"error": exchange.fault.message or own or ERRORS[known]})

    def error_event(self, exchange: Exchange, sent: Sequence[bytes]) -> bytes:
        """Return a line with an error."""
        return self.error_body(exchange, 500) + b"\n"


class OllamaChat(Ollama):
    """``POST /api/chat``."""

    path: ClassVar[str] = "/api/chat"

    def parts(self, reply: Speech) -> Iterator[dict[str, Any]]:
        """Yield thinking, text, and the calls of tools, each as a whole."""
        yield from (_said("", thinking=piece) for piece in pieces_of(reply.thinking))
        yield from (_said(piece) for piece in pieces_of(reply.text))
        yield from (_said("", tool_calls=[call]) for call in _calls(reply))

    def whole(self, reply: Speech) -> dict[str, Any]:
        """Return the message."""
        thinking = {"thinking": reply.thinking} if reply.thinking else {}
        calls = {"tool_calls": _calls(reply)} if reply.tools else {}
        return _said(reply.text, **thinking, **calls)

    def nothing(self) -> dict[str, Any]:
        """Return an empty message."""
        return _said("")


class OllamaGenerate(Ollama):
    """``POST /api/generate``, which calls no tools."""

    path: ClassVar[str] = "/api/generate"

    def parts(self, reply: Speech) -> Iterator[dict[str, Any]]:
        """Yield thinking and text."""
        yield from ({"response": "", "thinking": piece} for piece in pieces_of(reply.thinking))
        yield from ({"response": piece} for piece in pieces_of(reply.text))

    def whole(self, reply: Speech) -> dict[str, Any]:
        """Return text and thinking."""
        return {"response": reply.text, **({"thinking": reply.thinking} if reply.thinking else {})}

    def nothing(self) -> dict[str, Any]:
        """Return an empty response."""
        return {"response": ""}


_LINES: Final = ndjson(b'{"model": "llama-unbroken", "message": {"role": "assistant", \n')


def _said(content: str, **more: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": content, **more}}


def _calls(reply: Speech) -> list[dict[str, Any]]:
    return [
        {
            "id": reply.item_id(number, "call_"),
            "function": {"index": number, "name": tool.name, "arguments": object_of(tool)},
        }
        for number, tool in enumerate(reply.tools)
    ]


def _head(exchange: Exchange) -> dict[str, Any]:
    created = datetime.fromtimestamp(exchange.now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"model": exchange.reply.model, "created_at": created}


def _done(reply: Speech) -> dict[str, Any]:
    prompt, answer = reply.input_tokens * _TOKEN, reply.output_tokens * _TOKEN
    return {
        "done": True,
        "done_reason": reply.stop_reason,
        "total_duration": prompt + answer + _TOKEN,
        "load_duration": _TOKEN,
        "prompt_eval_count": reply.input_tokens,
        "prompt_eval_duration": prompt,
        "eval_count": reply.output_tokens,
        "eval_duration": answer,
    }


def _compact(value: Any) -> bytes:
    encoded = compact(value)
    for character, escape in _ESCAPED.items():
        encoded = encoded.replace(character.encode(), escape)
    return encoded
