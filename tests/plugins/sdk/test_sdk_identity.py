"""On the good path the program gets the bytes of the server: sha256 over random streams and JSON answers, seeded.

An ordinary run sends some hundreds of each; ``UNBROKEN_IDENTITY=10000`` sends so many.
"""

import hashlib
import json as jsonlib
import os
from random import Random
from typing import Any, Final

import anthropic
import httpx2
import openai
import pytest

import unbroken_sdk.httpx2 as under
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run
from unbroken_retry import Retry
from unbroken_timeout import Timeout

from .conftest import ANTHROPIC, OPENAI

COUNT: Final = int(os.environ.get("UNBROKEN_IDENTITY", "300"))
SHARES: Final = 6
"""The tests that share them, so that they can run beside one another."""

_WORDS: Final = ["Hello", " wörld", "\u2028", "\n", "data: x", '"', "\\", "🥌", "event: error", "", "\x85", "[DONE]"]
_AMONG: Final = [b": ping", b"retry: 3000", b":", b"id: 7", b"unknown: x", b"x", b""]


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def cut(chance: Random, body: bytes) -> list[bytes]:
    most = chance.choice([0, 1, 3, 30])
    places = sorted({chance.randrange(1, len(body)) for _ in range(most)})
    return [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]


def framed(chance: Random, events: list[tuple[str, Any]]) -> bytes:
    """Return `events` as a server may write them: with any line end, comments, `retry:` and ids, and a BOM."""
    end = chance.choice([b"\n", b"\n", b"\r\n", b"\r"])
    lines = []
    for kind, data in events:
        if chance.random() < 0.3:
            lines += [chance.choice(_AMONG), *([b""] if chance.random() < 0.7 else [])]
        text = data if isinstance(data, bytes) else jsonlib.dumps(data, ensure_ascii=chance.random() < 0.5).encode()
        space = chance.choice([b" ", b" ", b""])
        lines += [b"event:" + space + kind.encode()] if kind else []
        lines += [b"data:" + space + text, b""]
    return chance.choice([b"", b"", b"\xef\xbb\xbf"]) + b"".join(line + end for line in lines)


def message(chance: Random) -> bytes:
    """Return a stream of Anthropic's API."""
    usage = {"input_tokens": chance.randrange(99), "output_tokens": 1}
    start = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "c", "usage": usage}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    events: list[tuple[str, Any]] = [("message_start", {"type": "message_start", "message": start})]
    events += [("content_block_start", block)]
    for _ in range(chance.randrange(1, 12)):
        if chance.random() < 0.2:
            events.append(("ping", {"type": "ping"}))
        delta = {"type": "text_delta", "text": chance.choice(_WORDS)}
        events.append(("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}))
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    events.append(("content_block_stop", {"type": "content_block_stop", "index": 0}))
    return framed(chance, [*events, ("message_delta", last), ("message_stop", {"type": "message_stop"})])


def chunks(chance: Random) -> bytes:
    """Return a stream of Chat Completions."""
    said = [chance.choice(_WORDS) for _ in range(chance.randrange(1, 12))]
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in said), {}]
    events = [
        ("", {**_CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}]})
        for delta in deltas
    ]
    return framed(chance, [*events, ("", b"[DONE]")])


_CHUNK: Final = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "g"}


def document(chance: Random) -> bytes:
    """Return a plain answer."""
    value = {chance.choice(_WORDS): [chance.random(), chance.choice(_WORDS), None] for _ in range(chance.randrange(20))}
    indent = chance.choice([None, 2])
    return b" " * chance.randrange(3) + jsonlib.dumps(value, indent=indent).encode() + b"\n" * chance.randrange(3)


MAKERS: Final = {"message": (message, ANTHROPIC), "chunks": (chunks, OPENAI), "json": (document, OPENAI)}


def expect_same(got: bytes, sent: bytes) -> None:
    """The bodies are equal; where a cut parts the very last CRLF, its LF is behind the proof and not read."""
    assert digest(got) in {digest(sent), digest(sent[:-1]) if sent.endswith(b"\r\n") else ""}


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("kind", list(MAKERS))
def test_bodies_are_identical(kind, share) -> None:
    """Through the transport of httpx2, sync and async in turn."""
    make, url = MAKERS[kind]
    bodies: list[bytes] = []

    def script(request: Any) -> Answer:
        chance = Random(f"{kind} {share} {len(bodies)}")
        body = make(chance)
        bodies.append(body)
        garbage = [chance.choice([b"", b"data: x\n\n", b"\x00"])] if kind != "json" else []
        if garbage and garbage[0] and body.endswith(b"\r"):
            garbage = [b"x" + garbage[0]]
        content_type = "application/json" if kind == "json" else "text/event-stream"
        return Answer(headers={"content-type": content_type}, body=[*cut(chance, body), *garbage])

    clock, plugins = FakeClock(), [Timeout(), Retry(max_retries=0)]
    ask = {"stream": True} if kind != "json" else {}
    count = -(-COUNT // (len(MAKERS) * SHARES))
    if share % 2:
        with httpx2.Client(
            transport=under.Transport(plugins, transport=ScriptedTransport(script, clock), clock=clock), trust_env=False
        ) as client:
            for _ in range(count):
                expect_same(client.post(url, json=ask).content, bodies[-1])
        return

    async def main() -> None:
        transport = under.AsyncTransport(plugins, transport=AsyncScriptedTransport(script, clock), clock=clock)
        async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
            for _ in range(count):
                response = await client.post(url, json=ask)
                expect_same(response.content, bodies[-1])

    run(main, clock=clock)


@pytest.mark.parametrize("kind", ["message", "chunks"])
def test_the_sdks_read_the_same_bytes(kind) -> None:
    """As their raw responses show, for a sample."""
    make, _ = MAKERS[kind]
    clock = FakeClock()
    bodies = [make(Random(f"{kind} {number}")) for number in range(max(10, COUNT // 100))]
    script = [Answer(body=cut(Random(number), body)) for number, body in enumerate(bodies)]
    transport = under.Transport([], transport=ScriptedTransport(script, clock), clock=clock)
    client: Any
    with httpx2.Client(transport=transport, trust_env=False) as http:
        ask: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
        if kind == "message":
            client = anthropic.Anthropic(api_key="k", http_client=http, max_retries=0)
            create, ask = client.messages.with_streaming_response.create, {**ask, "max_tokens": 9}
        else:
            client = openai.OpenAI(api_key="k", http_client=http, max_retries=0)
            create = client.chat.completions.with_streaming_response.create
        for body in bodies:
            with create(**ask) as response:
                expect_same(b"".join(response.iter_bytes()), body)
