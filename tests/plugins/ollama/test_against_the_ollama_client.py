"""The vendor's client and Unbroken read the same streams: the same text, counts, reasons and failures."""

import os
from random import Random

import httpx
import ollama
import pytest

from unbroken import Plugin
from unbroken.testing import play
from unbroken_ollama import Ollama

from .ollama_lines import BASE, HELLO, NDJSON, PULL, answer, body, chat, end, generated, random_lines

STREAMS = 2000 if os.environ.get("UNBROKEN_LONG") == "1" else 60
MESSAGES = [{"role": "user", "content": "hi"}]


def client(data: bytes, status: int = 200) -> ollama.Client:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"content-type": NDJSON}, content=data)

    return ollama.Client(BASE, transport=httpx.MockTransport(handle))


class Summaries(Plugin):
    """Keeps what the answers said about themselves."""

    def __init__(self):
        self.seen = []

    def on_finish(self, call, outcome):
        self.seen.append(call.summary)


def ours(*lines, path="/api/chat", status=200, plugins=()):
    return play([answer(*lines, status=status)], [*plugins], dialect=Ollama(), url=BASE + path)


def theirs(lines, path):
    with client(body(*lines)) as api:
        if path == "/api/chat":
            said = list(api.chat("m", MESSAGES, stream=True))
            return "".join(part.message.content or "" for part in said), said[-1]
        said = list(api.generate("m", "hi", stream=True))
        return "".join(part.response or "" for part in said), said[-1]


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/api/chat", HELLO),
        ("/api/chat", [chat(thinking="hm"), chat("a"), end("length")]),
        ("/api/chat", [chat(tool_calls=[{"function": {"name": "f", "arguments": {"a": 1}}}]), end()]),
        ("/api/generate", [generated("Hel"), generated("lo"), end() | {"response": "!"}]),
        ("/api/generate", [end("load") | {"response": ""}]),
    ],
    ids=["chat", "thinking", "tools", "generate", "load"],
)
def test_text_counts_and_reason(path, lines):
    text, last = theirs(lines, path)
    summaries = Summaries()
    played = ours(*lines, path=path, plugins=[summaries])
    assert "".join(Ollama().text(event) or "" for event in played.events) == text
    assert (played.usage.input_tokens, played.usage.output_tokens) == (last.prompt_eval_count, last.eval_count)
    assert [each.finish_reasons for each in summaries.seen] == [(last.done_reason,)]


def test_text_of_random_streams():
    """Blank lines apart, at which that client stops."""
    random = Random(0)
    for _ in range(STREAMS):
        lines = [line for line in random_lines(random) if not isinstance(line, bytes)]
        path = "/api/chat" if any(line.get("message", {}).get("content") for line in lines) else "/api/generate"
        for line in lines:
            line.setdefault("response", "")
            line.setdefault("message", {"role": "assistant"})
        if path == "/api/chat":
            lines[-1]["response"] = ""
        text, _ = theirs(lines, path)
        assert "".join(Ollama().text(event) or "" for event in ours(*lines, path=path).events) == text


def test_the_lines_of_a_pull():
    with client(body(*PULL)) as api:
        told = [part.status for part in api.pull("m", stream=True)]
    assert [event["status"] for event in ours(*PULL, path="/api/pull").events] == told


@pytest.mark.parametrize("status", [200, 400, 404, 500, 503])
def test_failures_are_failures_of_both(status):
    """In the stream, and as an answer; the line is the one that this dialect writes."""
    line = Ollama().error_event(RuntimeError("model 'm' not found"))
    with client(line.raw + b"\n", status) as api, pytest.raises(ollama.ResponseError) as raised:
        list(api.chat("m", MESSAGES, stream=True))
    error = ours(line.raw + b"\n", status=status).error
    assert raised.value.error in str(error)
    assert error.status_code == (None if status == 200 else raised.value.status_code)
