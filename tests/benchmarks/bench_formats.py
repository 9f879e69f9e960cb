"""What a stream costs per event in each format: ``python -m tests.benchmarks.bench_formats``.

Each answer says the same words. It is decoded, classified and read as text, without a transport. All formats take
turns in one process and the medians of their rounds are shown, so the ratios to Messages over SSE hold on a busy
machine where the microseconds do not.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen
from rich.console import Console
from rich.table import Table

from unbroken import Event, Request, eventstream
from unbroken.dialect import Dialect
from unbroken.framing import Limits
from unbroken.messages import Headers, Response
from unbroken.testing import sse
from unbroken_anthropic import Anthropic
from unbroken_bedrock import Bedrock
from unbroken_gemini import Gemini
from unbroken_mcp import MCP
from unbroken_ollama import Ollama
from unbroken_openai import OpenAI

from .bench_dialects import CHAT, DELTAS, LONG, ROUNDS, TEXT, WORDS, messages, pieces

AWS = "application/vnd.amazon.eventstream"
NOTE = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": WORDS}}


@frozen(kw_only=True)
class View:
    """A call as far as readers and decoders see it."""

    request: Request
    response: Response
    id: str = "req_1"
    last_event_id: str = ""

    @property
    def current(self) -> Request:
        return self.request


def gemini() -> bytes:
    def chunk(text: str, **more: Any) -> tuple[str, Any]:
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}
        usage = {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11}
        return "", {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r"}

    return sse(*[chunk(WORDS)] * (DELTAS - 1), chunk(WORDS, finishReason="STOP"))


def ollama() -> bytes:
    head = {"model": "gemma3", "created_at": "2026-01-01T00:00:00Z"}
    line = json.dumps(head | {"message": {"role": "assistant", "content": WORDS}, "done": False}).encode() + b"\n"
    end = head | {"message": {"role": "assistant", "content": ""}, "done": True, "eval_count": 2}
    return line * DELTAS + json.dumps(end).encode() + b"\n"


def converse() -> bytes:
    delta = Event.make("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": WORDS}, "p": "abcd"})
    ends = [("messageStop", {"stopReason": "end_turn"}), ("metadata", {"usage": {"inputTokens": 9, "outputTokens": 2}})]
    start = eventstream.encode(Event.make("messageStart", {"role": "assistant"}))
    rest = b"".join(eventstream.encode(Event.make(*end)) for end in ends)
    return start + eventstream.encode(delta) * DELTAS + rest


def invoked() -> bytes:
    framing = Bedrock().framing(None)
    return b"".join(framing.encode(Event.make(*each)) for each in messages([WORDS] * DELTAS))


def mcp() -> bytes:
    content = [{"type": "text", "text": TEXT}]
    return sse(*[("", NOTE)] * DELTAS, ("", {"jsonrpc": "2.0", "id": 1, "result": {"content": content}}))


@frozen
class Format:
    """One answer, and what reads it."""

    dialect: Dialect
    body: bytes
    path: str = "/"
    content_type: str = "text/event-stream"

    def read(self) -> str:
        """Decode, classify and read the whole answer."""
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        request = Request.build("POST", f"https://a.example{self.path}", json=asked)
        response = Response(status_code=200, headers=Headers({"content-type": self.content_type}))
        view = View(request=request, response=response)
        decoder, reader = self.dialect.decoder(Limits(), view), self.dialect.reader(view)
        return "".join(self._read(decoder, reader))

    def _read(self, decoder: Any, reader: Any) -> Iterator[str]:
        classify, text = reader.classify, reader.text
        for piece in pieces(self.body):
            for event in decoder.feed(piece):
                classify(event)
                yield text(event) or ""


FORMATS = {
    "Messages, SSE": Format(Anthropic(), LONG),
    "Chat Completions, SSE": Format(OpenAI(), CHAT),
    "Gemini, SSE": Format(Gemini(), gemini(), "/v1beta/models/m:streamGenerateContent?alt=sse"),
    "Ollama, lines of JSON": Format(Ollama(), ollama(), "/api/chat", "application/x-ndjson"),
    "ConverseStream, binary": Format(Bedrock(), converse(), "/model/m/converse-stream", AWS),
    "Messages on Bedrock, binary": Format(Bedrock(), invoked(), "/model/m/invoke-with-response-stream", AWS),
    "MCP notifications, SSE": Format(MCP(), mcp(), "/mcp"),
}


def measured(read: Callable[[], str]) -> float:
    """Return the microseconds per event."""
    started = time.perf_counter()
    text = read()
    seconds = time.perf_counter() - started
    assert text == TEXT, "it must have read the whole text"
    return seconds / DELTAS * 1e6


def main() -> None:
    """Measure, and print the table."""
    rounds = [{name: measured(each.read) for name, each in FORMATS.items()} for _ in range(ROUNDS)]
    times = {name: statistics.median(each[name] for each in rounds) for name in FORMATS}
    table = Table("format", "µs per event", "of Messages")
    for name, spent in times.items():
        table.add_row(name, f"{spent:.2f}", f"{spent / times['Messages, SSE']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
